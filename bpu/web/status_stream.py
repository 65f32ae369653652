"""The event stream that feeds the page: what the worker already knows, said again when it changes.

It asks nobody and waits for nothing but its own bell; it ends at once when the gateway stops.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

Facts = Mapping[str, Any]


class EventStreams:
    """Every open event stream of one worker. `status` and `vitals` answer from memory or from small files.

    An event is `data: {"engine": status(), "board": vitals()}`; it is sent when something
    but a clock has changed, looked at every `period_s`, and at the latest after `refresh_s`.
    """

    def __init__(
        self,
        status: Callable[[], Facts],
        vitals: Callable[[], Facts] = dict,
        *,
        period_s: float = 0.5,
        refresh_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._status = status
        self._vitals = vitals
        self._period_s = period_s
        self._refresh_s = refresh_s
        self._clock = clock
        self._stopping = threading.Event()

    def open(self) -> Generator[str, None, None]:
        """One client's stream, as lines of `text/event-stream`; closing the generator ends it."""
        return self._events()

    def stop(self) -> None:
        """Let every stream go, now and for ever: the worker is leaving."""
        self._stopping.set()

    def _events(self) -> Generator[str, None, None]:
        said, said_at = None, 0.0
        while not self._stopping.is_set():
            engine, board = self._status(), self._vitals()
            news, now = _without_clocks([engine, board]), self._clock()
            if news != said or now - said_at >= self._refresh_s:
                said, said_at = news, now
                yield f"data: {json.dumps({'engine': engine, 'board': board})}\n\n"
            self._stopping.wait(self._period_s)


def _without_clocks(value: Any) -> Any:
    """`value` without the fields that only count time: those the page counts on by itself."""
    if isinstance(value, Mapping):
        return {
            name: _without_clocks(item)
            for name, item in value.items()
            if name not in {"since_s", "age_s", "retry_after_s"}
        }
    if isinstance(value, (list, tuple)):
        return [_without_clocks(item) for item in value]
    return value
