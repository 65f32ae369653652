"""A worker that does not read its connection for a while ends up with the newest picture, and no job waits for ever."""

from __future__ import annotations

from _socket import AF_UNIX, SO_SNDBUF, SOCK_SEQPACKET, SOL_SOCKET
from _socket import SocketType as RawSocket
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import socketpair
from typing import Any

import pytest

from bpu.engine import hub, protocol
from bpu.engine.connection import Connection
from bpu.engine.engine import Engine
from tests.engine.conftest import start_engine
from tests.engine.jobs import submit, wait_for
from tests.live.gateway import until

#: Each brings two pictures at least, far more than a socket's buffer holds.
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
    while (packet := protocol.receive(sock)) is not None:
        messages.append(packet[0])
    return messages


def test_a_lifeline_that_did_not_read_is_told_the_newest_picture_later(pair: tuple[Connection, RawSocket]) -> None:
    connection, worker = pair
    connection.lifeline = True
    number = 0
    while connection.tell({"number": number}):
        number += 1
    assert not connection.tell({"number": number}), "it still does not read"
    assert read_all(worker)[-1]["status"] == {"number": number - 1}
    assert connection.tell({"number": number})
    assert [message["status"] for message in read_all(worker)] == [{"number": number}]


def test_a_picture_is_told_once(pair: tuple[Connection, RawSocket]) -> None:
    connection, worker = pair
    connection.lifeline = True
    assert all(connection.tell({"state": "ready"}) for _ in range(5))
    assert len(read_all(worker)) == 1


def test_a_job_that_missed_a_message_is_cut_off_behind_those_that_came(pair: tuple[Connection, RawSocket]) -> None:
    connection, worker = pair
    sent = 0
    while connection.send({"say": "place", "position": sent}):
        sent += 1
    heard = [protocol.receive(worker) for _ in range(sent)]
    assert [packet[0]["position"] for packet in heard if packet is not None] == list(range(sent))
    for end in (worker, connection.sock):
        with pytest.raises(protocol.Closed):
            protocol.receive(end)


def test_a_connection_that_is_gone_takes_nothing(pair: tuple[Connection, RawSocket]) -> None:
    connection, worker = pair
    worker.close()
    assert not connection.send({"say": "accepted"})
    assert not connection.tell({"state": "ready"})


@pytest.mark.live
def test_the_keeper_tells_a_worker_that_did_not_read_how_things_stand_now(
    engine_of: Callable[..., Engine], tmp_path: Path
) -> None:
    """Nothing more happens in the engine after the picture that was lost, so only the keeper can think of it."""
    engine = engine_of()
    until(lambda: _at_rest(engine), what="the engine is ready")
    greeting = {"fingerprint": engine.launch.fingerprint}
    lifeline = protocol.connect(tmp_path)
    assert lifeline is not None
    protocol.send(lifeline, {"op": "attach", **greeting})
    job = {"op": "job", "id": "job", "arrived": 0.0, "history": "", "tokens": 1, "short_tokens": 0, **greeting}
    for _ in range(ROUNDS):
        line = protocol.connect(tmp_path)
        assert line is not None
        protocol.send(line, job)
        until(lambda: protocol.receive(line), what="the job is accepted")  # noqa: B023
        line.close()
    until(lambda: _at_rest(engine), what="the engine is ready again")
    pictures: list[dict[str, Any]] = []

    def shows_rest() -> bool:
        pictures.extend(message["status"] for message in read_all(lifeline))
        return pictures[-1]["state"] == "ready" and not pictures[-1]["queued"]

    until(shows_rest, what="the last picture is that of an engine at rest")
    assert len(pictures) < ROUNDS, "not one was lost: this shows nothing"
    lifeline.close()


def _at_rest(engine: Engine) -> bool:
    hub.sleep(0.01)
    status = engine.status()
    return bool(status["state"] == "ready" and not status["queued"])


def test_a_job_that_had_a_place_keeps_it_at_the_next_keeper(tmp_path: Path) -> None:
    """The queue's limit is for new jobs: the stream of this one has begun."""
    listener = protocol.listen(tmp_path)
    engine = start_engine(tmp_path)
    reader = hub.spawn(lambda: list(submit(engine, "hello").events(0.05)))
    places = []
    for _ in range(2):
        keeper = wait_for(lambda: protocol.accept(listener))
        job, _fds = wait_for(lambda: protocol.receive(keeper))  # noqa: B023
        places.append(job["again"])
        protocol.send(keeper, {"say": "place", "position": 1, "phase": "queued"})
        keeper.close()
    assert places == [False, True]
    hub.kill(reader)
    engine.stop()
    listener.close()
