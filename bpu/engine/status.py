"""The engine's status: the one small value that every worker holds, so that `/health` needs no question. Pure."""

from __future__ import annotations

from typing import Any

from bpu.engine.states import State

Status = dict[str, Any]

STOPPED: Status = {
    "state": State.STOPPED.value,
    "since_at": 0.0,
    "simulated": False,
    "cpu": False,
    "profile": "",
    "multi_turn": None,
    "model": "",
    "console_pid": None,
    "keeper_pid": None,
    "models": {},
    "swap_after_s": None,
    "loads": 0,
    "load_s": None,
    "restarts": {},
    "cache_tokens": 0,
    "trust": {"keeps": False, "resets": False, "forgets": False},
    "trust_source": "unknown",
    "turn_end": {"by": None, "silence_s": 0.0},
    "examination": None,
    "examined": 0,
    "running": None,
    "waiting": [],
    "queued": 0,
    "retry_at": None,
    "error": None,
    "person": False,
    "log": [],
}


def aged(status: Status, now: float) -> Status:
    """`status` with ages in seconds instead of moments, as people read it."""
    shown = {key: value for key, value in status.items() if not key.endswith("_at")}
    shown["since_s"] = max(0.0, now - status["since_at"])
    retry_at = status["retry_at"]
    shown["retry_after_s"] = None if retry_at is None else max(0.0, retry_at - now)
    shown["models"] = {name: _aged_model(model, now) for name, model in status["models"].items()}
    if (examination := status["examination"]) is not None:
        ends_at = examination["ends_at"]
        rest_s = None if ends_at is None else max(0.0, ends_at - now)
        shown["examination"] = {"answers": examination["answers"], "of": examination["of"], "rest_s": rest_s}
    shown["waiting"] = [_aged_job(job, now) for job in status["waiting"]]
    shown["running"] = None if status["running"] is None else _aged_job(status["running"], now)
    return shown


def _aged_model(model: Status, now: float) -> Status:
    retry_at = model["retry_at"]
    rest = {key: value for key, value in model.items() if key != "retry_at"}
    return {**rest, "retry_after_s": None if retry_at is None else max(0.0, retry_at - now)}


def _aged_job(job: dict[str, Any], now: float) -> dict[str, Any]:
    shown = {key: value for key, value in job.items() if not key.endswith("_at")}
    shown["age_s"] = max(0.0, now - job["arrived_at"])
    if "first_at" in job:
        # From its arrival to the first token, and from there to the moment at which `tokens` were counted.
        shown["first_token_s"] = max(0.0, job["first_at"] - job["arrived_at"])
        shown["decode_s"] = max(0.0, job["tokens_at"] - job["first_at"])
    return shown
