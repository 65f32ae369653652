"""The wire checklist, items 1 to 15: endpoints, keys, headers, other origins."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai.types import Completion, Model

from tests.live.gateway import ROOT, Gateway, running, sim
from tests.live.wire import CHAT, MODEL, THINK, body, call, post, say, streamed, whole
from tests.support.checker import parse_sse
from tests.support.response_checker import check_response, check_response_stream

Start = Callable[..., Gateway]
ORIGIN = "http://localhost:3000"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with keys."""
    with running(tmp_path_factory.mktemp("locked"), env={"BPU_API_KEYS": "key-one,key-two"}) as started:
        yield started


def test_01_the_list_of_models_also_while_an_answer_is_made(gateway: Gateway) -> None:
    stream = gateway.stream(sim(tokens=400, rate=50)).until_text()
    models = call(gateway, "GET", "/v1/models").json
    gateway.wait_for("busy")
    stream.close()
    assert models["object"] == "list"
    assert [Model.model_validate(one).id for one in models["data"]] == [MODEL, THINK]
    assert {(one["context_length"], one["max_model_len"]) for one in models["data"]} == {(4096, 4096)}


def test_02_one_model_and_an_unknown_one(gateway: Gateway) -> None:
    assert Model.model_validate(call(gateway, "GET", f"/v1/models/{MODEL}").json).owned_by == "bpu"
    unknown = call(gateway, "GET", "/v1/models/gpt-4")
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")


def test_03_chat_completions_in_both_modes(gateway: Gateway) -> None:
    one, other = whole(gateway, "1+1=?"), streamed(gateway, "1+1=?")
    assert one["choices"][0]["message"]["content"] == other["content"]
    assert one["choices"][0]["message"]["reasoning_content"] == other["reasoning"]
    assert one["choices"][0]["finish_reason"] == other["finish_reason"] == "stop"


@pytest.mark.parametrize("prefix", ["", "/v1", "/v1/v1"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_04_the_same_api_under_every_prefix(gateway: Gateway, prefix: str, slash: str) -> None:
    assert call(gateway, "GET", f"{prefix}/models{slash}").json["object"] == "list"
    for path in ("chat/completions", "completions", "responses"):
        sent = body("1+1=?", prompt="1+1=?", input="1+1=?")
        if path == "responses":
            del sent["prompt"]
        assert post(gateway, sent, f"{prefix}/{path}{slash}").status == 200


def test_05_completions_in_both_modes(gateway: Gateway) -> None:
    sent = {"model": MODEL, "prompt": "1+1=?"}
    answer = Completion.model_validate(post(gateway, sent, "/v1/completions").json)
    chunks = parse_sse(post(gateway, {**sent, "stream": True}, "/v1/completions").data)
    assert "".join(one["text"] for chunk in chunks for one in chunk["choices"]) == answer.choices[0].text
    assert "2" in answer.choices[0].text


def test_06_responses_in_both_modes(gateway: Gateway) -> None:
    sent = {"model": MODEL, "input": "1+1=?"}
    one = check_response(post(gateway, sent, "/v1/responses").json)
    other = check_response_stream(post(gateway, {**sent, "stream": True}, "/v1/responses").data)
    assert [item["type"] for item in one["output"]] == ["reasoning", "message"]
    assert one["output"][1]["content"] == other["output"][1]["content"]


@pytest.mark.parametrize("path", ["embeddings", "audio/speech", "audio/transcriptions", "images/generations"])
def test_07_what_one_language_model_cannot_do_is_404(gateway: Gateway, path: str) -> None:
    reply = post(gateway, {"model": MODEL, "input": "Hi"}, f"/v1/{path}")
    assert (reply.status, reply.error["code"]) == (404, "unsupported_endpoint")


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/v1/models", CHAT, "/v1/completions", "/v1/responses"])
def test_08_health_and_page_without_a_key_head_and_options_everywhere(locked: Gateway, path: str) -> None:
    free = path in ("/", "/health", "/ready")
    if free:
        assert call(locked, "GET", path).status == 200
    head = call(locked, "HEAD", path)
    assert head.data == b""
    assert head.status == (200 if free else 401)
    assert call(locked, "OPTIONS", path).status in (200, 204)


def test_09_unknown_paths_and_methods_are_json(gateway: Gateway) -> None:
    missing = call(gateway, "GET", "/v1/nothing")
    assert (missing.status, missing.error["code"]) == (404, "not_found")
    wrong = call(gateway, "DELETE", CHAT)
    assert (wrong.status, wrong.error["code"]) == (405, "method_not_allowed")
    assert "POST" in wrong.headers["Allow"]


def test_10_without_keys_any_key_passes(gateway: Gateway) -> None:
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer sk-any"}, {"X-Api-Key": "any"}):
        assert post(gateway, body("1+1=?"), **headers).status == 200


def test_10_with_keys_everything_but_the_open_paths_needs_one(locked: Gateway) -> None:
    for method, path in (("GET", "/v1/models"), ("POST", CHAT), ("GET", "/slots"), ("GET", "/nothing")):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic key-one"}):
            reply = call(locked, method, path, **headers)
            assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
    assert post(locked, body("1+1=?"), Authorization="Bearer key-two").status == 200
    assert post(locked, body("1+1=?"), X_Api_Key="key-one").status == 200


def test_11_headers_and_bodies_as_they_come(gateway: Gateway) -> None:
    sent = json.dumps(body("1+1=?"))
    assert raw(gateway, sent, {"Content-Type": "application/json; charset=utf-8", "X-Stainless-Lang": "js"})[0] == 200
    assert raw(gateway, sent, {"Content-Type": "application/x-www-form-urlencoded"})[0] == 200
    assert raw(gateway, sent, {"Content-Type": "text/plain", "Origin": "https://evil.example"})[0] == 415
    status, answer = raw(gateway, "{'no': json", {"Content-Type": "application/json"})
    assert (status, answer["error"]["code"]) == (400, "invalid_json")


def raw(gateway: Gateway, data: str, headers: dict[str, str]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request("POST", CHAT, data, headers)
    response = connection.getresponse()
    try:
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_12_the_headers_of_a_stream(gateway: Gateway) -> None:
    reply = post(gateway, body("1+1=?", stream=True))
    assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-cache"
    assert reply.headers["X-Accel-Buffering"] == "no"
    assert reply.headers["x-request-id"] == parse_sse(reply.data)[0]["id"]
    assert call(gateway, "GET", "/v1/models").headers["x-request-id"]


def test_13_several_requests_on_one_connection(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.connect()
    port = connection.sock.getsockname()[1]
    for stream in (False, True, False):
        connection.request("POST", CHAT, json.dumps(body("1+1=?", stream=stream)), {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200
        assert b"2" in response.read()
        assert connection.sock.getsockname()[1] == port
    connection.close()
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    # In a process of its own, because the file sets up the one that reads it.
    code = "import runpy; print(runpy.run_path('gunicorn.conf.py')['keepalive'])"
    read = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(read.stdout) >= 75


@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/v1/responses"])
def test_14_a_preflight_of_an_allowed_origin(locked: Gateway, path: str) -> None:
    wanted = "authorization, content-type, user-agent, x-stainless-lang, x-api-key"
    reply = call(
        locked,
        "OPTIONS",
        path,
        Origin=ORIGIN,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers=wanted,
        Access_Control_Request_Private_Network="true",
    )
    assert reply.status == 204
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
    allowed = {name.strip().lower() for name in reply.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed >= {name.strip() for name in wanted.split(",")}
    assert int(reply.headers["Access-Control-Max-Age"]) > 0
    assert reply.headers["Access-Control-Allow-Private-Network"] == "true"


def test_15_the_origin_on_every_response_to_an_allowed_one(gateway: Gateway, locked: Gateway) -> None:
    replies = [
        post(gateway, body("1+1=?"), Origin=ORIGIN),
        post(gateway, body("1+1=?", stream=True), Origin=ORIGIN),
        post(gateway, {}, Origin=ORIGIN),
        call(gateway, "GET", "/nothing", Origin=ORIGIN),
        call(locked, "GET", "/v1/models", Origin=ORIGIN),
    ]
    assert [reply.status for reply in replies] == [200, 200, 400, 404, 401]
    for reply in replies:
        assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
        exposed = reply.headers["Access-Control-Expose-Headers"].lower()
        assert "x-request-id" in exposed
        assert "retry-after" in exposed
    foreign = post(gateway, body("1+1=?"), Origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in foreign.headers


def test_a_wish_without_effect_is_named_in_a_header(gateway: Gateway) -> None:
    reply = post(gateway, body(say("</think>Yes"), temperature=0.2, top_p=0.9, seed=1, logit_bias={"1": 2}))
    assert reply.headers["X-BPU-Ignored"] == "temperature, top_p, seed, logit_bias"
    assert "X-BPU-Ignored" not in post(gateway, body(say("</think>Yes"))).headers
