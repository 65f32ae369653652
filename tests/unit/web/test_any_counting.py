"""No body gives a 500 or another API's error where tokens are counted: properties over bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import create_app
from bpu.settings import load_settings
from tests.support.api_errors import check_error_at
from tests.unit.web.bodies import COUNTED, JSON, MODEL
from tests.unit.web.fakes import FakeEngine


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return create_app(load_settings(engine="simulator"), FakeEngine()).test_client()


@st.composite
def requests(draw: st.DrawFn, *, wild: bool) -> tuple[str, dict[str, Any]]:
    path = draw(st.sampled_from(list(COUNTED)))
    good, fields = COUNTED[path]
    body = {"model": MODEL, **good, **draw(st.fixed_dictionaries({}, optional=fields))}
    body["model"] = MODEL
    if wild:
        body |= draw(st.dictionaries(st.sampled_from(["model", *good, *fields, "name", "prompt"]), JSON, min_size=1))
    return path, body


def ask(client: FlaskClient, path: str, body: Any) -> int:
    response = client.post(path, data=json.dumps(body), content_type="application/json")
    if response.status_code != 200:
        check_error_at(path, response.json)
    return response.status_code


@settings(suppress_health_check=list(HealthCheck))
@given(asked=requests(wild=False))
def test_a_sound_body_is_counted_or_refused(client: FlaskClient, asked: tuple[str, dict[str, Any]]) -> None:
    # 400: a choice of a tool that is not there.
    assert ask(client, *asked) in {200, 400}


@settings(suppress_health_check=list(HealthCheck))
@given(asked=requests(wild=True))
def test_a_wild_body_is_counted_or_refused(client: FlaskClient, asked: tuple[str, dict[str, Any]]) -> None:
    assert ask(client, *asked) in {200, 400, 404}


@settings(suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(list(COUNTED)), value=JSON)
def test_any_json_at_all(client: FlaskClient, path: str, value: Any) -> None:
    assert ask(client, path, value) in {200, 400, 404}
