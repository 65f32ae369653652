"""A model that is not served is a 404 in the form of the path, whatever its name is and wherever it stands."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import create_app
from bpu.settings import load_settings
from tests.support.api_errors import check_error_at
from tests.unit.web.bodies import COUNTED, ENDPOINTS, MODEL, some
from tests.unit.web.conftest import FlaskClient
from tests.unit.web.fakes import FakeEngine

ANY = settings(suppress_health_check=list(HealthCheck))
LOAD = "/v1/engine/load"
BODIES = {LOAD: {}, **{path: good for path, (good, _) in {**ENDPOINTS, **COUNTED}.items()}}
PARTS = some(
    MODEL, MODEL.upper(), "deepseek-r1", "1.5b", "-think", ":latest", ":", "/", "//", "..", "library",
    "registry.ollama.ai", " ", "\r\nX: y", "\0", "\ud800", "%2F", "%", "?", "#", "é", "模型", "x" * 3000,
)  # fmt: skip
NAMES = st.text(min_size=1, max_size=20) | st.lists(PARTS, min_size=1, max_size=5).map("".join)
#: A longer name may be refused as a bad value.
LONGEST = 128
SERVED = {MODEL, f"{MODEL}-think"}
#: What Ollama's rules may take for a served model, below a registry and a folder, in any case.
FOR_OLLAMA = {*SERVED, "deepseek-r1", *(f"{name}:latest" for name in SERVED), "deepseek-r1:latest"}


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    app = create_app(load_settings(engine="simulator"), FakeEngine())
    app.test_client_class = FlaskClient
    client = app.test_client()
    assert isinstance(client, FlaskClient)
    return client


def may_be_served(path: str, name: str) -> bool:
    if not path.startswith("/api/"):
        return name in SERVED
    return name.rpartition("/")[2].lower() in FOR_OLLAMA


@ANY
@given(path=st.sampled_from(list(BODIES)), name=NAMES)
def test_in_a_body(client: FlaskClient, path: str, name: str) -> None:
    data = json.dumps({**BODIES[path], "model": name})
    response = client.post(path, data=data, content_type="application/json")
    if response.status_code == 400:
        assert len(name) > LONGEST
    elif not may_be_served(path, name):
        assert response.status_code == 404
    if response.status_code >= 300:
        assert response.status_code in {400, 404}
        check_error_at(path, response.json)


@ANY
@given(name=NAMES.filter(lambda name: name.strip("/")), escape=st.booleans(), version=st.booleans())
def test_in_an_address(client: FlaskClient, name: str, escape: bool, version: bool) -> None:
    path = f"/v1/models/{quote(name, safe='' if escape else '/', errors='replace')}"
    headers = {"anthropic-version": "2023-06-01"} if version else {}
    response = client.get(path, headers=headers)
    if response.status_code == 200:
        assert response.json["id"] in SERVED
        return
    assert response.status_code == 404
    check_error_at("/v1/models/x", response.json, headers)


@ANY
@given(name=NAMES)
def test_in_a_query_it_shows_the_default_model(client: FlaskClient, name: str) -> None:
    response = client.get(f"/props?model={quote(name, errors='replace')}")
    assert response.status_code == 200
    assert response.json["model_alias"] == MODEL
