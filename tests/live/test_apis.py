"""Ollama's and Anthropic's APIs on the real gunicorn. A number in a name is that of the checklist of APIs."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.gateway import Gateway, running, sim
from tests.live.wire import MODEL
from tests.support.anthropic_checker import check_message, check_message_stream
from tests.support.api_errors import check_error_at
from tests.support.ollama_checker import check_lines, parse_lines
from tests.support.waits import until

#: Takes as long as anybody looks at it.
LONG = sim(prefill=1, tokens=400)
ANSWERING: dict[str, dict[str, Any]] = {
    "/v1/messages": {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": LONG}]},
    "/api/chat": {"model": MODEL, "messages": [{"role": "user", "content": LONG}]},
    "/api/generate": {"model": MODEL, "prompt": LONG},
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    env = {"BPU_KEEPALIVE_S": "0.3"}
    with running(tmp_path_factory.mktemp("apis"), env=env) as started:
        yield started.wait_for()


def opened(gateway: Gateway, path: str, body: object, version: str = "1.1") -> socket.socket:
    """A request under way, as a bare socket."""
    data = json.dumps(body).encode()
    sock = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
    head = f"POST {path} HTTP/{version}\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    sock.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return sock


def is_running(gateway: Gateway) -> bool:
    return bool(gateway.slots()["slots"][0]["is_processing"])


@pytest.mark.parametrize("path", list(ANSWERING))
def test_34_leaving_in_the_middle_frees_the_slot(gateway: Gateway, path: str) -> None:
    with opened(gateway, path, {**ANSWERING[path], "stream": True}) as sock:
        assert b"200 OK" in sock.recv(100)
        until(lambda: is_running(gateway), what="the job runs")
    until(lambda: not is_running(gateway), what="the slot is free")
    assert gateway.ask("1+1=?")["choices"]


def test_04_67_lists_and_counts_are_answered_during_an_answer(gateway: Gateway) -> None:
    body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
    with opened(gateway, "/api/chat", ANSWERING["/api/chat"]):
        until(lambda: is_running(gateway), what="the job runs")
        for method, path, sent in (
            ("GET", "/api/tags", None),
            ("GET", "/api/ps", None),
            ("POST", "/api/show", {"model": MODEL}),
            ("GET", "/v1/models", None),
            ("GET", "/props", None),
            ("POST", "/v1/messages/count_tokens", body),
            ("POST", "/v1/chat/completions/input_tokens", body),
            ("POST", "/v1/responses/input_tokens", {"model": MODEL, "input": "Hi"}),
            ("POST", "/tokenize", {"content": "Hi"}),
            ("POST", "/apply-template", body),
        ):
            assert gateway.request(method, path, sent, timeout=20)[0] == 200, path
            assert is_running(gateway), f"{path} has waited for the answer"


def test_13_28_lines_come_one_by_one_and_the_first_before_the_console_speaks(gateway: Gateway) -> None:
    with opened(gateway, "/api/chat", {**ANSWERING["/api/chat"], "stream": True}) as sock:
        data = b""
        while data.count(b'"done":false}\n') < 2:
            data += sock.recv(4096)
        until(lambda: is_running(gateway), what="the answer is not over yet")
        assert b"Transfer-Encoding: chunked" in data
        assert b"application/x-ndjson" in data


def test_25_26_load_and_unload(gateway: Gateway) -> None:
    unload = {"model": MODEL, "keep_alive": 0}
    assert gateway.json("POST", "/api/generate", unload)["done_reason"] == "unload"
    until(lambda: gateway.json("GET", "/api/ps")["models"] == [], what="the model is unloaded")
    assert gateway.json("GET", "/props")["is_sleeping"] is True
    counted = gateway.json("POST", "/v1/messages/count_tokens", ANSWERING["/v1/messages"])
    assert counted["input_tokens"] > 5
    assert gateway.json("GET", "/api/ps")["models"] == [], "a count has loaded the model"
    assert gateway.json("POST", "/api/chat", {"model": MODEL})["done_reason"] == "load"
    assert [one["name"] for one in gateway.json("GET", "/api/ps")["models"]] == [MODEL]


def test_26_unloading_lets_a_running_answer_end(gateway: Gateway) -> None:
    body = {**ANSWERING["/api/generate"], "prompt": sim("1+1=?", prefill=1), "stream": True}
    with opened(gateway, "/api/generate", body, "1.0") as sock:
        until(lambda: is_running(gateway), what="the job runs")
        gateway.json("POST", "/api/generate", {"model": MODEL, "keep_alive": 0})
        data = b""
        while piece := sock.recv(65536):
            data += piece
    answer = check_lines(data.partition(b"\r\n\r\n")[2])
    assert answer["done_reason"] == "stop"
    assert gateway.json("POST", "/api/generate", {"model": MODEL})["done_reason"] == "load"


@pytest.mark.parametrize("path", list(ANSWERING))
def test_crashes_have_the_form_of_the_api(gateway: Gateway, path: str) -> None:
    """Not streamed a true status, in a stream the last event or line."""
    crash = sim(fault="signal")
    body = json.loads(json.dumps(ANSWERING[path]).replace(json.dumps(LONG)[1:-1], json.dumps(crash)[1:-1]))
    status, _, data = gateway.request("POST", path, {**body, "stream": False})
    assert status == 502
    check_error_at(path, json.loads(data))
    assert gateway.ask("1+1=?")["choices"], "failures in a row would open the breaker"
    status, _, data = gateway.request("POST", path, {**body, "stream": True})
    assert status == 200
    if path.startswith("/api"):
        assert "error" in parse_lines(data)[-1]
    else:
        assert check_message_stream(data, body)["type"] == "error"
    assert gateway.ask("1+1=?")["choices"]


def test_errors_before_any_view_have_the_form_of_the_api(tmp_path: Path) -> None:
    with running(tmp_path, env={"BPU_API_KEYS": "k"}) as gateway:
        for path in ANSWERING:
            status, _, data = gateway.request("POST", path, ANSWERING[path])
            assert status == 401
            check_error_at(path, json.loads(data))


def test_a_conversation_goes_on_in_anthropic_s_words(gateway: Gateway) -> None:
    messages: list[Any] = [{"role": "user", "content": "1+1=?"}]
    body = {"model": MODEL, "max_tokens": 500, "messages": messages, "thinking": {"type": "adaptive"}}
    first = check_message(gateway.json("POST", "/v1/messages", body), body)
    messages += [{"role": "assistant", "content": first["content"]}, {"role": "user", "content": "2+2=?"}]
    second = check_message(gateway.json("POST", "/v1/messages", body), body)
    assert "4" in second["content"][-1]["text"]
