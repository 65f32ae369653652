"""The budget of bytes for all request bodies of one worker. It touches no socket.

It is needed beside the limit for one body, because a thousand bodies that never end would hold their bytes until their
time limits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from bpu.errors import Overloaded

#: A body that has not grown for so long is dropped when another needs its room.
STALLED_S = 1.0

Clock = Callable[[], float]


class BodyShare:
    """The bytes of one body in the budget.

    The greenlet of its request holds it in a worker. `abort_reading` is called at most once, when the share is dropped.
    """

    def __init__(self, budget: BodyBudget, abort_reading: Callable[[], None]) -> None:
        self._budget, self._abort_reading = budget, abort_reading
        self.held = 0
        self.grown_at = budget.clock()

    def take(self, size: int) -> None:
        """Hold `size` bytes more. Raises `Overloaded` when no other body has stalled."""
        self._budget.make_room(size, self)
        self._hold(self.held + size)
        self.grown_at = self._budget.clock()

    def hold(self, size: int) -> None:
        """Hold `size` bytes that were taken before by another share, which is closed next.

        They are never dropped.
        """
        self._hold(size)
        self.complete()

    def complete(self) -> None:
        """Mark the body as complete, so that it is not dropped before parsing."""
        self.grown_at = math.inf

    def drop(self) -> None:
        """Give the bytes back and abort the reading, so that another body has room."""
        self._hold(0)
        self._abort_reading()

    def close(self) -> None:
        """Give the bytes back; may be called twice."""
        self._hold(0)
        self._budget.shares.discard(self)

    def _hold(self, size: int) -> None:
        self._budget.held += size - self.held
        self.held = size


class BodyBudget:
    """The budget of one worker, `limit` bytes, used in the greenlets of its requests."""

    def __init__(self, limit: int, clock: Clock = time.monotonic) -> None:
        self._limit, self.clock = limit, clock
        self.shares: set[BodyShare] = set()
        self.held = 0  # by all shares together

    def open(self, abort_reading: Callable[[], None]) -> BodyShare:
        """Open the share of one body; `abort_reading` ends its reading when it is dropped."""
        share = BodyShare(self, abort_reading)
        self.shares.add(share)
        return share

    def make_room(self, size: int, asking: BodyShare) -> None:
        """Drop stalled bodies, the one that has stalled longest first, until `size` bytes more fit."""
        while self.held + size > self._limit:
            stalled = min(
                (share for share in self.shares if share.held and share is not asking),
                key=lambda share: share.grown_at,
                default=None,
            )
            if stalled is None or self.clock() - stalled.grown_at < STALLED_S:
                raise Overloaded(
                    "The gateway is reading as many large requests as it can hold. Try again in a moment.",
                    retry_after=5,
                )
            stalled.drop()
