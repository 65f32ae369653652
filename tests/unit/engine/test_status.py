"""The status as clients see it: moments have become ages, and every field is there."""

from __future__ import annotations

import json
from dataclasses import replace

from bpu.engine.states import State
from bpu.engine.status import STOPPED, ExaminationStatus, ModelStatus, RunningJob, WaitingJob

RUNNING = RunningJob(id="a", model="m", arrived_at=10.0, started_at=11.0, phase="prefill", tokens=0)


def test_moments_become_seconds() -> None:
    job = WaitingJob(id="b", position=1, arrived_at=90.0, model="m")
    model = ModelStatus(fingerprint="f", loads=1, load_s=2.5, restarts={"crash": 1}, error="Gone.", retry_at=130.0)
    shown = replace(
        STOPPED,
        state=State.FAILED,
        since_at=40.0,
        retry_at=130.0,
        waiting=(job,),
        models={"m": model},
        examination=ExaminationStatus(answers=3, of=8, ends_at=112.0),
    ).to_json(100.0)
    assert shown["since_s"] == 60.0
    assert shown["retry_after_s"] == 30.0
    assert shown["waiting"] == [{"id": "b", "position": 1, "model": "m", "age_s": 10.0}]
    assert shown["models"] == {
        "m": {
            "fingerprint": "f", "loads": 1, "load_s": 2.5, "restarts": {"crash": 1}, "error": "Gone.",
            "retry_after_s": 30.0,
        }
    }  # fmt: skip
    assert shown["examination"] == {"answers": 3, "of": 8, "rest_s": 12.0}
    assert not [name for name in shown if name.endswith("_at")]


def test_a_running_job_shows_its_first_token_and_decoding_from_the_first_token_on() -> None:
    shown = replace(STOPPED, running=RUNNING).to_json(12.0)["running"]
    assert shown == {"id": "a", "model": "m", "phase": "prefill", "tokens": 0, "age_s": 2.0}
    decoding = replace(RUNNING, phase="decode", tokens=41, first_at=12.5, tokens_at=14.5)
    shown = replace(STOPPED, running=decoding).to_json(15.0)["running"]
    assert shown == {
        "id": "a", "model": "m", "phase": "decode", "tokens": 41, "age_s": 5.0, "first_token_s": 2.5, "decode_s": 2.0,
    }  # fmt: skip


def test_the_status_of_a_stopped_engine_has_every_field() -> None:
    shown = json.loads(json.dumps(STOPPED.to_json(5.0)))
    assert shown == {
        "state": "stopped", "simulated": False, "cpu": False, "profile": "", "multi_turn": None, "model": "",
        "console_pid": None, "keeper_pid": None, "models": {}, "swap_after_s": None, "loads": 0, "load_s": None,
        "restarts": {}, "cache_tokens": 0, "cache_job": None,
        "trust": {"keeps": False, "resets": False, "forgets": False}, "trust_source": "unknown",
        "turn_end": {"by": None, "silence_s": 0.0}, "examination": None, "examined": 0,
        "running": None, "waiting": [], "queued": 0, "error": None, "person": False, "log": [], "since_s": 5.0,
        "retry_after_s": None,
    }  # fmt: skip


def test_the_form_of_clients_is_a_copy() -> None:
    status = replace(STOPPED, restarts={"crash": 1})
    status.to_json(0.0)["restarts"]["crash"] = 9
    assert status.restarts == {"crash": 1}
