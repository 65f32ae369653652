"""A worker that does not read for a while gets the newest status in the end, and no job waits for ever."""

from __future__ import annotations

from _socket import AF_UNIX, SO_SNDBUF, SOCK_SEQPACKET, SOL_SOCKET
from _socket import SocketType as RawSocket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from socket import socketpair
from typing import Any

import pytest

from bpu import gevent_io
from bpu.engine import protocol
from bpu.engine.client.engine import Engine
from bpu.engine.keeper.connection import Connection
from bpu.engine.messages import ExitReport, QueuePlace
from bpu.engine.status import STOPPED, EngineStatus
from tests.support.waits import until
from tests.unit.engine.conftest import start_engine
from tests.unit.engine.jobs import submit, wait_for

#: Each brings two changes of the status at least, far more than a socket's buffer holds.
ROUNDS = 300


@pytest.fixture
def pair() -> Iterator[tuple[Connection, RawSocket]]:
    """A connection with a small buffer, and the worker's end of it."""
    ours, theirs = (RawSocket(fileno=end.detach()) for end in socketpair(AF_UNIX, SOCK_SEQPACKET))
    for end in (ours, theirs):
        end.setblocking(False)
    ours.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
    yield Connection(ours), theirs
    ours.close()
    theirs.close()


def read_all(sock: RawSocket) -> list[dict[str, Any]]:
    messages = []
    while (packet := protocol.receive_packet(sock)) is not None:
        messages.append(packet[0])
    return messages


def numbered(number: int) -> EngineStatus:
    return replace(STOPPED, loads=number)


def test_a_lifeline_that_did_not_read_gets_the_newest_status_later(pair: tuple[Connection, RawSocket]) -> None:
    connection, worker = pair
    connection.lifeline = True
    number = 0
    while connection.send_status(numbered(number)):
        number += 1
    assert not connection.send_status(numbered(number)), "it still does not read"
    assert read_all(worker)[-1]["status"]["loads"] == number - 1
    assert connection.send_status(numbered(number))
    assert [message["status"]["loads"] for message in read_all(worker)] == [number]


def test_a_status_is_sent_once(pair: tuple[Connection, RawSocket]) -> None:
    connection, worker = pair
    connection.lifeline = True
    assert all(connection.send_status(numbered(1)) for _ in range(5))
    assert len(read_all(worker)) == 1


def test_a_job_that_missed_a_message_is_cut_off_behind_those_that_came(pair: tuple[Connection, RawSocket]) -> None:
    connection, worker = pair
    sent = 0
    while connection.send(QueuePlace(position=sent, phase="queued")):
        sent += 1
    received = [protocol.receive(worker) for _ in range(sent)]
    messages = [QueuePlace(position=position, phase="queued") for position in range(sent)]
    assert [packet[0] for packet in received if packet is not None] == messages
    for end in (worker, connection.sock):
        with pytest.raises(protocol.Closed):
            protocol.receive(end)


def test_a_job_whose_message_the_kernel_refuses_is_cut_off_too(pair: tuple[Connection, RawSocket]) -> None:
    """As it does for want of memory; here the message is longer than the whole buffer."""
    connection, worker = pair
    assert not connection.send(ExitReport(message="x" * 50_000, permanent=False, how="", log=()))
    with pytest.raises(protocol.Closed):
        protocol.receive(worker)


def test_a_connection_that_is_gone_takes_nothing(pair: tuple[Connection, RawSocket]) -> None:
    connection, worker = pair
    worker.close()
    assert not connection.send(QueuePlace(position=1, phase="queued"))
    assert not connection.send_status(STOPPED)


@pytest.mark.live
def test_the_keeper_sends_the_newest_status_to_a_worker_that_did_not_read(
    engine_of: Callable[..., Engine], tmp_path: Path
) -> None:
    """Nothing more happens in the engine after the lost status, so the keeper must send it again by itself."""
    engine = engine_of()
    until(lambda: _at_rest(engine), what="the engine is ready")
    greeting = {"fingerprint": engine.launch.fingerprint}
    lifeline = protocol.connect(tmp_path)
    assert lifeline is not None
    protocol.send_packet(lifeline, {"op": "attach", **greeting})
    job = {
        "op": "job",
        "id": "job",
        "arrived": 0.0,
        "prefix_digest": "",
        "tokens": 1,
        "continuation_tokens": 0,
        **greeting,
    }
    for _ in range(ROUNDS):
        line = protocol.connect(tmp_path)
        assert line is not None
        protocol.send_packet(line, job)
        _packet, fds = until(lambda: protocol.receive_packet(line), what="the job is accepted")  # noqa: B023
        protocol.close_all(fds)  # the console's pipes, where the job has begun
        line.close()
    until(lambda: _at_rest(engine), what="the engine is ready again")
    statuses: list[dict[str, Any]] = []

    def shows_rest() -> bool:
        statuses.extend(message["status"] for message in read_all(lifeline))
        return statuses[-1]["state"] == "ready" and not statuses[-1]["queued"]

    until(shows_rest, what="the last status is that of an engine at rest")
    assert len(statuses) < ROUNDS, "not one was lost: this shows nothing"
    lifeline.close()


def _at_rest(engine: Engine) -> bool:
    gevent_io.sleep(0.01)
    status = engine.status()
    return bool(status["state"] == "ready" and not status["queued"])


def test_a_keeper_that_sends_an_unknown_message_is_reported(tmp_path: Path) -> None:
    """An older keeper refuses with the name of a class; its words are not taken for a code."""
    listener = protocol.listen(tmp_path)
    engine = start_engine(tmp_path)
    engine.start()
    keeper = wait_for(lambda: protocol.accept(listener))
    refusal: dict[str, Any] = {
        "event": "refused",
        "kind": "EngineUnavailable",
        "message": "No.",
        "retry_after": None,
        "log": [],
    }
    protocol.send_packet(keeper, refusal)
    assert "this version does not know" in wait_for(lambda: engine.status()["error"])
    assert engine.status()["state"] == "failed"
    engine.stop()
    for sock in (keeper, listener):
        sock.close()


def test_a_job_that_had_a_place_keeps_it_at_the_next_keeper(tmp_path: Path) -> None:
    """The queue's limit is for new jobs: the stream of this one has begun."""
    listener = protocol.listen(tmp_path)
    engine = start_engine(tmp_path)
    reader = gevent_io.spawn(lambda: list(submit(engine, "hello").events(0.05)))
    places = []
    for _ in range(2):
        keeper = wait_for(lambda: protocol.accept(listener))
        job, _fds = wait_for(lambda: protocol.receive_packet(keeper))  # noqa: B023
        places.append(job.get("again", False))
        protocol.send(keeper, QueuePlace(position=1, phase="queued"))
        keeper.close()
    assert places == [False, True]
    gevent_io.kill(reader)
    engine.stop()
    listener.close()
