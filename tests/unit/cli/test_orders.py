"""`load` and `unload` wait for what they ordered, whatever the engine does meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bpu.cli import _engine
from bpu.cli._engine import LocalEngine, examine, load_and_wait, unload_and_wait
from bpu.errors import EngineTimeout, EngineUnavailable
from bpu.settings import load_settings


def state(name: str, **fields: Any) -> dict[str, Any]:
    return {"state": name, "since_s": 0.0, "load_s": None, "error": None, "running": None, "queued": 0, **fields}


class Engine:
    """Goes through `states`, one a look; the last stays. Time passes with sleep alone."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self._states = list(states)
        self.ordered: list[str] = []
        self.now = 0.0

    def order(self, op: str, model: str = "") -> None:
        self.ordered.append(f"{op} {model}".strip())

    def status(self) -> dict[str, Any]:
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now


def test_a_load_is_over_when_the_engine_is_ready() -> None:
    engine = Engine(state("stopped"), state("stopped"), state("starting"), state("ready", load_s=2.5))
    assert load_and_wait(engine, limit_s=10, clock=engine.clock, sleep=engine.sleep)["load_s"] == 2.5
    assert engine.ordered == ["load"]


def test_an_old_failure_is_not_taken_for_the_new_one() -> None:
    old = state("failed", since_s=60.0, error="Old.")
    engine = Engine(old, old, old, state("starting"), state("ready"))
    assert load_and_wait(engine, limit_s=10, clock=engine.clock, sleep=engine.sleep)["state"] == "ready"


def test_a_load_of_a_model_is_over_when_that_one_is_ready() -> None:
    old, new = {"model": "a", "models": {}}, {"model": "b", "models": {}}
    engine = Engine(state("ready", **old), state("ready", **old), state("starting", **new), state("ready", **new))
    assert load_and_wait(engine, model="b", limit_s=10, clock=engine.clock, sleep=engine.sleep)["model"] == "b"
    assert engine.ordered == ["load b"]


def test_a_model_that_cannot_be_loaded_is_an_error_though_another_is_ready() -> None:
    engine = Engine(state("ready", model="a", models={"b": {"error": "No BPU memory."}}))
    with pytest.raises(EngineUnavailable, match="No BPU memory"):
        load_and_wait(engine, model="b", limit_s=10, clock=engine.clock, sleep=engine.sleep)


def test_a_failure_is_an_error_in_the_engine_s_words() -> None:
    engine = Engine(state("stopped"), state("starting"), state("failed", error="No BPU memory. Free it."))
    with pytest.raises(EngineUnavailable, match=r"No BPU memory\. Free it\."):
        load_and_wait(engine, limit_s=10, clock=engine.clock, sleep=engine.sleep)


def test_a_load_that_takes_too_long_ends_the_wait() -> None:
    engine = Engine(state("starting"))
    with pytest.raises(EngineTimeout):
        load_and_wait(engine, limit_s=3, clock=engine.clock, sleep=engine.sleep)
    assert engine.now == pytest.approx(3, abs=0.2)


def test_an_unload_waits_for_the_jobs_under_way() -> None:
    engine = Engine(state("busy", running={"id": "a"}, queued=1), state("stopping"), state("stopped"))
    unload_and_wait(engine, limit_s=10, clock=engine.clock, sleep=engine.sleep)
    assert engine.ordered == ["unload"]
    stuck = Engine(state("busy", running=True))
    with pytest.raises(EngineTimeout):
        unload_and_wait(stuck, limit_s=1, clock=stuck.clock, sleep=stuck.sleep)


CHECKING = {"examination": {"answers": 1, "of": 5, "rest_s": None}, "examined": 0}


def test_an_examination_is_over_when_it_was_finished() -> None:
    before = state("ready", examined=0)
    loading = [state("stopping", examined=0), state("starting", examined=0)]
    engine = Engine(before, before, *loading, state("checking", **CHECKING), state("stopping", examined=1))
    assert examine(engine, limit_s=10, clock=engine.clock, sleep=engine.sleep)["examined"] == 1
    assert engine.ordered == ["examine"]


def test_an_examination_that_was_cut_short_is_an_error() -> None:
    engine = Engine(state("ready", examined=0), state("checking", **CHECKING), state("stopping", examined=0))
    with pytest.raises(EngineUnavailable, match="cut short"):
        examine(engine, limit_s=10, clock=engine.clock, sleep=engine.sleep)


def test_an_examination_that_does_not_come_ends_the_wait() -> None:
    engine = Engine(state("busy", examined=0))
    with pytest.raises(EngineTimeout):
        examine(engine, limit_s=2, clock=engine.clock, sleep=engine.sleep)


@pytest.mark.parametrize(("allowed", "said"), [(True, "No gateway is running"), (False, "Run this with sudo")])
def test_a_service_of_root_is_not_said_to_be_missing(
    allowed: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder, /run/bpu, cannot be entered by an ordinary user, whose commands then look into another one."""
    engine = LocalEngine(load_settings(state_dir=tmp_path / "own"))
    monkeypatch.setattr(_engine, "SYSTEM_STATE", tmp_path)
    monkeypatch.setattr(os, "access", lambda *words: allowed)
    for ask in (engine.status, lambda: engine.order("load")):
        with pytest.raises(EngineUnavailable, match=said):
            ask()
