"""Takes colours and library log lines out of a console's bytes, before anything is decoded.

It works on bytes, so that a character that a log line cut in two becomes whole again. It does not know the console's
state, which is for the stages, and no clock: times come with the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bpu.console.events import Log
from bpu.console.markers import COLOURS, FAILURE_HEADS, IDLE_HEADS, LOG_HEADS, RUN_ERRORS
from bpu.console.pace import Arrival, come_in_steps
from bpu.console.scanner import Match, PatternSet, Scanner

#: A library's line is far shorter. What is longer is no log line and is returned as text.
LONGEST_LOG = 8192

#: The most heads of log lines from prompts that are remembered.
_MAX_PREFIXES = 4096

_COLOUR = re.compile(rb"\x1b\[[0-9;]*[mK]")
_HEADS = PatternSet(LOG_HEADS, b"")
_HEADS_AND_COLOURS = PatternSet([*COLOURS, *LOG_HEADS], b"")


def log_event(line: bytes) -> Log:
    """Make the event of a log line, without colours and line break."""
    return Log(_COLOUR.sub(b"", line).decode("utf-8", "replace").rstrip("\r\n"))


#: The CPU console writes figures of each turn to its error stream, without any of its text.
_CPU_CONSOLE_HEAD = b"[cpu] "


def is_library_line(line: bytes) -> bool:
    """Whether `line`, of the error stream, begins like a library's.

    Such are lines of consoles, their libraries and the C library.
    """
    line = _COLOUR.sub(b"", line)
    if line.startswith((*IDLE_HEADS, *FAILURE_HEADS, *RUN_ERRORS, _CPU_CONSOLE_HEAD)):
        return True
    reader = Scanner(_HEADS)
    reader.write(line)
    return isinstance(reader.read(), Match)


class LogFilter:
    """Splits a console's bytes into text and `Log` events for whole log lines.

    A `Parser` owns it. A log line begins with a head that only libraries write (`markers.LOG_HEADS`), anywhere in a
    line, and ends with the line. A head from a prompt is text wherever it comes back, in the echo or quoted by the
    model, because a library cannot repeat an earlier line's thread and millisecond. A line that comes in a model's
    steps is text, too, because a library writes a line at once.

    Where times do not decide, because the read's time is unknown or the model is as quick as a library, it counts as a
    log line: libraries print such lines, and models hardly ever invent one.
    """

    def __init__(self) -> None:
        self._scanner = Scanner(_HEADS_AND_COLOURS)
        self._known_prefixes: set[bytes] = set()
        self._log = b""
        self._arrivals: list[Arrival] = []  # of what is held back, and of an open log line
        self._arrival: Arrival | None = None
        self._carried = 0  # so many bytes of what is held back came with earlier reads

    def remember_log_prefixes(self, line: bytes) -> None:
        """Remember the heads of log lines in a prompt, so that their repetitions stay text."""
        reader = Scanner(_HEADS)
        reader.write(line)
        heads = {piece.text for piece in iter(reader.read, None) if isinstance(piece, Match)}
        if len(self._known_prefixes) + len(heads) > _MAX_PREFIXES:
            self._known_prefixes.clear()
        self._known_prefixes |= heads

    def feed(self, data: bytes, arrival: Arrival | None = None) -> Iterator[bytes | Log]:
        """Yield the console's own bytes, and a `Log` in place of each library line."""
        self._arrival, self._carried = arrival, len(self._scanner.held)
        if arrival is not None:
            self._arrivals.append(arrival)
        self._scanner.write(data)
        while (piece := self._next()) is not None:
            if piece:
                yield piece

    def end(self) -> Iterator[bytes | Log]:
        """Return what was held back, because the pipe is closed."""
        if self._log:
            yield log_event(self._log)
            self._log = b""
        if rest := self._scanner.take():
            yield rest

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held back and no log line is open."""
        return not self._log and self._scanner.is_empty

    @property
    def holds_text(self) -> bool:
        """Whether bytes are held back that may turn out to be text."""
        return not self._log and not self._scanner.is_empty

    def _next(self) -> bytes | Log | None:
        if self._log:
            return self._log_line()
        if self._carried <= 0:  # what comes next began with this read
            self._arrivals = [] if self._arrival is None else [self._arrival]
        piece = self._scanner.read()
        if piece is None:
            return None
        text = piece.text if isinstance(piece, Match) else piece
        self._carried -= len(text)
        if not isinstance(piece, Match):
            return piece
        if piece.name == "log" and piece.text not in self._known_prefixes and not come_in_steps(self._arrivals):
            self._log = piece.text
            return b""
        return piece.text if piece.name == "log" else b""

    def _log_line(self) -> bytes | Log | None:
        if come_in_steps(self._arrivals):
            text, self._log = self._log, b""
            return text
        piece = self._scanner.take_line(LONGEST_LOG - len(self._log))
        if not piece:
            return None
        self._log += piece
        if not piece.endswith(b"\n") and len(self._log) < LONGEST_LOG:
            return None
        line, self._log = self._log, b""
        return log_event(line) if line.endswith(b"\n") else line
