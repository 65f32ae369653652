"""A log line never blocks and never raises, whatever the descriptor behind it is: real pipes, sockets, devices."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpu import log_writer
from bpu.log_writer import PENDING_BYTES, LogWriter

LINE = "x" * 999 + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        yield reading, writing
    finally:
        for fd in (reading, writing):
            try:
                os.close(fd)
            except OSError:
                continue


def drain(fd: int) -> str:
    pieces = []
    try:
        while piece := os.read(fd, 65536):
            pieces.append(piece)
    except BlockingIOError:
        pass
    return b"".join(pieces).decode()


def refuse(*args: object) -> int:
    raise PermissionError


@pytest.fixture(params=["reopened", "polled"])
def writer(pipe: tuple[int, int], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LogWriter:
    """A writer onto this process's pipe, and onto one of another user, which cannot be opened again."""
    if request.param == "polled":
        monkeypatch.setattr(os, "open", refuse)
    made = LogWriter(pipe[1])
    monkeypatch.undo()
    return made


def test_3_a_paused_reader_blocks_nothing_and_gets_a_count_of_lost_lines(
    pipe: tuple[int, int], writer: LogWriter
) -> None:
    for _ in range(2000):
        writer.write(LINE)
    got = ""
    while piece := drain(pipe[0]):
        got += piece
        writer.flush()
    writer.write("at last\n")
    after = drain(pipe[0])
    kept = got.count("\n")
    assert got == LINE * kept
    assert kept * len(LINE) >= PENDING_BYTES
    assert after == f"{2000 - kept} log lines before this one could not be written.\nat last\n"
    writer.write("once\n")
    assert drain(pipe[0]) == "once\n"


def test_a_line_longer_than_a_pipe_arrives_whole(pipe: tuple[int, int], writer: LogWriter) -> None:
    text = "".join(f"{number}," for number in range(100_000)) + "\n"
    writer.write(text)
    got = ""
    while piece := drain(pipe[0]):
        got += piece
        writer.flush()
    assert got == text


def test_who_shares_the_pipe_keeps_its_way_of_writing(pipe: tuple[int, int], writer: LogWriter) -> None:
    writer.write(LINE)
    assert not fcntl.fcntl(pipe[1], fcntl.F_GETFL) & os.O_NONBLOCK


def test_3_a_reader_that_is_gone_raises_nothing(pipe: tuple[int, int], writer: LogWriter) -> None:
    os.close(pipe[0])
    assert [writer.write(LINE) for _ in range(1000)] == [len(LINE)] * 1000


def test_3_a_full_disk_raises_nothing() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        writer = LogWriter(full.fileno())
        assert [writer.write(LINE) for _ in range(1000)] == [len(LINE)] * 1000


def test_a_disk_with_room_again_gets_what_waited(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    file = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    writer = LogWriter(full)
    writer.write("first\n")
    writer._send = log_writer._sender(file, writer._owned)
    writer.write("second\n")
    assert (tmp_path / "log").read_text() == "first\nsecond\n"
    os.close(full)
    os.close(file)


def test_3_a_socket_whose_reader_is_paused_blocks_nothing() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = LogWriter(ours.fileno())
        for _ in range(2000):
            writer.write(LINE)
        assert ours.getblocking()
        assert theirs.recv(1000) == LINE.encode()
        writer.close()


def test_3_a_descriptor_that_is_closed_raises_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    assert LogWriter(writing).write("nowhere\n") == 8


def test_what_is_no_utf_8_is_written_as_an_escape(pipe: tuple[int, int], writer: LogWriter) -> None:
    writer.write("half \ud83d\n")
    assert drain(pipe[0]) == "half \\ud83d\n"


def test_a_child_does_not_repeat_what_its_parent_keeps(pipe: tuple[int, int], writer: LogWriter) -> None:
    filling = os.get_blocking(pipe[1])
    os.set_blocking(pipe[1], False)
    try:
        while True:
            os.write(pipe[1], b"-" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(pipe[1], filling)
    writer.write("of the parent\n")
    child = os.fork()
    if child == 0:
        drain(pipe[0])
        writer.write("of the child\n")
        os._exit(0)
    os.waitpid(child, 0)
    assert drain(pipe[0]) == "of the child\n"
    writer.flush()
    assert drain(pipe[0]) == "of the parent\n"
