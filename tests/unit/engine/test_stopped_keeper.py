"""Workers notice a stopped keeper, report a typed error, and recover when it continues."""

from __future__ import annotations

import os
import signal

import pytest

from bpu import errors
from bpu.engine.client import daemon_connection
from tests.unit.engine.jobs import LONG, EngineOf, answer, first_text, says, submit, wait_for

pytestmark = pytest.mark.live


def test_a_stopped_keeper_is_reported_to_all_who_wait_and_heals(
    engine_of: EngineOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_connection, "PING_S", 0.2)
    monkeypatch.setattr(daemon_connection, "ANSWER_LIMIT_S", 1.0)
    engine = engine_of()
    running = submit(engine, LONG, "running")
    first_text(running)
    waiting = submit(engine, says("waited in vain"), "waiting")
    keeper = engine.status()["keeper_pid"]
    os.kill(keeper, signal.SIGSTOP)
    try:
        with pytest.raises(errors.EngineStopping, match=f"pid {keeper}, does not answer") as told:
            list(waiting.events(5.0))
        assert told.value.retry_after
        assert engine.status()["state"] == "failed"
        assert engine.status()["retry_after_s"]
        with pytest.raises(errors.EngineStopping) as refused:
            submit(engine, says("refused at once"), "refused")
        assert refused.value.retry_after
        with pytest.raises(errors.EngineStopping):
            engine.load()
        assert answer(running), "a job that runs has the console's pipes, and needs no keeper"
    finally:
        os.kill(keeper, signal.SIGCONT)
    wait_for(lambda: engine.status()["state"] == "ready")
    assert answer(submit(engine, says("healed"), "healed")) == "healed"
    assert (engine.status()["keeper_pid"], engine.status()["loads"]) == (keeper, 1)


def test_an_idle_keeper_is_not_reported(engine_of: EngineOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_connection, "PING_S", 0.02)
    engine = engine_of()
    wait_for(lambda: engine.status()["state"] == "ready")
    states: list[str] = []
    engine.on_change(lambda: states.append(engine.status()["state"]))
    wait_for(lambda: len(states) > 5)
    assert set(states) == {"ready"}
