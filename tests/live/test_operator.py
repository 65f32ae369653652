"""What an operator does over HTTP, on the real engine: look at the slot, cancel, unload, load."""

from __future__ import annotations

import re
from collections.abc import Callable

from bpu.engine.states import TRANSITIONS, State, Transition
from tests.live.gateway import Gateway, sim
from tests.support.waits import until

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
        error = stream.read_to_end().error
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
    answer = stream.read_to_end()
    assert (answer.finish, answer.error) == ("stop", None)
    until(lambda: gateway.state() == "stopped", what="unloaded after the answer")
    assert gateway.request("POST", "/v1/engine/load")[0] == 202
    until(lambda: gateway.state() == "ready", what="loaded again")


def test_every_change_of_state_is_logged_once_and_is_one_of_the_table(start: Callable[..., Gateway]) -> None:
    gateway = start(workers=2)
    gateway.ask("hello")
    gateway.wait_for("ready")
    gateway.stream(sim("story", rate=20, tokens=400)).until_text().close()
    until(lambda: gateway.engine()["loads"] == 2, what="it loads again")
    gateway.wait_for("ready")
    assert gateway.request("POST", "/v1/engine/unload")[0] == 202
    gateway.wait_for("stopped")
    until(lambda: gateway.slots()["slots"][0]["state"] == "stopped", what="every worker says so")

    def logged() -> list[tuple[str, str, str]]:
        found = re.findall(r" engine: .* state=(\w+) before=(\w+) move=(\w+)", gateway.log)
        return [(old, new, move.replace("_", " ")) for new, old, move in found]

    until(lambda: logged()[-1:] and logged()[-1][1] == "stopped", what="the last change is logged")
    found = logged()
    changes = [(State(old), Transition(move), State(new)) for old, new, move in found]
    for old, move, new in changes:
        assert TRANSITIONS[old, move] is new
    states = [State.STOPPED, *(new for _, _, new in changes)]
    assert [old for old, _, _ in changes] == states[:-1], "each begins where the one before has ended"
    names = " ".join(state.value for state in states if state is not State.CHECKING)
    assert names.startswith("stopped starting ready busy ready")
    assert names.endswith("busy stopping stopped starting ready stopping stopped")


def test_an_idle_engine_is_unloaded_by_itself_and_says_so(start: Callable[..., Gateway]) -> None:
    gateway = start(env={"BPU_IDLE_UNLOAD_S": "1"}, ready="stopped")
    until(lambda: not gateway.consoles(), what="the memory is given back")
    assert gateway.engine()["loads"] == 1
    assert gateway.request("GET", "/ready")[0] == 200
    assert gateway.ask("hello")["choices"][0]["finish_reason"] == "stop"
    assert gateway.engine()["loads"] == 2
    gateway.wait_for("stopped")
    assert gateway.engine()["restarts"] == {"idle_unload": 2}
