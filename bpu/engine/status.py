"""Defines the engine's status, which the keeper sends to every worker.

So `/health` is answered from memory. Pure. Times in it are moments (`..._at`) in seconds of the system-wide monotonic
clock, so it stays true without being sent again. `EngineStatus.to_json` turns them into ages; `/health`, `/slots`, the
page, the metrics and the commands show that form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bpu.engine.states import State


@dataclass(frozen=True, kw_only=True)
class TrustStatus:
    """What may be relied on.

    The console keeps its history, `reset` empties it, or every line is a new chat.
    """

    keeps: bool
    resets: bool
    forgets: bool


@dataclass(frozen=True, kw_only=True)
class TurnEndStatus:
    """How the last turn ended, and the silence that ends one without proof.

    The silence is in seconds. `by`: "statistics" is believed at once; "blocks": the console buffers its output, so that
    no end is proven and it is ended after every turn; None before the first turn.
    """

    by: Literal["statistics", "silence", "blocks"] | None
    silence_s: float


@dataclass(frozen=True, kw_only=True)
class ExaminationStatus:
    """Progress of an examination: `answers` of `of` are read.

    `ends_at` is when it is likely over, if that is known.
    """

    answers: int
    of: int
    ends_at: float | None

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the form that clients see, with seconds from `now` instead of moments."""
        return {"answers": self.answers, "of": self.of, "rest_s": _seconds_until(self.ends_at, now)}


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """One model that was needed at least once, loaded or not.

    `load_s` is the time of its last load in seconds; `restarts` counts its console's ends by cause; `error` and
    `retry_at` are set while it has failed.
    """

    fingerprint: str
    loads: int
    load_s: float | None
    restarts: dict[str, int]
    error: str | None
    retry_at: float | None

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the form that clients see, with seconds from `now` instead of moments."""
        return {**_without_moments(self), "retry_after_s": _seconds_until(self.retry_at, now)}


@dataclass(frozen=True, kw_only=True)
class WaitingJob:
    """A job in the queue.

    `position` counts from 1, `arrived_at` is when its request came, `model` the model's id.
    """

    id: str
    position: int
    arrived_at: float
    model: str

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the form that clients see, with seconds from `now` instead of moments."""
        return {**_without_moments(self), "age_s": max(0.0, now - self.arrived_at)}


@dataclass(frozen=True, kw_only=True)
class RunningJob:
    """The job on the console.

    `tokens` were counted at `tokens_at`; both moments are None before the first token.
    """

    id: str
    model: str
    arrived_at: float
    started_at: float
    phase: Literal["prefill", "decode"]
    first_at: float | None = None
    tokens: int
    tokens_at: float | None = None

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the form that clients see, with seconds from `now` instead of moments."""
        shown = {**_without_moments(self), "age_s": max(0.0, now - self.arrived_at)}
        if self.first_at is not None and self.tokens_at is not None:
            # From its arrival to the first token, and from there to the moment at which `tokens` were counted.
            shown["first_token_s"] = max(0.0, self.first_at - self.arrived_at)
            shown["decode_s"] = max(0.0, self.tokens_at - self.first_at)
        return shown


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """Everything that is published of the engine, at one moment.

    `since_at` is when `state` began; `model` is the id of the model that has the console, or had it last; `models` are
    all that were needed, by id; `load_s` is the last load's time in seconds; `loads`, `restarts` (by cause) and
    `examined` count since the keeper's start; `cache_tokens` are in the console's KV cache, where
    the answer of the job `cache_job` ends the conversation; `queued` counts all waiting jobs, of which `waiting` lists
    the first; `error` is set in state `failed`, `person` when a person must act; `retry_at` is when the next load is
    allowed; `log` holds the console's last log lines.
    """

    state: State
    since_at: float
    simulated: bool
    cpu: bool
    profile: str
    multi_turn: bool | None
    model: str
    console_pid: int | None
    keeper_pid: int | None
    models: dict[str, ModelStatus]
    swap_after_s: float | None
    loads: int
    load_s: float | None
    restarts: dict[str, int]
    cache_tokens: int
    cache_job: str | None
    trust: TrustStatus
    trust_source: str
    turn_end: TurnEndStatus
    examination: ExaminationStatus | None
    examined: int
    running: RunningJob | None
    waiting: tuple[WaitingJob, ...]
    queued: int
    retry_at: float | None
    error: str | None
    person: bool
    log: tuple[str, ...]

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the form that clients see.

        It is that of the moment `now`, with ages in seconds instead of moments.
        """
        return {
            **_without_moments(self),
            "state": self.state.value,
            "models": {name: model.to_json(now) for name, model in self.models.items()},
            "restarts": dict(self.restarts),
            "trust": dict(vars(self.trust)),
            "turn_end": dict(vars(self.turn_end)),
            "examination": None if self.examination is None else self.examination.to_json(now),
            "running": None if self.running is None else self.running.to_json(now),
            "waiting": [job.to_json(now) for job in self.waiting],
            "log": list(self.log),
            "since_s": max(0.0, now - self.since_at),
            "retry_after_s": _seconds_until(self.retry_at, now),
        }


def _without_moments(value: object) -> dict[str, Any]:
    return {name: field for name, field in vars(value).items() if not name.endswith("_at")}


def _seconds_until(moment: float | None, now: float) -> float | None:
    return None if moment is None else max(0.0, moment - now)


#: The status while no keeper runs.
STOPPED = EngineStatus(
    state=State.STOPPED,
    since_at=0.0,
    simulated=False,
    cpu=False,
    profile="",
    multi_turn=None,
    model="",
    console_pid=None,
    keeper_pid=None,
    models={},
    swap_after_s=None,
    loads=0,
    load_s=None,
    restarts={},
    cache_tokens=0,
    cache_job=None,
    trust=TrustStatus(keeps=False, resets=False, forgets=False),
    trust_source="unknown",
    turn_end=TurnEndStatus(by=None, silence_s=0.0),
    examination=None,
    examined=0,
    running=None,
    waiting=(),
    queued=0,
    retry_at=None,
    error=None,
    person=False,
    log=(),
)
