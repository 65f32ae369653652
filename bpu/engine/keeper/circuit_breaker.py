"""When to try again after failures: at once after one or two, then with a growing pause that ends by itself. Pure."""

from __future__ import annotations

#: Failures in a row that are taken for bad luck.
FREE_RETRIES = 2
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0


class CircuitBreaker:
    """Counts failures in a row; a finished job or a wish to load by hand forgives them."""

    def __init__(self) -> None:
        self.failures = 0
        #: The monotonic second from which the next try is allowed.
        self.until = 0.0

    def record_failure(self, now: float) -> None:
        self.failures += 1
        pauses = self.failures - FREE_RETRIES
        if pauses > 0:
            self.until = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(pauses - 1, 10))

    def delay_until(self, now: float, seconds: float) -> None:
        """Do not try for `seconds`, whatever the count: a person must act, or memory is still being freed."""
        self.until = max(self.until, now + seconds)

    def reset(self) -> None:
        self.failures = 0
        self.until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether so many failures came in a row that callers should be told instead of kept waiting."""
        return self.failures > FREE_RETRIES

    def wait_s(self, now: float) -> float:
        """Seconds until the next try is allowed; 0 when it is allowed now."""
        return max(0.0, self.until - now)
