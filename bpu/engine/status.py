"""The one small picture of the engine that every worker holds, so that nobody has to ask for it. Pure."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from bpu.engine.desk import Desk
from bpu.engine.states import State

Status = dict[str, Any]

#: A packet is bounded; nobody reads further down a queue than this.
LISTED_JOBS = 200
LISTED_MODELS = 50
LISTED_LINES = 20


def status_of(desk: Desk, since: float) -> Status:
    """All that `/health` and `/slots` show. Times are monotonic moments (`*_at`): it ages without being sent again."""
    supervisor = desk.supervisor
    fault, failed = supervisor.fault, supervisor.state is State.FAILED
    return {
        "state": supervisor.state.value,
        "since_at": since,
        "simulated": desk.launch.simulated,
        "cpu": desk.launch.cpu,
        "profile": supervisor.profile.name,
        "multi_turn": supervisor.profile.multi_turn,
        "model": desk.launch.model,
        "console_pid": supervisor.console_pid,
        "keeper_pid": os.getpid(),
        "models": _models(desk),
        "swap_after_s": desk.swap_after_s,
        "loads": sum(model.supervisor.loads for model in desk.models.values()),
        "load_s": supervisor.load_s,
        "restarts": dict(sum((model.supervisor.restarts for model in desk.models.values()), Counter[str]())),
        "cache_tokens": supervisor.cache.tokens if supervisor.cache.known else 0,
        "trust": _trust(desk),
        "trust_source": desk.examiner.source,
        "turn_end": supervisor.turn_end,
        "examination": desk.examiner.progress(),
        "examined": desk.examiner.finished,
        "running": _running(desk),
        "waiting": [
            {"id": ticket.id, "position": place, "arrived_at": ticket.arrived, "model": desk.name_of(ticket)}
            for place, ticket in enumerate(desk.queue, 1)
            if place <= LISTED_JOBS
        ],
        "queued": len(desk.queue),
        "retry_at": supervisor.breaker.until if failed else None,
        "error": fault.message if fault and failed else None,
        "person": bool(fault and failed and fault.needs_person),
        "log": list(supervisor.log.lines)[-LISTED_LINES:],
    }


def _models(desk: Desk) -> dict[str, Status]:
    """What is known of each model that was needed, by its id; the present one stands for all launches of its id."""
    found = {model.name: model.status() for model in list(desk.models.values())[-LISTED_MODELS:]}
    return {**found, desk.model.name: desk.model.status()}


def _trust(desk: Desk) -> dict[str, bool]:
    known = desk.examiner.capabilities
    return {"keeps": known.retains_history, "resets": known.reset_works, "forgets": known.stateless}


def _running(desk: Desk) -> dict[str, Any] | None:
    ticket = desk.running
    if ticket is None:
        return None
    times = {"arrived_at": ticket.arrived, "started_at": desk.running_since}
    return {"id": ticket.id, "model": desk.name_of(ticket), **times, **desk.progress}


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
