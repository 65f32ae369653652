"""Only processes that can still write to an ended console's pipe are killed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpu.board.pipes import can_write
from bpu.engine.console_process import Log

SELF = Path(f"/proc/{os.getpid()}")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int, int]]:
    """The reading end, the writing end, and the inode of both."""
    reader, writer = os.pipe()
    yield reader, writer, os.fstat(reader).st_ino
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            continue


def test_the_writing_end_is_found(pipe: tuple[int, int, int]) -> None:
    assert can_write(SELF, f"pipe:[{pipe[2]}]")


def test_a_reader_is_no_writer(pipe: tuple[int, int, int]) -> None:
    _, writer, inode = pipe
    os.close(writer)
    assert can_write(SELF, f"pipe:[{inode}]") is False


def test_a_reader_whose_descriptor_becomes_a_socket_while_it_is_looked_at_is_no_writer(
    pipe: tuple[int, int, int],
) -> None:
    """A worker closes the pipe of a console that died, and takes a client's connection at the same moment."""
    reader, writer, inode = pipe
    os.close(writer)
    seen: list[bool] = []

    def looked_at_too_late(info: Path) -> bool:
        with socket.socket() as sock:
            os.dup2(sock.fileno(), reader)
        flags = next(line.split()[1] for line in info.read_text().splitlines() if line.startswith("flags:"))
        seen.append(int(flags, 8) & os.O_ACCMODE != os.O_RDONLY)
        return seen[-1]

    assert can_write(SELF, f"pipe:[{inode}]", is_writable=looked_at_too_late) is False
    assert seen == [True], "the socket can be written to: the flags alone would have been wrong"


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert can_write(Path("/proc/0"), "pipe:[1]") is False


def test_after_the_first_line_only_a_librarys_own_lines_are_kept() -> None:
    log = Log()
    log.feed(b"hbm_path: /models/a.hbm\n")
    log.has_read_prompt = True
    log.feed(
        b"what a person asked\n[DNN] out of memory\nFailed to DoPrefill\nsaid [E][1][02-26][22:02:19:008][a.cpp:1][x]\n"
    )
    assert list(log.lines) == ["hbm_path: /models/a.hbm", "[DNN] out of memory", "Failed to DoPrefill"]
    assert log.omitted_lines == 2
