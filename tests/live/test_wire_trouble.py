"""The wire checklist, items 46 to 52: busy, down, crashes, clients that leave, long waits, two at once."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live.gateway import FAST, Gateway, sim
from tests.live.wire import CHAT, body, message, post, streamed, whole
from tests.support.checker import check_stream
from tests.support.waits import until

Start = Callable[..., Gateway]


def idle(gateway: Gateway) -> bool:
    slots = gateway.slots()
    return not slots["slots"][0]["is_processing"] and not slots["waiting"]


def test_46_busy_is_429_with_a_time_to_come_again(start: Start) -> None:
    gateway = start(env={"BPU_QUEUE_LIMIT": "1"})
    running = gateway.stream(sim(tokens=2000, rate=50)).until_text()
    waiting = gateway.stream(sim())
    until(lambda: gateway.slots()["waiting"])
    for stream in (True, False):
        reply = post(gateway, body("Hi", stream=stream))
        assert (reply.status, reply.error["code"], reply.error["type"]) == (429, "queue_full", "rate_limit_error")
        assert 1 <= int(reply.headers["Retry-After"]) <= 60
    waiting.close()
    running.close()


def test_46_what_needs_a_person_is_424_with_cause_and_remedy(start: Start) -> None:
    gateway = start(env={"BPU_CONSOLE_ARGS": f"{FAST} --fault no-memory"}, ready="failed")
    for stream in (True, False):
        reply = post(gateway, body("Hi", stream=stream))
        assert (reply.status, reply.error["code"], reply.error["type"]) == (424, "engine_unavailable", "server_error")
        assert "memory" in reply.error["message"]


def test_46_a_wait_that_is_too_long_is_an_error(start: Start) -> None:
    gateway = start(env={"BPU_QUEUE_TIMEOUT_S": "0.5"})
    running = gateway.stream(sim(tokens=2000, rate=50)).until_text()
    reply = post(gateway, body("Hi"))
    assert (reply.status, reply.error["code"]) == (503, "queue_timeout")
    assert int(reply.headers["Retry-After"]) >= 1
    assert streamed(gateway, "Hi", error=True)["error"]["code"] == "queue_timeout"
    running.close()


@pytest.mark.parametrize("fault", ["signal", "exit", "run-error", "no-answer"])
def test_47_a_failure_after_the_headers_is_the_error_object(gateway: Gateway, fault: str) -> None:
    seen = streamed(gateway, sim(fault=fault), error=True)
    assert seen["error"]["code"] == "engine_crashed"
    assert seen["error"]["type"] == "server_error"
    assert "2" in streamed(gateway, "1+1=?")["content"]


def test_47_a_limit_of_time_is_length(start: Start) -> None:
    gateway = start(env={"BPU_JOB_TIMEOUT_S": "1"})
    assert streamed(gateway, sim(tokens=3000, rate=50))["finish_reason"] == "length"
    assert whole(gateway, sim(tokens=3000, rate=50))["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("fault", ["signal", "exit", "mkrun-error", "overflow"])
def test_48_a_crash_is_502_and_the_next_request_works(gateway: Gateway, fault: str) -> None:
    reply = post(gateway, body(sim(fault=fault)))
    assert (reply.status, reply.error["code"]) == (502, "engine_crashed")
    assert "2" in message(gateway, "1+1=?")["content"]


def leave(sock: socket.socket, how: str) -> None:
    """Close in one of the three ways a client can."""
    if how == "half":
        sock.shutdown(socket.SHUT_WR)
        return
    if how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("how", ["close", "half", "reset"])
@pytest.mark.parametrize("phase", ["queued", "prefill", "decode", "whole"])
def test_49_a_client_that_leaves_frees_the_slot(gateway: Gateway, phase: str, how: str) -> None:
    until(lambda: idle(gateway) and gateway.state() == "ready")
    if phase == "queued":
        running = gateway.stream(sim(tokens=300, rate=50)).until_text()
        sock = gateway.open_stream(sim())
        until(lambda: gateway.slots()["waiting"])
        leave(sock, how)
        until(lambda: not gateway.slots()["waiting"], seconds=5)
        assert gateway.state() == "busy", "the other's answer goes on"
        running.close()
    else:
        question = sim(prefill=30) if phase == "prefill" else sim(tokens=3000, rate=50)
        sock = gateway.open_stream(question, stream=phase != "whole")
        until(lambda: (gateway.slots()["slots"][0]["job"] or {}).get("phase") == wanted(phase))
        leave(sock, how)
    until(lambda: idle(gateway), seconds=5, what="the slot is free")
    assert "2" in message(gateway, "1+1=?")["content"]
    sock.close()


def wanted(phase: str) -> str:
    return "prefill" if phase == "prefill" else "decode"


def test_50_headers_of_a_silent_answer_go_out_early(start: Start) -> None:
    gateway = start(env={"BPU_HEADER_DRIP_S": "0.5", "BPU_KEEPALIVE_S": "0.5"})
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request("POST", CHAT, json.dumps(body(sim("1+1=?", prefill=3))), {"Content-Type": "application/json"})
    response = connection.getresponse()
    gateway.wait_for("busy")
    data = response.read()
    connection.close()
    assert data.startswith(b"\n\n")
    assert "2" in json.loads(data)["choices"][0]["message"]["content"]


def test_51_a_stream_is_not_cut_however_long_it_takes(start: Start) -> None:
    """Ten minutes in small: gunicorn's own limit and every keep-alive's period pass many times."""
    gateway = start(arguments=["--timeout", "1"], env={"BPU_KEEPALIVE_S": "0.2"})
    sent = body(sim(tokens=150, rate=30, pause=1.5, at=20), stream=True)
    seen = check_stream(post(gateway, sent).data, sent)
    assert seen["finish_reason"] == "stop"
    assert seen["keepalives"] > 3
    assert gateway.loads() == (1, {})


def test_52_two_at_once_are_in_order_and_unmixed(gateway: Gateway) -> None:
    running = gateway.stream(sim(tokens=80, rate=100, nonce="FIRST")).until_text()
    with ThreadPoolExecutor(3) as pool:
        second = pool.submit(streamed, gateway, sim(tokens=60, nonce="SECOND"))
        until(lambda: len(gateway.slots()["waiting"]) == 1)
        third = pool.submit(whole, gateway, sim(tokens=60, nonce="THIRD"))
        until(lambda: len(gateway.slots()["waiting"]) == 2)
        first = running.read_to_end()
        answers = [first.text, second.result()["content"], third.result()["choices"][0]["message"]["content"]]
    for own, answer in zip(["FIRST", "SECOND", "THIRD"], answers, strict=True):
        assert own in answer
        assert not any(other in answer for other in {"FIRST", "SECOND", "THIRD"} - {own})
