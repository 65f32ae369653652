"""Keep-alives for a client that waits: adds `Progress` to a job's events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Union

from bpu.console.events import Event
from bpu.turn import Progress, TimeLimitReached
from bpu.web.context import Job

Clock = Callable[[], float]


class Heartbeat:
    """Ensures that a client receives something about every `period_s` seconds; one for each answer.

    The engine reports a silent console. But a console that writes can also leave the client without data: dropped
    reasoning, or text held back because it may become a stop string. Runs in the greenlet of the request.
    """

    def __init__(self, period_s: float, clock: Clock = time.monotonic) -> None:
        self._period_s = period_s
        self._clock = clock
        self._sent = clock()

    def on_sent(self) -> None:
        """Restart the period, because the client was sent something."""
        self._sent = self._clock()

    def events(self, job: Job) -> Iterator[Union[Event, Progress]]:
        """Yield the events of `job`, and a `Progress` after each period without data sent.

        They end at `TimeLimitReached`: an answer without `Done` was cut.
        """
        for event in job.events(self._period_s):
            if isinstance(event, TimeLimitReached):
                return
            if not isinstance(event, Progress) and self._clock() - self._sent >= self._period_s:
                yield Progress("decode")
            yield event
