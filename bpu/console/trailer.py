"""Recognizes what a console prints between an answer and its next prompt.

It looks at one place of a text. `AnswerStage` decides whether it really was the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from bpu.console.events import Stats
from bpu.console.markers import FAILURE_HEADS, PROMPT, RUN_ERRORS
from bpu.console.scanner import INCOMPLETE, NO_MATCH, Pattern
from bpu.console.stats import BREAKS, FOLLOWERS, STATISTICS_HEADS, match_line, parse

_BREAKS = re.compile(rb"\n{0,64}")
_FAILURES = tuple(Pattern("failure", (head, re.compile(rb"[^\n]{0,512}"), b"\n")) for head in FAILURE_HEADS)

#: Where a trailer may begin: at a line break before the first two bytes of a head, another line break or the end of the
#: text. Models break lines often, and to try every head at each of them takes most of the parser's time.
_HEADS = sorted({head[:2] for head in (PROMPT, *RUN_ERRORS, *FAILURE_HEADS, *STATISTICS_HEADS)})
LINE_BREAK = re.compile(
    rb"\n(?=\Z|\n|" + b"|".join(re.escape(head[:1]) + rb"(?:\Z|" + re.escape(head[1:]) + b")" for head in _HEADS) + b")"
)

#: More lines than this are no trailer; with the bounds of each line this bounds what is held back.
_MAX_LINES = 8


class Kind(Enum):
    """What follows the lines of a trailer."""

    TEXT = "text"
    INCOMPLETE = "open"
    PROMPT = "prompt"
    RUN_ERROR = "run error"


@dataclass
class Trailer:
    """Line breaks, whole lines of statistics or failures, then what `kind` says.

    The line breaks go up to `start`, all of it up to `end`. `TEXT`: it is no trailer, and the text continues at least
    to `start`. `INCOMPLETE`: the text ends too soon to tell.
    """

    start: int
    end: int
    kind: Kind = Kind.INCOMPLETE
    stats: tuple[bytes, ...] = ()
    #: The kinds of `stats`.
    stat_kinds: tuple[str, ...] = ()
    failures: tuple[bytes, ...] = ()
    #: How many of the line breaks before it the console has printed.
    breaks: int = 1
    #: The kinds of statistics that the next line may be.
    kinds: tuple[str, ...] = ()

    @cached_property
    def figures(self) -> Stats:
        """The figures of the statistics, read once the lines are whole."""
        return parse(self.stats)


def match(text: bytes, at: int, kinds: tuple[str, ...]) -> Trailer:
    """Return the trailer at `at`, with these `kinds` of statistics.

    `at` is a line break or the beginning of a line.
    """
    start = _skip_breaks(text, at)
    found = Trailer(start, start, kinds=kinds)
    for _ in range(_MAX_LINES):
        if not _take_line(text, found):
            return found
    found.kind = Kind.TEXT
    return found


def _skip_breaks(text: bytes, at: int) -> int:
    found = _BREAKS.match(text, at)
    return at if found is None else found.end()


def _take_line(text: bytes, found: Trailer) -> bool:
    """Read one more line; return False when `found.kind` is final."""
    name, end = match_line(text, found.end, found.kinds)
    if end == NO_MATCH and not found.stats:
        name, end = "", _failure(text, found.end)
    if end >= 0:
        _add(found, name, text, end)
    elif end == NO_MATCH:
        _take_last(text, found)
    return end >= 0


def _add(found: Trailer, name: str, text: bytes, end: int) -> None:
    line = text[found.end : end]
    found.end = _skip_breaks(text, end)
    if name:
        found.breaks = found.breaks if found.stats else BREAKS[name]
        found.stats += (line,)
        found.stat_kinds += (name,)
        found.kinds = FOLLOWERS[name]
    else:
        found.failures += (line,)


def _failure(text: bytes, at: int) -> int:
    verdicts = [pattern.match(text, at) for pattern in _FAILURES]
    return max(verdicts) if max(verdicts) >= 0 else min(verdicts)


def _take_last(text: bytes, found: Trailer) -> None:
    rest = text[found.end : found.end + len(PROMPT)]
    if rest == PROMPT and not found.failures:
        found.kind, found.end = Kind.PROMPT, found.end + len(PROMPT)
    elif PROMPT.startswith(rest) and len(rest) < len(PROMPT):
        found.kind = Kind.INCOMPLETE
    elif not found.stats and (error := _run_error(text, found.end)) != NO_MATCH:
        found.kind = Kind.INCOMPLETE if error == INCOMPLETE else Kind.RUN_ERROR
        found.end = max(error, found.end)
    else:
        found.kind = Kind.TEXT


def _run_error(text: bytes, at: int) -> int:
    """Return the end of a `run error` at `at` that ends the text.

    Its line break may be missing.
    """
    for words in RUN_ERRORS:
        if text.startswith(words, at):
            end = _skip_breaks(text, at + len(words))
            return end if end == len(text) else NO_MATCH
        if words.startswith(text[at : at + len(words)]):
            return INCOMPLETE
    return NO_MATCH
