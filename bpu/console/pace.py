"""Measures the steps of an answer, and how much a model can print meanwhile.

It is pure: times are arguments. A model prints whatever a user asks for, so no text proves that a turn is over. But a
model cannot print faster than its own steps. Published decode rates on these boards go from 3.72 tokens/s (R1 7B on
S100) to 112 tokens/s (9 ms a token on S600); with speculative decoding the S600 emits 4 to 5 tokens at once
(docs/console-protocol.md#speeds).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

#: Reads less than this apart, in seconds, belong to one step.
SAME_STEP_S = 0.003
#: Fewer steps than these say nothing about the pace of an answer.
LEAST_STEPS = 8
#: The slowest step in seconds that is assumed where too little is known.
SLOWEST_STEP_S = 0.5
#: Tokens a second of the fastest model that is assumed, whatever was measured.
FASTEST_RATE = 112.0
#: An end is proven at once if it holds more than this many times the tokens that a model could have printed.
SAFETY = 2.0
#: Silence must last this many steps, but never longer than `LONGEST_SILENCE_S`.
SILENT_STEPS = 4.0
LONGEST_SILENCE_S = 10.0
#: A read of more tokens than these is more than a step of any model.
BLOCK_TOKENS = 8
#: A read after a longer time without a look at the pipe does not show what one step holds.
ATTENTIVE_S = 0.1

#: A console or a library writes a line of its own within this time, with a pause or two at most: what takes longer and
#: comes in at least so many steps is a model's.
_LONGEST_WRITE_S, _MIN_MODEL_STEPS = 0.05, 4
#: A block of a buffering console comes in very few reads.
_BLOCK_READS = 3
#: A program that prints without a model's steps shows it by at least so many tokens in so many reads.
_STEPLESS_TOKENS, _STEPLESS_READS = 64, 8
_GAPS_KEPT = 512
#: Tokens a second; a higher rate changes no decision.
_HIGHEST_RATE = 1e6
#: A token of more bytes than these is a rarity: a step of many bytes is large, whatever its tokens are.
_TOKEN_BYTES = 16
#: A word with the sign or blank before it, up to three digits, signs with the blank before and line breaks after them,
#: blanks: no tokenizer of these models makes less than one token of each. Letters are those of all languages.
_LEAST_TOKEN = re.compile(rb"[^A-Za-z0-9\x80-\xff]?[A-Za-z\x80-\xff]+|[0-9]{1,3}| ?[^A-Za-z0-9\s\x80-\xff]+\n*|\s+")


def least_tokens(text: bytes) -> int:
    """The fewest tokens that any known tokenizer makes of `text`."""
    return len(_LEAST_TOKEN.findall(text))


class Arrival(NamedTuple):
    """The times of one read, in seconds of one clock.

    `empty_at` is the last moment before it at which the pipe was empty: all its bytes were written later. `begun_at` is
    a moment before the line was written, so the answer to that line came later.
    """

    empty_at: float
    read_at: float
    begun_at: float = float("-inf")

    @property
    def window_s(self) -> float:
        """Seconds in which the bytes may have been printed."""
        return self.read_at - self.empty_at


def come_in_steps(arrivals: Sequence[Arrival]) -> bool:
    """Whether the reads came in a model's steps.

    They are those of one line, or of the end of an answer.
    """
    if not arrivals or arrivals[-1].empty_at - arrivals[0].read_at <= _LONGEST_WRITE_S:
        return False
    gaps = (later.read_at - earlier.read_at for earlier, later in pairwise(arrivals))
    return sum(gap >= SAME_STEP_S for gap in gaps) + 1 >= _MIN_MODEL_STEPS


def step_of(gaps: Sequence[float]) -> float:
    """Return the step in `gaps` (seconds), their 90th percentile.

    A late read also makes a gap shorter.
    """
    return sorted(gaps)[len(gaps) * 9 // 10]


class Pace:
    """Measures the steps of one answer.

    Its owner is a `Parser`, which makes one for each turn. `known_step_s`: the usual step of this console's earlier
    answers, None if unknown. `known_rate`: tokens a second of its fastest answer. `least_step`: the tokens that a step
    of this console may hold, whatever was measured.
    """

    def __init__(self, known_step_s: float | None = None, *, known_rate: float = 0.0, least_step: int = 1) -> None:
        self._known, self._known_rate = known_step_s, known_rate
        self._largest = least_step
        self._gaps: list[float] = []
        self._first_at: float | None = None
        self._last_at = self._step_at = self._asked_at = 0.0
        self._step_tokens = self._step_reads = 0
        self._step_bytes = self._largest_bytes = 0
        self._step_limit = 0.0  # more tokens than these in the current step are a block
        self._steps = self._blocks = 0
        self._tokens, self._begun_at = 0, float("-inf")
        self._later_tokens = self._later_reads = 0  # without the first read, which waited for an unknown time

    def add(self, arrival: Arrival, text: bytes) -> None:
        """Add a piece of the answer."""
        tokens = least_tokens(text)
        if self._first_at is None:
            self._first_at = self._last_at = arrival.read_at
            self._begun_at, self._asked_at = arrival.begun_at, max(arrival.empty_at, arrival.begun_at)
            self._begin_step(arrival)
        else:
            self._later_tokens += tokens
            self._later_reads += 1
            if arrival.read_at - self._last_at >= SAME_STEP_S:
                self._note_gap(arrival.read_at - self._step_at)
                self._begin_step(arrival)
        self._last_at = arrival.read_at
        self._tokens += tokens
        self._step_tokens += tokens
        self._step_reads += 1
        self._step_bytes += len(text)
        self._largest_bytes = max(self._largest_bytes, self._step_bytes)
        if arrival.window_s <= ATTENTIVE_S:
            self._largest = max(self._largest, self._step_tokens)

    def _note_gap(self, gap: float) -> None:
        if len(self._gaps) >= _GAPS_KEPT:
            del self._gaps[: _GAPS_KEPT // 2]
        self._gaps.append(gap)

    def _begin_step(self, arrival: Arrival) -> None:
        self._blocks += self._is_block
        self._steps += 1
        self._step_at = arrival.read_at
        self._step_limit = SAFETY * (FASTEST_RATE * arrival.window_s + BLOCK_TOKENS)
        self._step_tokens = self._step_reads = self._step_bytes = 0

    @property
    def _is_block(self) -> bool:
        """Whether the current step holds more than a model prints at once.

        It came in as few reads as a buffer's content.
        """
        size = max(self._step_tokens, self._step_bytes / _TOKEN_BYTES)
        return size > self._step_limit and 0 < self._step_reads <= _BLOCK_READS

    @property
    def delivers_blocks(self) -> bool:
        """Whether the console buffers its output.

        Most steps are larger than any step of a model. A program that prints faster than any model over the whole
        answer only plays one, so its sizes prove nothing.
        """
        return 2 * (self._blocks + self._is_block) > self._steps > 0 and not self._is_beyond_models

    @property
    def measured_step_s(self) -> float | None:
        """The step of this answer alone, in seconds (see `step_of`).

        It is None when it has too few steps.
        """
        if len(self._gaps) >= LEAST_STEPS:
            return step_of(self._gaps)
        if self._is_stepless:
            return max([SAME_STEP_S, *self._gaps])
        return None

    @property
    def rate(self) -> float:
        """Tokens a second on average; 0 when the answer is too short to tell.

        Where a worker reads late, it takes many steps of a quick model for one, and only the average shows the pace.
        """
        if self.measured_step_s is None or self._first_at is None or self._last_at <= self._first_at:
            return 0.0
        return min(_HIGHEST_RATE, self._later_tokens / (self._last_at - self._first_at))

    @property
    def few_gaps(self) -> tuple[float, ...]:
        """The gaps of an answer that is too short to measure its step.

        Several such answers together show it.
        """
        return tuple(self._gaps) if self.measured_step_s is None else ()

    @property
    def _is_stepless(self) -> bool:
        """Whether the console prints faster than any model.

        A program that only plays one may.
        """
        return (
            self._later_tokens >= _STEPLESS_TOKENS and self._later_reads >= _STEPLESS_READS and self._is_beyond_models
        )

    @property
    def _is_beyond_models(self) -> bool:
        """Whether on average more than one token came in `SAME_STEP_S`.

        Since the line was written or since the first read.
        """
        if self._first_at is None:
            return False
        since_first = self._later_tokens * SAME_STEP_S > self._last_at - self._first_at
        return since_first or self._tokens * SAME_STEP_S > self._last_at - self._begun_at

    def shows_a_step(self, held: Sequence[tuple[Arrival, bytes]]) -> bool:
        """Whether the time of at least one step is known.

        `held`: the reads that may be the end of the answer. Bytes that came at once and exceed one step of any model
        were several steps, so a step is short.
        """
        if self._known is not None or self._gaps or self._gap_before(held) > 0:
            return True
        if not held:
            return False
        first, last = held[0][0], held[-1][0]
        window_s = last.read_at - (max(first.empty_at, first.begun_at) if self._first_at is None else self._asked_at)
        tokens = self._step_tokens + sum(least_tokens(text) for _, text in held)
        return window_s <= (tokens / BLOCK_TOKENS - 1) * SLOWEST_STEP_S

    def silence_s(self, least_s: float, held: Sequence[tuple[Arrival, bytes]] = ()) -> float:
        """Return the seconds of silence that show the end at this pace.

        `held` is that of `add`. A doubtful end comes at least a step after the text before it, so at an unknown pace
        this gap counts, too.
        """
        step = self.measured_step_s
        if step is None and self._known is None:
            step = max([SLOWEST_STEP_S, self._gap_before(held), *self._gaps])
        elif step is None:
            step = max([self._known or 0.0, *self._gaps])
        return max(least_s, min(SILENT_STEPS * step, LONGEST_SILENCE_S))

    def _gap_before(self, held: Sequence[tuple[Arrival, bytes]]) -> float:
        if not held or self._first_at is None or held[0][0].read_at - self._last_at < SAME_STEP_S:
            return 0.0
        return held[0][0].read_at - self._step_at

    def most_tokens_in(self, window_s: float) -> float:
        """Return the tokens that the model could have printed in `window_s` seconds.

        It is infinite at an unknown pace.
        """
        if len(self._gaps) >= LEAST_STEPS:
            quickest = sorted(self._gaps)[len(self._gaps) // 10]
        elif self._known is not None and self._known > 2 * SAME_STEP_S:
            quickest = min([self._known, *self._gaps])
        else:
            return float("inf")
        return max(FASTEST_RATE, self._known_rate, self.rate, self._largest / quickest) * window_s + self._largest

    def proves(self, end: bytes, window_s: float) -> bool:
        """Whether `end` is more than the model could have printed in `window_s`."""
        if len(end) <= SAFETY * self._largest_bytes:
            return False
        return least_tokens(end) > SAFETY * self.most_tokens_in(window_s)
