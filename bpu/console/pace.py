"""Measures the steps of an answer, and says what a model could have said in a time. Pure: times are arguments.

A model says whatever a person asks it to say, so no words prove that a turn is over. What a model cannot do is say
them faster than its own steps. Published decode rates on these boards go from 3.72 tokens/s (R1 7B on S100) to 112
tokens/s (9 ms a token on S600); with speculative decoding the S600 emits 4 to 5 tokens at once
(docs/console-protocol.md#speeds).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Reads less than this apart, in seconds, belong to one step.
SAME_STEP_S = 0.003
#: Fewer steps than these say nothing about the pace of an answer.
LEAST_STEPS = 8
#: The step of the slowest model that is reckoned with where too little is known, in seconds.
SLOWEST_STEP_S = 0.5
#: Tokens a second of the fastest model that is reckoned with, whatever was seen.
FASTEST_RATE = 112.0
#: An end is believed at once if it holds more than this many times the tokens that a model could have said.
SAFETY = 2.0
#: Silence must last this many steps, and is never asked for longer than `LONGEST_SILENCE_S`.
SILENT_STEPS = 4.0
LONGEST_SILENCE_S = 10.0
#: A read of more tokens than these is more than a step of any model.
BLOCK_TOKENS = 8
#: A read after a longer time without a look at the pipe does not show what one step holds.
ATTENTIVE_S = 0.1

#: A block of a buffering console comes in very few reads.
_BLOCK_READS = 3
#: A program that prints without a model's steps shows it by at least so many tokens in so many reads.
_STEPLESS_TOKENS, _STEPLESS_READS = 64, 8
_GAPS_KEPT = 512
#: A token of more bytes than these is a rarity: a step of many bytes is large, whatever its tokens are.
_TOKEN_BYTES = 16
#: A word with the sign or blank before it, up to three digits, signs with the blank before and line breaks after them,
#: blanks: no tokenizer of these models makes less than one token of each. Letters are those of all languages.
_LEAST_TOKEN = re.compile(rb"[^A-Za-z0-9\x80-\xff]?[A-Za-z\x80-\xff]+|[0-9]{1,3}| ?[^A-Za-z0-9\s\x80-\xff]+\n*|\s+")


def least_tokens(text: bytes) -> int:
    """The fewest tokens that any known tokenizer makes of `text`."""
    return len(_LEAST_TOKEN.findall(text))


@dataclass(frozen=True)
class Arrival:
    """When bytes were read, in seconds of one clock.

    `empty_at` is the last moment before them at which the pipe was seen empty: they were all written after it.
    """

    empty_at: float
    read_at: float

    @property
    def window_s(self) -> float:
        return self.read_at - self.empty_at


def step_of(gaps: Sequence[float]) -> float:
    """The step that these gaps in seconds show: their 90th percentile, because a late read makes a gap shorter, too."""
    return sorted(gaps)[len(gaps) * 9 // 10]


class Pace:
    """The steps of one answer. `known_step_s`: the usual step of this console's earlier answers, None if unknown.
    `least_step`: the tokens that a step of this console may hold, whatever was seen."""

    def __init__(self, known_step_s: float | None = None, *, least_step: int = 1) -> None:
        self._known = known_step_s
        self._largest = least_step
        self._gaps: list[float] = []
        self._first_at: float | None = None
        self._last_at = self._step_at = 0.0
        self._step_tokens = self._step_reads = 0
        self._step_bytes = self._largest_bytes = 0
        self._step_limit = 0.0  # more tokens than these in the current step are a block
        self._steps = self._blocks = 0
        self._later_tokens = self._later_reads = 0  # all but the first read, which has waited for an unknown time

    def add(self, arrival: Arrival, text: bytes) -> None:
        """A piece of the answer was read."""
        tokens = least_tokens(text)
        if self._first_at is None:
            self._first_at = self._last_at = arrival.read_at
            self._begin_step(arrival.read_at, SAFETY * (FASTEST_RATE * arrival.window_s + BLOCK_TOKENS))
        else:
            self._later_tokens += tokens
            self._later_reads += 1
            if arrival.read_at - self._last_at >= SAME_STEP_S:
                gap = arrival.read_at - self._step_at
                self._note_gap(gap)
                self._begin_step(arrival.read_at, max(float(BLOCK_TOKENS), gap / SAME_STEP_S))
        self._last_at = arrival.read_at
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

    def _begin_step(self, at: float, limit: float) -> None:
        self._blocks += self._is_block
        self._steps += 1
        self._step_at, self._step_limit = at, limit
        self._step_tokens = self._step_reads = self._step_bytes = 0

    @property
    def _is_block(self) -> bool:
        """Whether the current step holds more than a model says at once, and came as a buffer's content does."""
        size = max(self._step_tokens, self._step_bytes / _TOKEN_BYTES)
        return size > self._step_limit and 0 < self._step_reads <= _BLOCK_READS

    @property
    def delivers_blocks(self) -> bool:
        """Whether the console buffers its output: most steps are larger than any step of a model."""
        return 2 * (self._blocks + self._is_block) > self._steps > 0

    @property
    def measured_step_s(self) -> float | None:
        """The step of this answer alone, in seconds: the 90th percentile of its gaps; None when it shows too little."""
        if len(self._gaps) >= LEAST_STEPS:
            return step_of(self._gaps)
        if self._is_stepless:
            return max([SAME_STEP_S, *self._gaps])
        return None

    @property
    def few_gaps(self) -> tuple[float, ...]:
        """The gaps of an answer that is too short to measure a step; a few such answers together show it."""
        return tuple(self._gaps) if self.measured_step_s is None else ()

    @property
    def _is_stepless(self) -> bool:
        """Whether the console prints faster than any model, as a program that only plays one may."""
        if self._first_at is None or self._later_tokens < _STEPLESS_TOKENS or self._later_reads < _STEPLESS_READS:
            return False
        return self._later_tokens * SAME_STEP_S > self._last_at - self._first_at

    def silence_s(self, least_s: float) -> float:
        """How long nothing must come, in seconds, before a model at this pace is known not to speak."""
        step = self.measured_step_s
        if step is None:
            step = max([SLOWEST_STEP_S if self._known is None else self._known, *self._gaps])
        return max(least_s, min(SILENT_STEPS * step, LONGEST_SILENCE_S))

    def could_say(self, window_s: float) -> float:
        """Tokens that the model could have said in `window_s` seconds; infinite when its pace is not known."""
        if len(self._gaps) >= LEAST_STEPS:
            quickest = sorted(self._gaps)[len(self._gaps) // 10]
        elif self._known is not None and self._known > 2 * SAME_STEP_S:
            quickest = min([self._known, *self._gaps])
        else:
            return float("inf")
        return max(FASTEST_RATE, self._largest / quickest) * window_s + self._largest

    def proves(self, end: bytes, window_s: float) -> bool:
        """Whether `end`, which came in a window of so many seconds, is more than the model could have said."""
        if len(end) <= SAFETY * self._largest_bytes:
            return False
        return least_tokens(end) > SAFETY * self.could_say(window_s)
