"""How many bytes the request bodies under way in one worker may hold together. Bookkeeping: it touches no socket.

A limit for one body is none for a thousand: bodies that never end would hold their bytes until their time is over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from bpu.errors import Overloaded

#: A body that has not grown for so long gives way to one that does.
STALLED_S = 1.0

Clock = Callable[[], float]


class BodyShare:
    """The bytes of one body. `give_up` ends its reading at once; it is called at most once."""

    def __init__(self, budget: BodyBudget, give_up: Callable[[], None]) -> None:
        self._budget, self._give_up = budget, give_up
        self.held = 0
        self.grown_at = budget.clock()

    def take(self, size: int) -> None:
        """Hold `size` bytes more. Raises `Overloaded` when all others are growing, too."""
        self._budget.make_room(size, self)
        self._hold(self.held + size)
        self.grown_at = self._budget.clock()

    def complete(self) -> None:
        """The body has come and waits to be parsed: it holds its bytes and gives way to no other."""
        self.grown_at = math.inf

    def drop(self) -> None:
        self._hold(0)
        self._give_up()

    def close(self) -> None:
        self._hold(0)
        self._budget.shares.discard(self)

    def _hold(self, size: int) -> None:
        self._budget.held += size - self.held
        self.held = size


class BodyBudget:
    """The budget of one worker, `limit` bytes, used in its greenlets."""

    def __init__(self, limit: int, clock: Clock = time.monotonic) -> None:
        self._limit, self.clock = limit, clock
        self.shares: set[BodyShare] = set()
        self.held = 0  # by all shares together

    def open(self, give_up: Callable[[], None]) -> BodyShare:
        share = BodyShare(self, give_up)
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
