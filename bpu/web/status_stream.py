"""The page's status stream: sends the worker's copy of the status when it changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Facts = Mapping[str, Any]
#: Fields that only count time; the page counts them on by itself.
_CLOCKS = frozenset({"since_s", "age_s", "retry_after_s"})


class StatusPoller:
    """The state of one status stream.

    A worker uses it in the greenlet of the stream's request. `status` and `read_sensors` return from memory or read
    small files. An event is `data: {"engine": status(), "board": read_sensors()}`.
    """

    def __init__(
        self,
        status: Callable[[], Facts],
        read_sensors: Callable[[], Facts] = dict,
        *,
        refresh_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._status = status
        self._read_sensors = read_sensors
        self._refresh_s = refresh_s
        self._clock = clock
        self._last_sent: Any = None
        self._sent_at = 0.0

    def poll(self) -> Iterator[bytes]:
        """Yield an event after a change, or after `refresh_s` without an event."""
        engine, board = self._status(), self._read_sensors()
        current, now = _without_clocks([engine, board]), self._clock()
        if current != self._last_sent or now - self._sent_at >= self._refresh_s:
            self._last_sent, self._sent_at = current, now
            yield f"data: {json.dumps({'engine': engine, 'board': board})}\n\n".encode("ascii")


def _without_clocks(value: Any) -> Any:
    """Return `value` without the fields that only count time."""
    if isinstance(value, Mapping):
        return {name: _without_clocks(item) for name, item in value.items() if name not in _CLOCKS}
    if isinstance(value, (list, tuple)):
        return [_without_clocks(item) for item in value]
    return value
