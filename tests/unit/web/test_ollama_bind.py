"""BPU_OLLAMA_BIND: further addresses, and what happens to one that is taken, on the real gunicorn."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpu.access_policy import access
from bpu.settings import Settings
from bpu.web import ollama_bind
from tests.live.gateway import running
from tests.support.ports import reserve_port
from tests.support.waits import until

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    yield
    ollama_bind.choose("")


def version(port: int) -> object:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/api/version")
        return json.loads(connection.getresponse().read())["version"]
    finally:
        connection.close()


@pytest.mark.live
def test_a_further_address_serves_the_same_and_survives_a_reload(tmp_path: Path) -> None:
    port = reserve_port()
    with running(tmp_path, env={"BPU_OLLAMA_BIND": f"127.0.0.1:{port}"}) as gateway:
        assert version(port) == version(gateway.port)
        assert gateway.health()["ollama_bind"] == [{"address": f"127.0.0.1:{port}", "served": True, "reason": None}]
        before = {worker.pid for worker in gateway.workers()}
        gateway.send_signal(signal.SIGHUP)
        until(lambda: (now := {one.pid for one in gateway.workers()}) and not now & before, what="the workers are new")
        assert version(port)
        assert gateway.health()["ollama_bind"][0]["served"] is True


@pytest.mark.live
def test_an_address_that_is_taken_is_left_out_and_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with running(tmp_path, env={"BPU_OLLAMA_BIND": address}) as gateway:
            (state,) = gateway.health()["ollama_bind"]
            assert (state["address"], state["served"]) == (address, False)
            assert state["reason"] == os.strerror(98)
            lines = [line for line in gateway.log.splitlines() if "BPU_OLLAMA_BIND" in line]
            assert len(lines) == 1
            assert address in lines[0]
            assert gateway.ask("1+1=?")["choices"]


def test_an_address_of_its_own_is_not_tried_again() -> None:
    assert ollama_bind.choose("a:1,b:2", ["b:2"], find_problem=lambda part: None) == ["a:1"]
    assert ollama_bind.choose("a:1", find_problem=lambda part: OSError(98, "taken")) == ["a:1"]
    assert ollama_bind.choose("c:3", find_problem=lambda part: OSError(98, "taken")) == []
    assert ollama_bind.refused() == {"c:3": "taken"}
    assert ollama_bind.choose("") == []
    assert ollama_bind.state() == []


@pytest.mark.parametrize(
    ("bind", "others", "served"),
    [
        ("127.0.0.1:1", ["0.0.0.0:1"], []),
        ("0.0.0.0:1", ["127.0.0.1:1"], []),
        ("[::]:1", ["127.0.0.1:1"], []),
        ("0.0.0.0:1,[::]:1", ["a:2"], ["0.0.0.0:1"]),
        ("a:1,a:1", [], ["a:1"]),
        ("[::1]:1", ["0.0.0.0:1"], ["[::1]:1"]),
        ("127.0.0.1:1", ["0.0.0.0:2", "127.0.0.2:1", "unix:/run/a:1"], ["127.0.0.1:1"]),
    ],
)
def test_an_address_that_the_gateway_itself_takes_is_left_out(bind: str, others: list[str], served: list[str]) -> None:
    assert ollama_bind.choose(bind, others, find_problem=lambda part: None) == served
    assert [one["address"] for one in ollama_bind.state()] == list(dict.fromkeys(bind.split(",")))


@pytest.mark.live
def test_a_gateway_on_all_of_ollama_s_port_starts(tmp_path: Path) -> None:
    port = reserve_port()
    with running(tmp_path, env={"BPU_OLLAMA_BIND": f"0.0.0.0:{port},127.0.0.1:{port}"}) as gateway:
        assert version(port) == version(gateway.port)
        assert [one["served"] for one in gateway.health()["ollama_bind"]] == [True, False]


def test_sockets_of_systemd_leave_no_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert ollama_bind.choose("127.0.0.1:11434") == []
    assert "systemd" in ollama_bind.refused()["127.0.0.1:11434"]


def test_a_gateway_with_an_address_beyond_loopback_takes_local_names() -> None:
    assert access(Settings(bind="127.0.0.1:8000")).is_loopback_only
    assert not access(Settings(bind="127.0.0.1:8000", ollama_bind="0.0.0.0:11434")).is_loopback_only
