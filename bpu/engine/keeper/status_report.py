"""Builds the engine's status from the scheduler and the supervisors, in the keeper."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from bpu.engine.keeper.scheduler import Scheduler
from bpu.engine.states import State
from bpu.engine.status import Status

#: A packet is bounded; nobody reads further down a queue than this.
LISTED_JOBS = 200
LISTED_MODELS = 50
LISTED_LINES = 20


def status_of(desk: Scheduler, since: float) -> Status:
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
        "loads": sum(model.supervisor.loads for model in desk.registry.models.values()),
        "load_s": supervisor.load_s,
        "restarts": dict(sum((model.supervisor.restarts for model in desk.registry.models.values()), Counter[str]())),
        "cache_tokens": supervisor.cache.tokens if supervisor.cache.known else 0,
        "trust": _trust(desk),
        "trust_source": desk.examiner.source,
        "turn_end": supervisor.turn_end,
        "examination": desk.examiner.progress(),
        "examined": desk.examiner.finished,
        "running": _running(desk),
        "waiting": [
            {
                "id": ticket.id,
                "position": place,
                "arrived_at": ticket.arrived,
                "model": desk.registry.name_of(ticket.model),
            }
            for place, ticket in enumerate(desk.queue, 1)
            if place <= LISTED_JOBS
        ],
        "queued": len(desk.queue),
        "retry_at": supervisor.breaker.until if failed else None,
        "error": fault.message if fault and failed else None,
        "person": bool(fault and failed and fault.permanent),
        "log": list(supervisor.log.lines)[-LISTED_LINES:],
    }


def _models(desk: Scheduler) -> dict[str, Status]:
    """What is known of each model that was needed, by its id; the present one stands for all launches of its id."""
    found = {model.name: model.status() for model in list(desk.registry.models.values())[-LISTED_MODELS:]}
    return {**found, desk.model.name: desk.model.status()}


def _trust(desk: Scheduler) -> dict[str, bool]:
    known = desk.examiner.capabilities
    return {"keeps": known.retains_history, "resets": known.reset_works, "forgets": known.stateless}


def _running(desk: Scheduler) -> dict[str, Any] | None:
    ticket = desk.running
    if ticket is None:
        return None
    times = {"arrived_at": ticket.arrived, "started_at": desk.running_since}
    return {"id": ticket.id, "model": desk.registry.name_of(ticket.model), **times, **desk.progress}
