"""A client that leaves, in every way and every phase: the BPU is free soon, and nobody else notices."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live.gateway import Gateway, sim
from tests.live.gateway import running as started
from tests.support.waits import until

Start = Callable[..., Gateway]
#: What is promised is one second to notice and two until the BPU is free; a busy machine gets some more.
SOON_S = 4.0


def fin(sock: socket.socket) -> None:
    sock.close()


def rst(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def half_close(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_WR)


WAYS = {"fin": fin, "rst": rst, "half-close": half_close}


def ask(gateway: Gateway, *, stream: bool, **directives: Any) -> socket.socket:
    """A request on a bare socket; nothing of the answer has been read."""
    return gateway.open_stream(sim(**directives), stream=stream)


def running(gateway: Gateway) -> str | None:
    job = gateway.slots()["slots"][0]["job"]
    return None if job is None else str(job["id"])


def free(gateway: Gateway, left: str) -> bool:
    """Whether the console can be used by others than `left`."""
    return gateway.state() == "ready" or running(gateway) not in (None, left)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_a_running_job_is_given_up(gateway: Gateway, way: str, stream: bool, phase: str) -> None:
    gateway.wait_for("ready")
    directives = {"prefill": 60} if phase == "prefill" else {"tokens": 4000, "rate": 40}
    sock = ask(gateway, stream=stream, **directives)
    job = until(lambda: running(gateway), what="the job runs")
    if phase == "decode":
        until(lambda: gateway.slots()["slots"][0]["job"]["phase"] == "decode", what="it decodes")
    WAYS[way](sock)
    began = time.monotonic()
    until(lambda: free(gateway, job), seconds=SOON_S, what="the BPU is free")
    print(f"\nfree {time.monotonic() - began:.2f} s after {way}")
    assert gateway.ask("1+2=?")["choices"][0]["finish_reason"] == "stop"
    sock.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_waiting_job_gives_up_its_place_and_nobody_elses(gateway: Gateway, way: str, stream: bool) -> None:
    gateway.wait_for("ready")
    first = gateway.stream(sim(tokens=80, rate=40, nonce="FIRST")).until_text()
    leaver = ask(gateway, stream=stream, tokens=20)
    until(lambda: len(gateway.slots()["waiting"]) == 1, what="it waits")
    behind = gateway.stream(sim(tokens=20, nonce="BEHIND"))
    until(lambda: len(gateway.slots()["waiting"]) == 2, what="both wait")
    WAYS[way](leaver)
    until(lambda: len(gateway.slots()["waiting"]) == 1, seconds=SOON_S, what="its place is given up")
    loads = gateway.engine()["loads"]
    assert "FIRST" in first.read_to_end().text
    assert "BEHIND" in behind.read_to_end().text
    assert gateway.engine()["loads"] == loads
    leaver.close()


@pytest.fixture(scope="module")
def slow_to_load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    env = {"BPU_CONSOLE_ARGS": "--speed max --load-seconds 2"}
    with started(tmp_path_factory.mktemp("slow"), env=env) as gateway:
        yield gateway


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_job_that_waits_for_the_model_is_given_up(slow_to_load: Gateway, way: str, stream: bool) -> None:
    gateway = slow_to_load
    assert gateway.request("POST", "/v1/engine/unload", {})[0] == 202
    gateway.wait_for("stopped")
    loads = gateway.engine()["loads"]
    leaver = ask(gateway, stream=stream, tokens=20)
    until(lambda: gateway.state() == "starting")
    until(lambda: len(gateway.slots()["waiting"]) == 1)
    WAYS[way](leaver)
    until(lambda: not gateway.slots()["waiting"], seconds=SOON_S, what="its place is given up")
    assert gateway.ask("1+2=?")["choices"][0]["finish_reason"] == "stop"
    assert gateway.engine()["loads"] == loads + 1
    leaver.close()


def test_a_killed_engine_loads_before_anybody_asks(start: Start) -> None:
    gateway = start()
    gateway.stream(sim(tokens=4000, rate=40)).until_text().close()
    until(lambda: gateway.engine().get("loads") == 2, what="it loads again by itself")
    gateway.wait_for("ready")
    assert (gateway.engine()["loads"], gateway.slots()["waiting"]) == (2, []), "one load, and no job has asked for it"
