"""Signs of life for the client, whatever the console does. It adds `Progress` to a job's events and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Union

from bpu.console.events import Event
from bpu.turn import Progress, TimeLimitReached
from bpu.web.context import Job

Clock = Callable[[], float]


class Heartbeat:
    """Watches that the client hears something at least about every `period_s` seconds.

    The engine tells of the console's silence. But a console that speaks can be silence for the client too:
    reasoning that is dropped, text that is held back because it may become a stop string.
    """

    def __init__(self, period_s: float, clock: Clock = time.monotonic) -> None:
        self._period_s = period_s
        self._clock = clock
        self._sent = clock()

    def on_sent(self) -> None:
        """The client has been sent something."""
        self._sent = self._clock()

    def events(self, job: Job) -> Iterator[Union[Event, Progress]]:
        """The events of `job`, with a `Progress` before one for which the client would have waited too long.

        The engine's `TimeLimitReached` is the end of them: an answer without `Done` was cut.
        """
        for event in job.events(self._period_s):
            if isinstance(event, TimeLimitReached):
                return
            if not isinstance(event, Progress) and self._clock() - self._sent >= self._period_s:
                yield Progress("decode")
            yield event
