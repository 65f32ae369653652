"""Paces prefill and tokens, and measures what they took. It writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class Figures(NamedTuple):
    """Tokens of one turn, and what they took in seconds on the monotonic clock."""

    prefill_tokens: int = 0
    prefill_s: float = 0.0
    decode_tokens: int = 0
    decode_s: float = 0.0


def rate(tokens: int, seconds: float) -> float:
    return tokens / seconds if seconds > 0 else 0.0


class Pacer:
    """Paces one turn after another.

    Rates are tokens per second; 0 means no pacing at all.
    """

    def __init__(
        self,
        prefill_rate: float,
        decode_rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rates = (prefill_rate, decode_rate)
        self._clock, self._sleep = clock, sleep
        self._started = self._base = self._decoding = 0.0
        self._prefilled = self._tokens = 0
        self._decode_rate = decode_rate

    def begin(self) -> None:
        """Start the clock of a turn when its line was read."""
        self._started = self._clock()
        self._prefilled = self._tokens = 0
        self._decode_rate = self._rates[1]

    def decode_at(self, rate: float) -> None:
        """Set another decode rate for this turn."""
        self._decode_rate = rate

    def prefill(self, tokens: int, seconds: float | None = None) -> None:
        """Wait for a prompt of `tokens`, or exactly `seconds`."""
        self._prefilled = tokens
        if seconds is None:
            seconds = tokens / self._rates[0] if self._rates[0] else 0.0
        self._until(self._started + seconds)
        self._base = self._decoding = self._clock()

    def token(self, tokens: int = 1) -> None:
        """Wait until the next `tokens` are due; one late token does not delay the others."""
        self._tokens += tokens
        if self._decode_rate:
            self._base += tokens / self._decode_rate
            self._until(self._base)

    def pause(self, seconds: float) -> None:
        """Wait `seconds`, which do not count for the speed of the tokens."""
        self._until(self._clock() + seconds)
        self._base += seconds

    def figures(self) -> Figures:
        """Return the turn's counts of tokens and its seconds so far."""
        now = self._clock()
        return Figures(self._prefilled, self._decoding - self._started, self._tokens, now - self._decoding)

    def _until(self, due: float) -> None:
        if (left := due - self._clock()) > 0:
            self._sleep(left)
