"""A client that does not read holds neither the BPU nor the worker's memory, and is let go after a while."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.live.gateway import Gateway, running, sim
from tests.live.stream import Stream
from tests.support.waits import until

Start = Callable[..., Gateway]
#: An answer of far more than the kernel keeps between two sockets of which one is not read.
TOKENS = 40_000
#: gunicorn's own settings, with narrow sockets and another time-out for writes.
CONFIG = """
import runpy
import socket

globals().update({name: value for name, value in runpy.run_path("gunicorn.conf.py").items() if name[0] != "_"})
begin, listening = post_worker_init, when_ready


def when_ready(server):
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    listening(server)


def post_worker_init(worker):
    from bpu.web import responder

    responder.WRITE_S = WRITE_S
    begin(worker)
"""


def narrow(folder: Path, *, write_s: float) -> dict[str, Any]:
    """How to start a gateway whose kernel keeps little for a client that does not read."""
    config = folder / "narrow.conf.py"
    config.write_text(CONFIG.replace("= WRITE_S", f"= {write_s}"))
    return {"arguments": ["-c", str(config)], "env": {"BPU_CONTEXT_SIZE": "60000"}}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("patient")
    with running(folder, **narrow(folder, write_s=60)) as started:
        yield started


def unread(gateway: Gateway, text: str, *, kept: int = 4096, **fields: object) -> socket.socket:
    """A request whose answer is left where it is; the kernel keeps about `kept` bytes of it for the client.

    With less than two packets of the loopback, each later packet waits for a timer of the kernel.
    """
    sock = gateway.open_stream(text, **fields)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kept)
    return sock


def is_free(gateway: Gateway) -> bool:
    return gateway.slots()["slots"][0]["job"] is None


def clients(gateway: Gateway) -> int:
    """Connections that the worker still serves, as the kernel sees it."""
    [worker] = gateway.workers()
    return sum(1 for link in worker.net_connections("tcp") if link.status == psutil.CONN_ESTABLISHED)


def test_the_slot_is_free_when_the_console_is_done_whatever_was_read(patient: Gateway) -> None:
    with closing(unread(patient, sim(rate=5000, tokens=TOKENS, nonce="STUCK"), kept=2**17)) as stuck:
        until(lambda: not is_free(patient), what="the job runs")
        until(lambda: is_free(patient), what="the slot is free")
        assert clients(patient) == 1, "the client is still served, and has not read a byte"
        assert "2" in patient.ask("1+1=?")["choices"][0]["message"]["content"]
        answer = Stream(stuck).read_to_end()
    assert (answer.finish, answer.error) == ("stop", None)
    assert answer.text.count("STUCK") > TOKENS // 50


def test_stuck_readers_do_not_hold_up_the_queue(patient: Gateway) -> None:
    stuck = [unread(patient, sim(rate=300, tokens=300)) for _ in range(8)]
    assert patient.ask("1+1=?")["choices"]
    for sock in stuck:
        sock.close()
    until(lambda: is_free(patient) and not patient.slots()["waiting"])
    assert "left" not in patient.engine()["restarts"]


def test_what_is_not_read_is_bounded(start: Start) -> None:
    """A console that never stops, and a client that never reads: the console is ended, the worker does not grow."""
    gateway = start()
    [worker] = gateway.workers()
    before = worker.memory_info().rss
    with closing(unread(gateway, sim(tokens=20, fault="endless"))):
        until(lambda: gateway.engine().get("restarts") == {"failed": 1}, what="the endless console is ended")
        gateway.wait_for("ready")
        assert worker.memory_info().rss - before < 100 * 2**20
        assert gateway.ask("1+1=?")["choices"]


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_does_not_read_is_let_go(start: Start, tmp_path: Path, streamed: bool) -> None:
    gateway = start(**narrow(tmp_path, write_s=1))
    with closing(unread(gateway, sim(rate=8000, tokens=TOKENS // 8 if streamed else TOKENS), stream=streamed)):
        until(lambda: not is_free(gateway), what="the job runs")
        until(lambda: clients(gateway) == 0, what="the client is let go")
        assert gateway.ask("1+1=?")["choices"]
    # A short answer that is still under way when its client is let go may cost the console; a whole one must not.
    assert streamed or "left" not in gateway.engine()["restarts"]
    assert "Traceback" not in gateway.log
