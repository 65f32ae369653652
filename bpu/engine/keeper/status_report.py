"""Builds the engine's status from the scheduler and the supervisors, in the keeper."""

from __future__ import annotations

import os
from collections import Counter

from bpu.engine.keeper.scheduler import Scheduler
from bpu.engine.states import State
from bpu.engine.status import (
    EngineStatus,
    ExaminationStatus,
    ModelStatus,
    RunningJob,
    TrustStatus,
    TurnEndStatus,
    WaitingJob,
)

#: Limits of the lists, because a packet is bounded.
LISTED_JOBS = 200
LISTED_MODELS = 50
LISTED_LINES = 20


def status_of(scheduler: Scheduler, since: float) -> EngineStatus:
    """Build the status; `since` is the moment at which the state began."""
    supervisor, registry = scheduler.supervisor, scheduler.registry
    examination = scheduler.examiner.progress()
    fault, failed = supervisor.fault, supervisor.state is State.FAILED
    return EngineStatus(
        state=supervisor.state,
        since_at=since,
        simulated=scheduler.launch.simulated,
        cpu=scheduler.launch.cpu,
        profile=supervisor.profile.name,
        multi_turn=supervisor.profile.multi_turn,
        model=scheduler.launch.model,
        console_pid=supervisor.console_pid,
        keeper_pid=os.getpid(),
        models=_models(scheduler),
        swap_after_s=scheduler.swap_after_s,
        loads=sum(model.supervisor.loads for model in registry.models.values()),
        load_s=supervisor.load_s,
        restarts=dict(sum((model.supervisor.restarts for model in registry.models.values()), Counter[str]())),
        cache_tokens=supervisor.cache.tokens if supervisor.cache.known else 0,
        cache_job=supervisor.cache.job or None,
        trust=_trust(scheduler),
        trust_source=scheduler.examiner.source,
        turn_end=TurnEndStatus(**supervisor.turn_end),
        examination=None if examination is None else ExaminationStatus(**examination),
        examined=scheduler.examiner.finished,
        running=_running(scheduler),
        waiting=tuple(
            WaitingJob(
                id=ticket.id, position=place, arrived_at=ticket.arrived, model=registry.name_of(ticket.fingerprint)
            )
            for place, ticket in enumerate(scheduler.queue, 1)
            if place <= LISTED_JOBS
        ),
        queued=len(scheduler.queue),
        retry_at=supervisor.breaker.until if failed else None,
        error=fault.message if fault and failed else None,
        person=bool(fault and failed and fault.permanent),
        log=tuple(supervisor.log.lines)[-LISTED_LINES:],
    )


def _models(scheduler: Scheduler) -> dict[str, ModelStatus]:
    """The status of each model that was needed, by its id.

    The present one stands for all launches of its id.
    """
    registry = scheduler.registry
    known = list(registry.models.values())[-LISTED_MODELS:]
    # Of several launches of one id the newest counts, which may be one that was needed before the others.
    known.sort(key=lambda model: registry.fingerprint_of(model.name) == model.fingerprint)
    listed = [*known, scheduler.model]
    models = {model.name: model for model in listed}
    return {name: ModelStatus(**model.status()) for name, model in models.items()}


def _trust(scheduler: Scheduler) -> TrustStatus:
    known = scheduler.examiner.capabilities
    return TrustStatus(keeps=known.retains_history, resets=known.reset_works, forgets=known.stateless)


def _running(scheduler: Scheduler) -> RunningJob | None:
    ticket = scheduler.running
    if ticket is None:
        return None
    return RunningJob(
        id=ticket.id,
        model=scheduler.registry.name_of(ticket.fingerprint),
        arrived_at=ticket.arrived,
        started_at=scheduler.running_since,
        **scheduler.progress,
    )
