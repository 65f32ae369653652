"""Health, readiness, slots and the operator's orders, out of the engine's picture alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine

CHAT = "/v1/chat/completions"
BODY = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "Good day"}]}
RUNNING = {"id": "chatcmpl-1", "phase": "decode", "age_s": 3.5, "tokens": 12}
WAITING = [{"id": "chatcmpl-2", "position": 1, "age_s": 1.0}]


@pytest.mark.parametrize("state", ["stopped", "starting", "ready", "busy", "stopping", "failed"])
def test_health_is_200_in_every_state_and_says_what_to_do(serve: Serve, engine: FakeEngine, state: str) -> None:
    engine.picture.update(state=state, error="No BPU memory." if state == "failed" else None)
    response = serve().get("/health")
    assert response.status_code == 200
    assert response.json["status"] == ("error" if state == "failed" else "ok")
    assert response.json["engine"]["state"] == state
    assert bool(response.json["remedy"]) == (state in ("stopped", "starting", "failed"))


@pytest.mark.parametrize(
    ("picture", "preload", "status", "reason"),
    [
        ({"state": "ready"}, True, 200, None),
        ({"state": "busy"}, True, 200, None),
        ({"state": "stopped", "loads": 1}, True, 200, None),
        ({"state": "stopped", "loads": 0}, False, 200, None),
        ({"state": "stopped", "loads": 0}, True, 503, "The model is not loaded yet."),
        ({"state": "starting"}, True, 503, "The model is being loaded."),
        ({"state": "stopping"}, True, 503, "The engine is being stopped."),
        ({"state": "failed", "error": "It fell."}, True, 503, "The engine has failed. It fell."),
    ],
)
def test_ready(
    serve: Serve, engine: FakeEngine, picture: dict[str, Any], preload: bool, status: int, reason: str | None
) -> None:
    engine.picture.update(picture)
    response = serve(preload=preload).get("/ready")
    assert response.status_code == status
    assert response.json == {"ready": status == 200, "state": picture["state"], "reason": reason}


@pytest.mark.parametrize(("seconds", "header"), [(None, None), (0.2, "1"), (7.4, "7"), (900.0, "60")])
def test_an_open_breaker_says_when(serve: Serve, engine: FakeEngine, seconds: float | None, header: str | None) -> None:
    engine.picture.update(state="failed", error="It fell.", retry_after_s=seconds)
    assert serve().get("/ready").headers.get("Retry-After") == header


@pytest.mark.parametrize(
    ("examination", "header"),
    [
        ({"answers": 0, "of": 5, "rest_s": None}, "10"),
        ({"answers": 2, "of": 5, "rest_s": 12.4}, "12"),
        ({"answers": 4, "of": 5, "rest_s": 0.0}, "1"),
        (None, "10"),
    ],
)
def test_an_examination_says_when_it_is_over(
    serve: Serve, engine: FakeEngine, examination: dict[str, Any] | None, header: str
) -> None:
    engine.picture.update(state="checking", examination=examination)
    response = serve().get("/ready")
    assert (response.status_code, response.headers["Retry-After"]) == (503, header)
    health = serve().get("/health")
    assert (health.status_code, health.json["engine"]["examination"]) == (200, examination)


def test_slots(serve: Serve, engine: FakeEngine) -> None:
    engine.picture.update(state="busy", running=RUNNING, waiting=WAITING, cache_tokens=99)
    shown = serve(queue_limit=5).get("/slots").json
    assert shown["slots"] == [{"id": 0, "state": "busy", "is_processing": True, "job": RUNNING}]
    assert (shown["waiting"], shown["queue_limit"], shown["cache_tokens"]) == (WAITING, 5, 99)
    engine.picture.update(state="ready", running=None, waiting=[])
    assert serve().get("/slots").json["slots"][0]["is_processing"] is False


def test_orders_are_passed_on_and_not_waited_for(client: FlaskClient, engine: FakeEngine) -> None:
    assert client.post("/v1/engine/load").status_code == 202
    assert client.post("/v1/engine/unload").status_code == 202
    assert client.post("/v1/engine/examine").status_code == 202
    assert engine.orders == ["load", "unload", "examine"]


def test_a_job_is_cancelled_by_its_id(client: FlaskClient) -> None:
    job = client.post(CHAT, json=BODY).json["id"]
    assert client.post(f"/v1/jobs/{job}/cancel").json == {"id": job, "cancelled": True}
    response = client.post("/v1/jobs/other/cancel")
    assert (response.status_code, response.json["error"]["code"]) == (404, "job_not_found")
