"""Caches the board's readings for two seconds, for the page and the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bpu.board.readings import Reading, readings


class Sensors:
    """Returns the latest reading when called; it reads again after `period_s`. Each worker has one."""

    def __init__(
        self, root: Path = Path("/"), *, period_s: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._root = root
        self._period_s = period_s
        self._clock = clock
        self._read_at: float | None = None
        self._latest: Reading = {}

    def __call__(self) -> Reading:
        """Return the readings, which are at most one period old."""
        now = self._clock()
        if self._read_at is None or now - self._read_at >= self._period_s:
            self._latest, self._read_at = readings(self._root), now
        return self._latest
