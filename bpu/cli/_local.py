"""The board's own console as a command talks to it: through the same keeper and queue as the gateway's workers."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from bpu import gevent_io
from bpu.chat.deltas import Delta
from bpu.chat.loader import load_prompter
from bpu.chat.requests import parse_chat
from bpu.chat.tokens import load_counter
from bpu.console.events import Event
from bpu.console.profiles import PROFILES
from bpu.engine.client.engine import Engine
from bpu.engine.client.job import Job
from bpu.engine.client.launch_config import (
    choose_files,
    chosen_table,
    context_size,
    line_limit,
    plan_table,
    resolve_engine,
)
from bpu.engine.protocol import notify_shutdown
from bpu.settings import Settings
from bpu.turn import Progress, TimeLimitReached

#: How soon Ctrl-C is heard while the console says nothing.
LOOK_S = 0.1


class Local:
    """One process's way to the engine, which is started if nobody runs it. Raises `SettingsError`."""

    def __init__(self, settings: Settings, name: str = "") -> None:
        """`name` is the id of the model, the default one by default."""
        settings = resolve_engine(settings)
        table = chosen_table(settings)
        model = table.find(name) or table.default_model
        files = choose_files(settings, model)
        self._model = model.id
        launches = plan_table(settings)
        launch = launches.launch(model.id)
        self._counter = load_counter(files.tokenizer_dir)
        self._prompter = load_prompter(
            template_path=files.template,
            tokenizer_dir=files.tokenizer_dir,
            profile=PROFILES[model.profile],
            context_size=context_size(settings, model),
            newline=settings.newline,
            line_limit=line_limit(settings, launch, model),
            history=settings.history,
            thinking=model.thinking,
            strftime_now=lambda form: datetime.now().strftime(form),
        )
        self.simulated, self.cpu = files.simulated, files.cpu
        self._engine = Engine(launches, queue_timeout_s=settings.queue_timeout_s, quiet=True)
        self._engine.start()

    def status(self) -> dict[str, Any]:
        return self._engine.status()

    def chat(self, body: dict[str, Any]) -> Iterator[Delta]:
        """The deltas of an answer; `body` is a chat request as the API takes it.

        Ctrl-C, and closing the iterator, end the job, and it is at rest when this is over: nothing of it goes on
        while nobody runs the event loop. Raises `KeyboardInterrupt` and `BpuError`.
        """
        asked = parse_chat({**body, "model": self._model, "stream": True}, models=[self._model])
        turn = self._prompter.turn(asked)
        with _interrupts() as stopped:
            job = self._engine.submit(
                turn,
                job_id=f"chatcmpl-{uuid4().hex}",
                remember=partial(self._prompter.remember, asked),
                count=self._counter.count,
                model=self._model,
            )
            try:
                events = _until(job.events(LOOK_S), stopped)
                yield from self._prompter.answer(events, asked, turn, lambda: job.timing)
            finally:
                self._rest(job)

    def _rest(self, job: Job) -> None:
        job.close()
        while job.id in self._engine.jobs:
            gevent_io.sleep(0.01)

    def close(self) -> None:
        """Let go of the engine; it ends unless somebody else needs it."""
        self._engine.stop()
        notify_shutdown(Path(self._engine.launch.state_dir))


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed. An exception in the middle of the event loop could hit any greenlet."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def _until(
    events: Iterator[Event | Progress | TimeLimitReached], stopped: Callable[[], bool]
) -> Iterator[Event | Progress]:
    """`events` up to a Ctrl-C, or to the end of the job's time: then what has come is the answer."""
    for event in events:
        if stopped():
            raise KeyboardInterrupt
        if isinstance(event, TimeLimitReached):
            return
        yield event
