"""No body gives a 500, HTML or a hang: properties over everything JSON can say where a request should be.

Longer by hand: `TEST_EXAMPLES=10000 python -m pytest tests/unit/web/test_any_body.py`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import create_app
from bpu.settings import load_settings
from tests.support.api_errors import check_error_at
from tests.unit.web.bodies import ANSWERS, ENDPOINTS, JSON, SOUND, WILD, some
from tests.unit.web.conftest import FlaskClient
from tests.unit.web.fakes import FakeEngine, thought

ANY = settings(suppress_health_check=list(HealthCheck))
#: The beginnings of all addresses of the APIs.
APIS = ("/v1/", "/api/")


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
def client(engine: FakeEngine) -> FlaskClient:
    app = create_app(load_settings(engine="simulator"), engine)
    app.test_client_class = FlaskClient
    client = app.test_client()
    assert isinstance(client, FlaskClient)
    return client


@pytest.fixture(scope="module")
def guarded(engine: FakeEngine) -> FlaskClient:
    """A client of a gateway that wants a key."""
    app = create_app(load_settings(engine="simulator", api_keys="k"), engine)
    app.test_client_class = FlaskClient
    client = app.test_client()
    assert isinstance(client, FlaskClient)
    return client


def ask(client: FlaskClient, engine: FakeEngine, asked: tuple[str, dict[str, Any]], answer: str) -> int:
    """Send a request, check what comes back (a good answer has been checked by the client), and give its status."""
    path, body = asked
    engine.script = thought("Hm.", answer)
    response = client.post(path, data=json.dumps(body), content_type="application/json")
    if response.status_code != 200:
        check_error_at(path, response.json)
    assert b"internal_error" not in response.data
    return response.status_code


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
    check_error_at(path, response.json)


@ANY
@given(path=st.sampled_from(list(ENDPOINTS)), data=st.binary(max_size=60))
def test_any_bytes_at_all(client: FlaskClient, path: str, data: bytes) -> None:
    response = client.post(path, data=data, content_type="application/json")
    assert response.status_code == 400
    check_error_at(path, response.json)


def rules(client: FlaskClient) -> list[tuple[str, str]]:
    """Every route with every method of it, its parameters filled in; and addresses that are no route."""
    found = {
        (method, re.sub("<[^>]+>", "x", rule.rule))
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    return sorted(found | {("POST", f"{prefix}/nothing") for prefix in ("/api", "/v1/messages", "/v1")})


@settings(ANY, max_examples=ANY.max_examples // 3)
@given(data=st.data(), key=some("", "other", "k\udcff"), version=st.booleans())
def test_without_a_key_every_address_refuses_in_its_own_form(
    guarded: FlaskClient, data: st.DataObject, key: str, version: bool
) -> None:
    method, path = data.draw(st.sampled_from([one for one in rules(guarded) if one[1].startswith(APIS)]))
    headers = {"x-api-key": key.encode("utf-8", "surrogateescape").decode("latin-1")} if key else {}
    headers |= {"anthropic-version": "2023-06-01"} if version else {}
    response = guarded.open(path, method=method, data=b"{}", headers=headers, content_type="application/json")
    assert response.status_code == 401
    check_error_at(path, response.json, headers)


@settings(ANY, max_examples=ANY.max_examples // 3)
@given(data=st.data(), sent=st.binary(max_size=60) | st.builds(lambda value: json.dumps(value).encode(), JSON))
def test_any_address_that_takes_a_body(client: FlaskClient, data: st.DataObject, sent: bytes) -> None:
    path = data.draw(st.sampled_from([path for method, path in rules(client) if method == "POST"]))
    kind = data.draw(st.sampled_from(["application/json", "text/plain", ""]))
    response = client.post(path, data=sent, content_type=kind)
    assert response.status_code < 500
    assert response.is_json
    if response.status_code >= 400:
        check_error_at(path, response.json)
