"""What the views share: settings, engine, prompter and the served models, as one value on the application.

The protocols are the whole of what the web needs of an engine, so that tests can hand in another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from socket import socket
from typing import Any, Protocol, Union

from flask import Flask, current_app

from bpu.board.sensors import Sensors
from bpu.chat.prompt import Prompter
from bpu.chat.tokens import Counter
from bpu.console.events import Event
from bpu.settings import Settings
from bpu.turn import Progress, TimeLimitReached, Timing, Turn
from bpu.web.activity_store import ActivityStore
from bpu.web.connections import StreamSlots
from bpu.web.detached import DetachedAnswers
from bpu.web.request_log import RequestRecord
from bpu.web.request_metrics import RequestMetrics
from bpu.web.served_models import ServedModels

KEY = "bpu"


class Job(Protocol):
    """One accepted request, from its place in the queue to its end."""

    @property
    def id(self) -> str: ...

    @property
    def timing(self) -> Timing: ...

    def events(self, silence_s: float | None) -> Iterator[Union[Event, Progress, TimeLimitReached]]:
        """The console's events; a `Progress` first, after each `silence_s` of silence, and when the place changes."""

    def close(self) -> None: ...


class Engine(Protocol):
    """The board's one console as a worker sees it. Nothing here waits for the console; `status` is from memory."""

    def submit(
        self,
        turn: Turn,
        *,
        job_id: str,
        remember: Callable[[str], str],
        count: Callable[[str], int],
        client: socket | None = None,
        model: str = "",
    ) -> Job:
        """Put `turn` for the model with the id `model` into the queue; returns when its place is known.

        `remember` makes the digest of the conversation of the raw answer ("" if it cannot be continued), `count` its
        tokens. When `client` leaves, the job is closed. Raises `QueueFull`, `EngineUnavailable`, `EngineStopping`.
        """

    def start(self) -> None: ...

    @property
    def is_reachable(self) -> bool: ...

    def status(self) -> Mapping[str, Any]: ...

    def cancel(self, job_id: str) -> bool: ...

    def load(self, model: str = "") -> None:
        """Load the model with that id, the one of the last load by default. Raises `EngineUnavailable`."""

    def unload(self) -> None: ...

    def examine(self) -> None: ...

    def abort_jobs(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class AppContext:
    """One worker's parts.

    `vitals` reads the board. `leave` ends what would keep the worker from leaving and is nobody's answer: each
    function in `on_stop`.
    """

    settings: Settings
    engine: Engine
    served: ServedModels
    on_stop: list[Callable[[], None]] = field(default_factory=list)
    meters: RequestMetrics = field(default_factory=RequestMetrics)
    stream_slots: StreamSlots = field(default_factory=lambda: StreamSlots(128))
    vitals: Callable[[], Mapping[str, Any]] = field(default_factory=Sensors)
    detached: DetachedAnswers | None = None
    activity: ActivityStore | None = None

    @property
    def prompter(self) -> Prompter:
        """The default model's."""
        return self.served.default.parts.prompter

    @property
    def counter(self) -> Counter:
        """The default model's."""
        return self.served.default.parts.counter

    @property
    def context_size(self) -> int:
        """Tokens of the model that the engine has now, of the default one while it has none that is served here."""
        current = self.engine.status().get("model")
        found = (model for model in self.served.models if model.id == current)
        return next(found, self.served.default).context_size

    @property
    def model_id(self) -> str:
        """The id of the model that the engine has, had last, or will load first."""
        return str(self.engine.status().get("model") or self.served.default.id)

    @property
    def simulated(self) -> bool:
        return bool(self.engine.status()["simulated"])

    @property
    def on_cpu(self) -> bool:
        """Whether a model on this computer's processor answers."""
        return bool(self.engine.status()["cpu"])

    @property
    def fingerprint(self) -> str | None:
        """`system_fingerprint` of every answer: what answers, where it is not the board's console."""
        if self.on_cpu:
            return f"cpu-{self.settings.hbm_path.stem}"
        return "simulator" if self.simulated else None

    def install(self, app: Flask) -> None:
        app.extensions[KEY] = self

    def count(self, record: RequestRecord) -> None:
        """One request that is over."""
        self.meters.count(record)
        if self.activity is not None:
            self.activity.add(record)

    def leave(self) -> None:
        for end in self.on_stop:
            end()


def gateway() -> AppContext:
    """The gateway of the application that serves the current request."""
    found = current_app.extensions[KEY]
    assert isinstance(found, AppContext)
    return found
