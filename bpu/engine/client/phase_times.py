"""Adds up how long a job has been in each of its phases."""

from __future__ import annotations

import time

from bpu.turn import Phase


class PhaseTimes:
    """Holds the current phase of one job, and the seconds of the earlier ones.

    The job owns it, and calls it in the event loop and the greenlets of its worker or command.
    """

    def __init__(self, started_at: float) -> None:
        """`started_at` is the monotonic second at which the first phase, the queue, began."""
        self.phase: Phase = "queued"
        self._since, self._seconds = started_at, dict[Phase, float]()

    def enter(self, phase: Phase) -> None:
        """Begin `phase`, and add up the time of the last one.

        A job that joins again is in a phase twice.
        """
        now = time.monotonic()
        if phase != self.phase:
            self._seconds[self.phase] = self._seconds.get(self.phase, 0.0) + now - self._since
            self.phase, self._since = phase, now

    @property
    def queued_s(self) -> float:
        """Seconds in the queue, without those of a load."""
        return self._seconds.get("queued", 0.0)

    @property
    def load_s(self) -> float:
        """Seconds for which the job waited for a load and an examination."""
        return self._seconds.get("loading", 0.0) + self._seconds.get("checking", 0.0)
