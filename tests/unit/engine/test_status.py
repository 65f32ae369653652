"""The picture of the engine as people read it: moments have become ages."""

from __future__ import annotations

from bpu.engine.status import STOPPED, aged


def test_moments_become_seconds() -> None:
    job = {"id": "b", "position": 1, "arrived_at": 90.0}
    shown = aged({**STOPPED, "state": "failed", "since_at": 40.0, "retry_at": 130.0, "waiting": [job]}, 100.0)
    assert shown["since_s"] == 60.0
    assert shown["retry_after_s"] == 30.0
    assert shown["waiting"] == [{"id": "b", "position": 1, "age_s": 10.0}]
    assert not [name for name in shown if name.endswith("_at")]


def test_a_running_job_tells_first_token_and_decoding_from_the_first_token_on() -> None:
    job = {"id": "a", "arrived_at": 10.0, "started_at": 11.0, "phase": "prefill", "tokens": 0}
    shown = aged({**STOPPED, "running": job}, 12.0)["running"]
    assert shown == {"id": "a", "phase": "prefill", "tokens": 0, "age_s": 2.0}
    job.update(phase="decode", tokens=41, first_at=12.5, tokens_at=14.5)
    shown = aged({**STOPPED, "running": job}, 15.0)["running"]
    assert shown == {
        "id": "a", "phase": "decode", "tokens": 41, "age_s": 5.0, "first_token_s": 2.5, "decode_s": 2.0,
    }  # fmt: skip
