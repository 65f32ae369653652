"""A log that cannot be written stops nothing: full disk, reader gone, reader paused, on the real gunicorn."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tests.support.ports import reserve_port
from tests.support.waits import until
from tests.unit.web.test_gunicorn import CHAT, PROJECT, Served, body, command, environment

pytestmark = [pytest.mark.live, pytest.mark.long]

#: So many lines of more than a kilobyte are more than any pipe and any buffer of ours can take.
MANY = 1200
KEPT_ALIVE = b"GET /nowhere" + b"e" * 1000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.contextmanager
def serving(output: int, folder: Path, wrapper: Sequence[str] = ()) -> Iterator[Served]:
    port = reserve_port()
    process = subprocess.Popen(
        [*wrapper, *command("--bind", f"127.0.0.1:{port}")],
        cwd=PROJECT,
        # Connections are opened before they are used, one after the other: a busy machine must not close them.
        env=environment(BPU_WORKERS="2", BPU_STATE_DIR=str(folder), BPU_FIRST_BYTE_TIMEOUT_S="600"),
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    served = Served(port, process, folder)
    try:
        yield served
    finally:
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def answers(served: Served) -> bool:
    assert served.process.poll() is None
    with contextlib.suppress(OSError):
        return bool(served.ask("GET", "/health"))
    return False


def ask_much(served: Served) -> None:
    """Requests that each leave a line in the log, at both workers."""
    connections = [socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(6)]
    for connection in connections:
        with connection, connection.makefile("rb") as reader:
            for _ in range(MANY // 6):
                connection.sendall(KEPT_ALIVE)
                assert reader.readline() == b"HTTP/1.1 404 NOT FOUND\r\n"
                length = 0
                while (line := reader.readline()) != b"\r\n":
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                reader.read(length)


def workers(served: Served) -> list[int]:
    return sorted(child.pid for child in psutil.Process(served.process.pid).children())


def check_serves(served: Served) -> None:
    until(lambda: answers(served), what="the gateway answers")
    before = workers(served)
    ask_much(served)
    assert served.ask("POST", CHAT, body("Hello"))["choices"]
    assert workers(served) == before


def check_reloads(served: Served) -> None:
    """The master writes lines, too."""
    before = workers(served)
    served.process.send_signal(signal.SIGHUP)
    until(lambda: not set(workers(served)) & set(before), what="the workers were replaced")
    until(lambda: answers(served), what="the gateway answers after a reload")


def test_3_a_full_disk_under_the_log_stops_nothing(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full, serving(full.fileno(), tmp_path) as served:
        check_serves(served)
        check_reloads(served)


def test_3_a_log_whose_reader_has_gone_stops_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with serving(writing, tmp_path) as served:
        os.close(writing)
        check_serves(served)
        check_reloads(served)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_3_closed_standard_descriptors_stop_nothing_and_no_socket_takes_their_numbers(
    tmp_path: Path, closed: str
) -> None:
    with serving(subprocess.DEVNULL, tmp_path, ["sh", "-c", f'exec "$@" {closed}', "sh"]) as served:
        until(lambda: answers(served), what="the gateway answers")
        for pid in (served.process.pid, *workers(served)):
            assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(1, 3)} == {os.devnull}  # noqa: PTH115
        check_reloads(served)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_3_a_log_whose_reader_is_paused_stops_nothing_and_counts_what_is_lost(tmp_path: Path, kind: str) -> None:
    reading, writing = os.pipe() if kind == "pipe" else (end.detach() for end in socket.socketpair())
    with serving(writing, tmp_path) as served:
        os.close(writing)
        check_serves(served)
        os.set_blocking(reading, False)
        read = bytearray()

        def loss_is_told() -> bool:
            with contextlib.suppress(BlockingIOError):
                while piece := os.read(reading, 65536):
                    read.extend(piece)
            served.raw(KEPT_ALIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            return b"log lines before this one could not be written." in read

        until(loss_is_told, what="the loss is told")
        check_reloads(served)
    os.close(reading)
