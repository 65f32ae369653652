"""Chats with this board's engine from a command.

It uses the same keeper and queue as the gateway's workers.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from bpu import gevent_io
from bpu.chat.deltas import Delta
from bpu.chat.requests import parse_chat
from bpu.console.events import Event
from bpu.engine.client.engine import Engine
from bpu.engine.client.job import Job
from bpu.engine.client.launch_config import (
    build_launch_table,
    choose_files,
    chosen_table,
    resolve_engine,
)
from bpu.engine.protocol import notify_shutdown
from bpu.images.job_images import ImageInput
from bpu.model_parts import load_parts
from bpu.settings import Settings, state_dir
from bpu.turn import Progress, TimeLimitReached

#: Longest delay of Ctrl-C while the console prints nothing.
POLL_S = 0.1


class LocalBackend:
    """Chats with this board, and starts a keeper if none runs.

    It runs in the main thread of the CLI. Raises `SettingsError`.
    """

    def __init__(self, settings: Settings, name: str = "") -> None:
        """`name` is the id of a model; the table's default if empty."""
        settings = resolve_engine(settings)
        table = chosen_table(settings)
        model = table.find(name) or table.default_model
        files = choose_files(settings, model)
        self._model = model.id
        launches = build_launch_table(settings)
        self._parts = load_parts(settings, model, launches)
        self._image_side, self._images = model.image_side, ImageInput(state_dir(settings), settings.image_urls)
        self._images.sweep()
        self.simulated, self.cpu = files.simulated, files.cpu
        self._engine = Engine(launches, queue_timeout_s=settings.queue_timeout_s, is_command=True)
        self._engine.start()

    def status(self) -> dict[str, Any]:
        return self._engine.status()

    def chat(self, body: dict[str, Any]) -> Iterator[Delta]:
        """Yield the deltas of an answer; `body` is a chat request of the API.

        Ctrl-C, and closing the iterator, end the job. It has finished when this returns, because the event loop does
        not run between two answers. Raises `KeyboardInterrupt` and `BpuError`.
        """
        seeing = [self._model] if self._image_side else []
        request = parse_chat({**body, "model": self._model, "stream": True}, models=[self._model], seeing=seeing)
        images = self._images.read(request.images, self._image_side)
        plan = self._parts.prompter.plan(request)
        turn = replace(plan.turn, images=images.save(plan.images))
        with _interrupts() as is_interrupted:
            job = self._engine.submit(
                turn,
                on_end=images.remove,
                job_id=f"chatcmpl-{uuid4().hex}",
                conversation_digest=partial(self._parts.decoder.conversation_digest, request),
                count_tokens=self._parts.counter.count,
                model=self._model,
            )
            try:
                events = _until_interrupted(job.events(POLL_S), is_interrupted)
                yield from self._parts.decoder.read(events, request, turn, lambda: job.timing)
            finally:
                self._wait_until_finished(job)

    def _wait_until_finished(self, job: Job) -> None:
        job.close()
        while job.id in self._engine.jobs:
            gevent_io.sleep(0.01)

    def close(self) -> None:
        """Disconnect from the keeper, which ends unless another process uses it."""
        self._engine.stop()
        notify_shutdown(Path(self._engine.launch.state_dir))


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Record Ctrl-C instead of raising.

    An exception in the event loop could hit any greenlet.
    """
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def _until_interrupted(
    events: Iterator[Event | Progress | TimeLimitReached], is_interrupted: Callable[[], bool]
) -> Iterator[Event | Progress]:
    """Yield `events` until Ctrl-C or the job's time limit.

    The answer is then what came so far.
    """
    for event in events:
        if is_interrupted():
            raise KeyboardInterrupt
        if isinstance(event, TimeLimitReached):
            return
        yield event
