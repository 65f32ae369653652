"""A line is written to a pipe while the slot is held: whole, or with an error that says what went wrong."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bpu import errors
from bpu.engine.client import line_writer
from bpu.engine.client.line_writer import ConsoleEnded, LineWriter, SlotUnavailable
from bpu.engine.file_locks import SLOT_NAME, try_lock
from tests.unit.engine.rig import launch


class Console:
    """The console's end of its input, and the writer at the other end."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.input, theirs = os.pipe()
        os.set_blocking(theirs, False)
        self.writer = LineWriter(launch(folder, **limits), theirs)

    def read(self, size: int = 1 << 16) -> bytes:
        return os.read(self.input, size)

    def close(self) -> None:
        self.writer.close()
        if self.input >= 0:
            os.close(self.input)
            self.input = -1


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path)
    yield made
    made.close()


def is_free(folder: Path) -> bool:
    lock = try_lock(folder / SLOT_NAME, create=True)
    if lock is None:
        return False
    lock.close()
    return True


def test_a_short_line_is_there_before_anything_waits(console: Console, tmp_path: Path) -> None:
    console.writer.begin(b"hello")
    assert console.read() == b"hello\n"
    assert console.writer.written_at > 0
    assert not is_free(tmp_path), "only one job runs on the BPU"
    console.writer.finish()
    console.writer.close()
    console.writer.close()
    assert is_free(tmp_path)
    assert console.read() == b"", "its input is closed"


def test_a_line_that_is_longer_than_the_pipe_is_written_whole(console: Console) -> None:
    line = os.urandom(300_000).replace(b"\n", b" ")
    console.writer.begin(line)
    assert console.writer.written_at == 0, "it is not whole yet"
    got: list[bytes] = []

    def drain() -> None:
        while sum(map(len, got)) <= len(line):
            got.append(console.read())

    reader = threading.Thread(target=drain)
    reader.start()
    console.writer.finish()
    reader.join(30)
    assert b"".join(got) == line + b"\n"
    assert console.writer.written_at > 0


def test_a_console_that_does_not_read_is_a_timeout(tmp_path: Path) -> None:
    console = Console(tmp_path, stall_timeout_s=0.1)
    console.writer.begin(b"x" * 300_000)
    with pytest.raises(errors.EngineTimeout, match=r"does not read its input since 0\.1 seconds"):
        console.writer.finish()
    console.close()


def test_a_console_that_has_closed_its_input_has_ended(console: Console) -> None:
    os.close(console.input)
    console.input = -1
    console.writer.begin(b"hello")
    with pytest.raises(ConsoleEnded):
        console.writer.finish()
    assert console.writer.write_reset(b"reset") is False


def test_a_slot_that_another_job_holds_is_waited_for_and_nothing_is_written_meanwhile(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = try_lock(tmp_path / SLOT_NAME, create=True)
    assert held is not None
    console.writer.begin(b"hello")
    os.set_blocking(console.input, False)
    with pytest.raises(BlockingIOError):
        console.read()
    monkeypatch.setattr(line_writer, "SLOT_LIMIT_S", 0.05)
    with pytest.raises(errors.EngineCrashed, match="held by an earlier job"):
        console.writer.finish()
    monkeypatch.undo()
    threading.Timer(0.05, held.close).start()
    console.writer.finish()
    assert console.read() == b"hello\n"


def test_a_slot_that_cannot_be_opened_leaves_the_console_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    console = Console(tmp_path / "file")  # no folder can be made there
    console.writer.begin(b"hello")
    with pytest.raises(SlotUnavailable, match="BPU_STATE_DIR") as caught:
        console.writer.finish()
    assert caught.value.retry_after
    os.set_blocking(console.input, False)
    with pytest.raises(BlockingIOError):
        console.read()
    console.close()


def test_a_reset_is_a_line_of_its_own(console: Console) -> None:
    console.writer.begin(b"hello")
    assert console.writer.write_reset(b"reset")
    assert console.read() == b"hello\nreset\n"
