"""The keeper lives through any packet: what no worker sends costs its own connection, and no job but its own."""

from __future__ import annotations

import json
import os
import random
from _socket import SocketType as RawSocket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bpu.console.traits import TurnReport
from bpu.engine import protocol
from bpu.engine.client.engine import Engine
from bpu.engine.messages import EndJob, FailJob, to_packet
from tests.unit.engine.jobs import EngineOf, answer, first_text, says, submit, wait_for

pytestmark = pytest.mark.live

HUGE = 10**400
#: Raw packets, mostly no message at all.
RAW = [
    b"[" * 60_000,
    b'{"op":' * 10_000,
    b'{"op":"attach","fingerprint":' + b"[" * 90_000,
    b'{"op":"\\ud800"}',
    b"\xff\xfe\x00",
    b"{}",
    b"null",
    b"9" * 5000,
    b'{"op":"job","arrived":' + b"9" * 4000 + b"}",
    b'{"op":"job","arrived":NaN}',
    b"x" * (protocol.PACKET_BYTES + 1),
    b'{"op":"status"}' + b" " * protocol.PACKET_BYTES,
]
OPS: tuple[object, ...] = (
    "attach",
    "job",
    "progress",
    "end",
    "fail",
    "decline",
    "status",
    "shutdown",
    "listen",
    "none",
    None,
    7,
    [],
    {},
)
FIELDS = (
    "fingerprint",
    "id",
    "arrived",
    "prefix_digest",
    "tokens",
    "continuation_tokens",
    "digest",
    "why",
    "prints_end",
    "reset_sent",
)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 3, HUGE, -HUGE, 1e308, float("nan"), float("inf"), float("-inf")),
    *("", "x", "x" * 50_000, "\ud800", [], [[]], {}, {"a": 1}),
)


@pytest.fixture
def engine(engine_of: EngineOf) -> Engine:
    engine = engine_of()
    wait_for(lambda: engine.status()["state"] == "ready")
    return engine


def connection(folder: Path) -> RawSocket:
    sock = wait_for(lambda: protocol.connect(folder))
    assert isinstance(sock, RawSocket)
    return sock


def check_served(engine: Engine, keeper: int) -> None:
    assert answer(submit(engine, says("still here"), f"after-{random.random()}")) == "still here"
    assert engine.status()["keeper_pid"] == keeper
    json.dumps(engine.status(), allow_nan=False)


@pytest.mark.parametrize("packet", RAW, ids=range(len(RAW)))
def test_9_the_keeper_lives_through_a_raw_packet(engine: Engine, tmp_path: Path, packet: bytes) -> None:
    keeper = engine.status()["keeper_pid"]
    sock = connection(tmp_path)
    sock.send(packet)
    check_served(engine, keeper)
    assert (engine.status()["loads"], engine.status()["restarts"]) == (1, {})
    sock.close()


def random_messages(rng: random.Random, fingerprint: str) -> Iterator[dict[str, Any]]:
    for _ in range(rng.randrange(1, 5)):
        message = {field: rng.choice(VALUES) for field in FIELDS if rng.random() < 0.9}
        message["op"] = rng.choice(OPS)
        if rng.random() < 0.8:
            message["fingerprint"] = fingerprint
        if rng.random() < 0.5:  # all but one field as a worker has them
            sound = {
                "id": "x",
                "arrived": 0.0,
                "prefix_digest": "",
                "tokens": 1,
                "continuation_tokens": 0,
                "digest": "",
                "why": "x",
            }
            sound.pop(rng.choice(list(sound)))
            message.update(sound)
        yield message


@pytest.mark.parametrize("seed", range(4))
def test_9_the_keeper_lives_through_messages_of_wrong_types_in_any_order(
    engine: Engine, tmp_path: Path, seed: int
) -> None:
    """Some of them become jobs, which are given the console like any other and lose it when their connection ends."""
    keeper, rng = engine.status()["keeper_pid"], random.Random(seed)
    reader, writer = os.pipe()
    for _ in range(60):
        sock = connection(tmp_path)
        for message in random_messages(rng, engine.launch.fingerprint):
            try:
                protocol.send_packet(sock, message, (reader, writer) if rng.random() < 0.2 else ())
            except (protocol.Closed, ValueError):
                break  # the keeper has closed it, or the message cannot even be encoded
        sock.close()
    check_served(engine, keeper)
    os.close(reader)
    os.close(writer)


def test_9_a_job_that_runs_does_not_notice_bad_packets_of_others(engine: Engine, tmp_path: Path) -> None:
    job = submit(engine, "[[sim tokens=60 rate=100]]", "running")
    first_text(job)
    for packet in RAW:
        sock = connection(tmp_path)
        sock.send(packet)
        sock.close()
    assert answer(job)
    assert engine.status()["loads"] == 1


def test_9_a_job_that_ends_twice_or_joins_twice_leaves_no_place_behind(engine: Engine, tmp_path: Path) -> None:
    """A message about a job that does not run must not detach it from its connection, whose end then ends it."""
    running = submit(engine, "[[sim tokens=60 rate=100]]", "running")
    first_text(running)
    joining = {"op": "job", "fingerprint": engine.launch.fingerprint, "arrived": 0.0, "prefix_digest": "", "tokens": 1}
    sock = connection(tmp_path)
    for message in (
        {**joining, "id": "first", "continuation_tokens": 0},
        to_packet(EndJob(digest="", tokens=0, report=TurnReport())),
        to_packet(FailJob(why="x")),
        {**joining, "id": "second", "continuation_tokens": 0},
    ):
        protocol.send_packet(sock, message)
    wait_for(lambda: len(engine.status()["waiting"]) == 0)
    sock.close()
    assert answer(running)
    check_served(engine, engine.status()["keeper_pid"])
