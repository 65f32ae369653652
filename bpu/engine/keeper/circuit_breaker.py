"""Decides when a load is tried again.

It is tried at once after one or two failures, then after growing pauses. Pure.
"""

from __future__ import annotations

#: Consecutive failures after which the next try is still allowed without delay.
FREE_RETRIES = 2
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0


class CircuitBreaker:
    """Counts consecutive failures of one model; a finished job or an operator's load resets it.

    The supervisor owns it, in the keeper's one thread.
    """

    def __init__(self) -> None:
        self.failures = 0
        #: The monotonic second from which the next try is allowed.
        self.until = 0.0

    def record_failure(self, now: float) -> None:
        """Count a failure at the monotonic second `now`; repeated ones delay the next try."""
        self.failures += 1
        pauses = self.failures - FREE_RETRIES
        if pauses > 0:
            self.until = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(pauses - 1, 10))

    def delay_until(self, now: float, seconds: float) -> None:
        """Allow no try for `seconds`.

        A person must act first, or memory is still being freed.
        """
        self.until = max(self.until, now + seconds)

    def reset(self) -> None:
        """Forget all failures; the next try is allowed now."""
        self.failures = 0
        self.until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether jobs should be refused instead of kept waiting."""
        return self.failures > FREE_RETRIES

    def wait_s(self, now: float) -> float:
        """Seconds until the next try is allowed; 0 when it is allowed now."""
        return max(0.0, self.until - now)
