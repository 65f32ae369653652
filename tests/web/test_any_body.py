"""No body gives a 500, HTML or a hang: properties over everything JSON can say where a request should be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import create_app
from bpu.settings import load_settings
from tests.checker import check_stream, check_usage
from tests.response_checker import check_response, check_response_stream
from tests.web.bodies import ANSWERS, ENDPOINTS, JSON, SOUND, WILD
from tests.web.conftest import ReadingClient
from tests.web.fakes import FakeEngine, thought

ANY = settings(suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
def client(engine: FakeEngine) -> FlaskClient:
    app = create_app(load_settings(engine="simulator"), engine)
    app.test_client_class = ReadingClient
    return app.test_client()


def ask(client: FlaskClient, engine: FakeEngine, asked: tuple[str, dict[str, Any]], answer: str) -> int:
    """Send a request, check the whole of what comes back, and give its status."""
    path, body = asked
    engine.script = thought("Hm.", answer)
    response = client.post(path, data=json.dumps(body), content_type="application/json")
    status = response.status_code
    if status != 200:
        assert set(response.json["error"]) == {"message", "type", "param", "code"}
    elif response.content_type.startswith("text/event-stream"):
        check_streamed(path, body, response.data)
    else:
        check_whole(path, response.json)
    return status


def check_streamed(path: str, body: dict[str, Any], data: bytes) -> None:
    assert b"internal_error" not in data
    if path == "/v1/responses":
        check_response_stream(data)
    elif path == "/v1/chat/completions":
        check_stream(data, body, error=b'data: {"error":' in data)
    else:
        assert data.endswith(b"data: [DONE]\n\n")


def check_whole(path: str, body: dict[str, Any]) -> None:
    if path == "/v1/responses":
        check_response(body)
    else:
        check_usage(body["usage"])
        assert body["choices"][0]["finish_reason"] in {"stop", "length", "tool_calls"}


@ANY
@given(asked=SOUND, answer=ANSWERS)
def test_a_sound_request_gets_an_answer(
    client: FlaskClient, engine: FakeEngine, asked: tuple[str, dict[str, Any]], answer: str
) -> None:
    # 400: a schema or a choice that cannot be; 422: an answer of another form than asked for.
    assert ask(client, engine, asked, answer) in {200, 400, 422}


@ANY
@given(asked=WILD, answer=ANSWERS)
def test_a_wild_request_gets_an_answer_or_a_refusal(
    client: FlaskClient, engine: FakeEngine, asked: tuple[str, dict[str, Any]], answer: str
) -> None:
    assert ask(client, engine, asked, answer) in {200, 400, 404, 422}


@ANY
@given(path=st.sampled_from(list(ENDPOINTS)), value=JSON)
def test_any_json_at_all(client: FlaskClient, path: str, value: Any) -> None:
    response = client.post(path, data=json.dumps(value), content_type="application/json")
    assert response.status_code in {400, 404}
    assert set(response.json["error"]) == {"message", "type", "param", "code"}


@ANY
@given(path=st.sampled_from(list(ENDPOINTS)), data=st.binary(max_size=60))
def test_any_bytes_at_all(client: FlaskClient, path: str, data: bytes) -> None:
    response = client.post(path, data=data, content_type="application/json")
    assert response.status_code == 400
    assert response.json["error"]["type"] == "invalid_request_error"
