"""What an operator does over HTTP, on the real engine: look at the slot, cancel, unload, load."""

from __future__ import annotations

from tests.live.gateway import Gateway, sim
from tests.waits import until

STORY = sim("story", rate=20, tokens=400)


def test_slots_show_who_runs_and_who_waits_and_both_can_be_cancelled(gateway: Gateway) -> None:
    running = gateway.stream(STORY).until_text()
    waiting = gateway.stream(STORY)
    until(lambda: gateway.slots()["waiting"], what="the second job waits")
    slots = gateway.slots()
    assert slots["slots"][0]["is_processing"] is True
    assert slots["slots"][0]["job"]["id"] == running.id
    assert [(job["id"], job["position"]) for job in slots["waiting"]] == [(waiting.id, 1)]
    for stream in (waiting, running):
        assert gateway.json("POST", f"/v1/jobs/{stream.id}/cancel") == {"id": stream.id, "cancelled": True}
        error = stream.rest().error
        assert error is not None
        assert error["code"] == "job_cancelled"
    status, _, _ = gateway.request("POST", f"/v1/jobs/{running.id}/cancel")
    assert status == 404
    until(lambda: gateway.state() == "ready", what="the next job can come")


def test_an_unloaded_engine_is_ready_for_requests_and_loads_for_the_next(gateway: Gateway) -> None:
    assert gateway.request("POST", "/v1/engine/unload")[0] == 202
    until(lambda: gateway.state() == "stopped", what="unloaded")
    assert gateway.request("GET", "/ready")[0] == 200
    assert gateway.ask("hello")["choices"][0]["finish_reason"] == "stop"


def test_an_unload_lets_the_running_answer_end(gateway: Gateway) -> None:
    stream = gateway.stream(sim("story", rate=100, tokens=60)).until_text()
    assert gateway.request("POST", "/v1/engine/unload")[0] == 202
    answer = stream.rest()
    assert (answer.finish, answer.error) == ("stop", None)
    until(lambda: gateway.state() == "stopped", what="unloaded after the answer")
    assert gateway.request("POST", "/v1/engine/load")[0] == 202
    until(lambda: gateway.state() == "ready", what="loaded again")
