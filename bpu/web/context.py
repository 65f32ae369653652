"""The application context: the parts that all views of one worker share.

The protocols name all that the web needs of an engine, so that tests can pass another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from socket import socket
from typing import Any, Protocol

from flask import Flask, current_app

from bpu.board.sensors import Sensors
from bpu.chat.prompt import Prompter
from bpu.chat.tokens import Counter
from bpu.images.job_images import ImageInput
from bpu.settings import Settings
from bpu.turn import EventSink, Timing, Turn
from bpu.web.activity_store import ActivityStore
from bpu.web.detached import DetachedAnswers
from bpu.web.request_log import RequestRecord
from bpu.web.request_metrics import RequestMetrics
from bpu.web.served_models import ServedModels
from bpu.web.stream_registry import StreamRegistry

KEY = "bpu"


class Job(Protocol):
    """One accepted request, queued or running; used in the request's greenlet."""

    @property
    def id(self) -> str:
        """The id in the answer and in the log, which `Engine.cancel` takes."""

    @property
    def timing(self) -> Timing:
        """Seconds of the job's phases so far."""

    def feed(self, sink: EventSink, silence_s: float | None) -> Iterator[None]:
        """Pass the job's events to `sink` as they come.

        Yield each time that it has output for the client. A `Progress` comes first, after each `silence_s` without
        output, and on a new position.
        """

    def close(self) -> None:
        """End the job and free everything; may be called at any time, and twice."""


class Engine(Protocol):
    """The board's one engine as a worker sees it.

    No method waits for the console; `status` reads memory.
    """

    def submit(
        self,
        turn: Turn,
        *,
        job_id: str,
        conversation_digest: Callable[[str], str],
        count_tokens: Callable[[str], int],
        client: socket | None = None,
        model: str = "",
        on_end: Callable[[], None] = lambda: None,
    ) -> Job:
        """Put `turn` for the model with the id `model` into the queue.

        Return when its position is known. `conversation_digest` makes the digest of the conversation from the raw
        answer ("" if it cannot be continued), `count_tokens` counts its tokens. When `client` disconnects, the job is
        closed. `on_end` is called when it has ended. Raises `QueueFull`, `EngineUnavailable`, `EngineStopping`.
        """

    def start(self) -> None:
        """Connect to the keeper, and start one if there is none."""

    @property
    def is_reachable(self) -> bool:
        """Whether a new job would reach the keeper, as far as memory and files tell."""

    def status(self) -> Mapping[str, Any]:
        """Return the newest status, from memory."""

    def cancel(self, job_id: str) -> bool:
        """Cancel a job of any worker by its id; return False if there is none."""

    def load(self, model: str = "") -> None:
        """Order a load of the model with that id, by default of the last one.

        Raises `EngineUnavailable`.
        """

    def unload(self, model: str = "") -> None:
        """Free the BPU's memory when no job is left; the next job loads again.

        With the id `model` the order is for that model alone.
        """

    def examine(self) -> None:
        """Examine the console as soon as no job is left."""

    def abort_jobs(self) -> None:
        """End every job of this worker with an error; its graceful time is over."""

    def stop(self) -> None:
        """Close all jobs and the connection to the keeper."""


@dataclass(frozen=True)
class AppContext:
    """The parts of one worker, made by `bpu.web.factory` and owned by the Flask application.

    `read_sensors` reads the board's sensors. `close` ends all streams that are not answers and calls each function in
    `on_stop`, so that the worker can exit.
    """

    settings: Settings
    engine: Engine
    served: ServedModels
    images: ImageInput
    on_stop: list[Callable[[], None]] = field(default_factory=list)
    request_metrics: RequestMetrics = field(default_factory=RequestMetrics)
    streams: StreamRegistry = field(default_factory=lambda: StreamRegistry(128))
    read_sensors: Callable[[], Mapping[str, Any]] = field(default_factory=Sensors)
    detached: DetachedAnswers | None = None
    activity: ActivityStore | None = None

    @property
    def runs_answers(self) -> bool:
        """Whether this worker runs detached answers, which may have no connection."""
        return self.detached is not None and self.detached.is_running

    @property
    def prompter(self) -> Prompter:
        """The prompter of the default model."""
        return self.served.default.parts.prompter

    @property
    def counter(self) -> Counter:
        """The token counter of the default model."""
        return self.served.default.parts.counter

    @property
    def context_size(self) -> int:
        """The context size of the engine's current model, else of the default one."""
        current = self.engine.status().get("model")
        matching = (model for model in self.served.models if model.id == current)
        return next(matching, self.served.default).context_size

    @property
    def model_id(self) -> str:
        """The id of the engine's current or last model, else of the default one."""
        return str(self.engine.status().get("model") or self.served.default.id)

    @property
    def simulated(self) -> bool:
        """Whether a simulator answers, which every answer then says."""
        return bool(self.engine.status()["simulated"])

    @property
    def on_cpu(self) -> bool:
        """Whether a model on this computer's processor answers."""
        return bool(self.engine.status()["cpu"])

    @property
    def fingerprint(self) -> str | None:
        """The `system_fingerprint` of simulator and CPU answers; None for the board's console."""
        if self.on_cpu:
            return f"cpu-{self.settings.hbm_path.stem}"
        return "simulator" if self.simulated else None

    def install(self, app: Flask) -> None:
        """Make this the context of `app`, where `current` finds it."""
        app.extensions[KEY] = self

    def count(self, record: RequestRecord) -> None:
        """Count a finished request, and add it to the activity."""
        self.request_metrics.count(record)
        if self.activity is not None:
            self.activity.add(record)

    def close(self) -> None:
        """End all streams and whatever is to end with the worker."""
        self.streams.stop()
        for end in self.on_stop:
            end()


def app_context() -> AppContext:
    """Return the context of the application that serves the current request."""
    ctx = current_app.extensions[KEY]
    assert isinstance(ctx, AppContext)
    return ctx
