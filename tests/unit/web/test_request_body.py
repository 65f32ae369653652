"""The body as JSON: its limits of size and depth, and text that can be written to a console."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpu.web.request_body import MAX_DEPTH
from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine

CHAT = "/v1/chat/completions"
SECRET = "Zanzibar"


def post(client: FlaskClient, data: bytes | str) -> Any:
    return client.post(CHAT, data=data, content_type="application/json")


def body(text: str = "Good day", **fields: Any) -> dict[str, Any]:
    return {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": text}], **fields}


def nested(depth: int) -> str:
    """A body whose deepest list lies `depth` levels down."""
    return json.dumps(body())[:-1] + ', "metadata": {"x": ' + "[" * (depth - 2) + "]" * (depth - 2) + "}}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"model": NaN}',
        b'{"a": 1e999}',
        b'{"a": -1e999}',
        b'{"a": -Infinity}',
        b"[" * 90_000,
        b'{"' + SECRET.encode() + b'": }',
        SECRET.encode(),
        ("\ud800").encode("utf-8", "surrogatepass"),
    ],
)
def test_what_is_no_json_is_refused_without_being_repeated(client: FlaskClient, data: bytes) -> None:
    response = post(client, data)
    assert (response.status_code, response.json["error"]["code"]) == (400, "invalid_json")
    assert SECRET not in response.text


def test_depth_has_a_limit(client: FlaskClient) -> None:
    assert post(client, nested(MAX_DEPTH)).status_code == 200
    refused = post(client, nested(MAX_DEPTH + 1))
    assert (refused.status_code, refused.json["error"]["code"]) == (400, "invalid_json")
    assert f"{MAX_DEPTH} levels" in refused.json["error"]["message"]


def test_size_has_a_limit(serve: Serve) -> None:
    client = serve(max_body_bytes=2000)
    fits = json.dumps(body("x" * 1000)).ljust(2000)
    assert post(client, fits).status_code == 200
    refused = post(client, fits + " ")
    assert (refused.status_code, refused.json["error"]["code"]) == (413, "request_too_large")
    assert "2000 bytes" in refused.json["error"]["message"]
    assert "BPU_MAX_BODY_BYTES" in refused.json["error"]["message"]


def test_messages_have_a_limit_in_number(serve: Serve) -> None:
    client = serve(max_messages=3)
    message = {"role": "user", "content": "x"}
    assert client.post(CHAT, json=body(messages=[message] * 3)).status_code == 200
    refused = client.post(CHAT, json=body(messages=[message] * 4))
    assert (refused.status_code, refused.json["error"]["param"]) == (400, "messages")


def test_half_a_surrogate_pair_becomes_the_character_for_what_is_broken(
    client: FlaskClient, engine: FakeEngine
) -> None:
    assert post(client, json.dumps(body()).replace("Good", "\\ud83d Good")).status_code == 200
    assert post(client, json.dumps(body()).replace("Good", "\\ud83d\\ude00")).status_code == 200
    assert "\ufffd Good" in engine.jobs[0].turn.line.decode()
    assert "\U0001f600" in engine.jobs[1].turn.line.decode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec=None), min_size=1, max_size=40))
def test_any_text_is_taken_or_refused_and_is_one_line(client: FlaskClient, engine: FakeEngine, text: str) -> None:
    """Lone surrogates, control characters, line breaks of every kind: never a 500, never a second line."""
    before = len(engine.jobs)
    response = post(client, json.dumps(body(text)))
    assert response.status_code in (200, 400)
    for job in engine.jobs[before:]:
        assert not set(job.turn.line) & {0, 4, 10, 13, 27}


LARGE = "Zz" * 50_000
TOO_LONG = {
    "messages": (CHAT, body(LARGE)),
    "tools": (CHAT, body(tools=[{"type": "function", "function": {"name": "f", "description": LARGE}}])),
    "a schema": (
        CHAT,
        body(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"description": LARGE}}}),
    ),
    "Responses": ("/v1/responses", {"model": "deepseek-r1:1.5b", "input": LARGE}),
    "Messages": ("/v1/messages", {**body(LARGE), "max_tokens": 9}),
    "Ollama": ("/api/chat", body(LARGE)),
    "Completions": ("/v1/completions", {"model": "deepseek-r1:1.5b", "prompt": LARGE}),
}


def large_texts() -> int:
    """How many texts as long as `LARGE` the objects of this process hold; each object counts once for each."""
    referents = (one for holder in gc.get_objects() for one in gc.get_referents(holder))
    return sum(isinstance(one, str) and len(one) >= len(LARGE) for one in referents)


@pytest.mark.long
@pytest.mark.parametrize(("path", "sent"), TOO_LONG.values(), ids=TOO_LONG.keys())
def test_7_no_text_of_a_refused_request_waits_for_the_garbage_collector(
    client: FlaskClient, path: str, sent: dict[str, Any]
) -> None:
    """A few such requests of 4 MB would fill the memory, because the collector counts objects and not bytes."""
    data = json.dumps(sent)
    gc.collect()
    gc.disable()
    try:
        before = large_texts()
        assert client.post(path, data=data, content_type="application/json").status_code == 400
        assert large_texts() == before
    finally:
        gc.enable()
