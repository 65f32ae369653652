"""The stages outside a turn: loading, idle between two turns, and the reset handshake.

They emit any line as `Log`, with or without a log line's head, because no answer can occur here.
"""

from __future__ import annotations

import re

from bpu.console.errors import OutOfSync
from bpu.console.events import Done, Ready
from bpu.console.log_filter import log_event
from bpu.console.markers import FAILURE_HEADS, IDLE_HEADS, PROMPT
from bpu.console.scanner import INCOMPLETE, NO_MATCH, Pattern
from bpu.console.stage import Emit, Pending, Stage

#: A start-up line is cut after this many bytes; its rest is dropped.
LONGEST_LINE = 4096

#: The greeting and the hints below it, in the words of every console known.
_BANNER = re.compile("- |.*(?:大模型|请输入|模型类别)")
_MAX_BANNER_LINES = 64

_REST_OF_LINE = re.compile(rb"[^\n]{0,4096}")
_IDLE_LINES = tuple(Pattern("line", (head, _REST_OF_LINE, b"\n")) for head in IDLE_HEADS + FAILURE_HEADS)


class LoadingStage(Stage):
    """Reads up to the first prompt at the beginning of a line; emits `Ready`.

    The banner's lines go into `Ready`, every other line is a `Log`. A prompt within a line does not count.
    """

    def __init__(self) -> None:
        self._text = b""
        self._cut = False
        self._banner: list[str] = []

    def feed(self, data: bytes, emit: Emit) -> bytes | None:
        """As in `Stage`: emit log lines, and `Ready` with the banner at the first prompt."""
        text, at = self._text + data, 0
        while True:
            if not self._cut and text.startswith(PROMPT, at):
                emit(Ready("\n".join(self._banner)))
                return text[at + len(PROMPT) :]
            newline = text.find(b"\n", at, at + LONGEST_LINE)
            if newline >= 0:
                end = newline + 1
            elif len(text) - at >= LONGEST_LINE:
                end = at + LONGEST_LINE
            else:
                self._text = text[at:]
                return None
            self._take_line(text[at:end], emit)
            self._cut, at = newline < 0, end

    def end(self, emit: Emit) -> bytes | None:
        """As in `Stage`: an unfinished line may be a log line, too."""
        self._take_line(self._text, emit)
        self._text = b""
        return None

    def _take_line(self, line: bytes, emit: Emit) -> None:
        event = log_event(line)
        if self._cut or not event.line.strip():
            return
        if _BANNER.match(event.line) and len(self._banner) < _MAX_BANNER_LINES:
            self._banner.append(event.line)
        else:
            emit(event)


class IdleStage(Stage):
    """Accepts whole lines of libraries between two turns; anything else raises `OutOfSync`.

    With `awaits_reset`, the owner has written `reset`: exactly the prompt must come back, alone or after the line
    breaks that some consoles print before every prompt; then the stage emits `Done`. `at_once`: no model is answering,
    so the prompt can only be the console's; else silence must follow it.
    """

    def __init__(self, *, awaits_reset: bool = False, at_once: bool = False) -> None:
        self._awaits_reset, self._at_once = awaits_reset, at_once
        self._text = b""

    @property
    def pending(self) -> Pending | None:
        """What silence would decide: the prompt after `reset`, if nothing follows it."""
        return Pending.PROMPT if self._awaits_reset and self._text == PROMPT else None

    def feed(self, data: bytes, emit: Emit) -> bytes | None:
        """As in `Stage`: emit whole log lines. Raises `OutOfSync` for anything else."""
        self._text += data
        while self._skip_breaks():
            if self._awaits_reset and self._text.startswith(PROMPT):
                return self._take_prompt(emit)
            end = self._match()
            if end == INCOMPLETE:
                return None
            if end == NO_MATCH:
                raise OutOfSync(self._mismatch_message)
            emit(log_event(self._text[:end]))
            self._text = self._text[end:]
        return None

    def quiet(self, emit: Emit) -> bytes | None:
        """As in `Stage`: the prompt after `reset` has come alone."""
        if self.pending is None:
            return None
        emit(Done())
        return b""

    def _skip_breaks(self) -> bool:
        """Drop the line breaks before the prompt of a reset; return whether anything is left."""
        if self._awaits_reset:
            self._text = self._text.lstrip(b"\n")
        return bool(self._text)

    def _take_prompt(self, emit: Emit) -> bytes | None:
        """Read the prompt that answers `reset`: it ends the handshake now, or after silence."""
        if self._at_once:
            emit(Done())
            return self._text[len(PROMPT) :]
        if self._text != PROMPT:
            raise OutOfSync(self._mismatch_message)
        return None

    @property
    def _mismatch_message(self) -> str:
        if self._awaits_reset:
            return "The console did not answer `reset` with its prompt."
        return "The console wrote output although it had no line to answer."

    def end(self, emit: Emit) -> bytes | None:
        """As in `Stage`: an unfinished log line is logged, all else is dropped."""
        if self._text.startswith(IDLE_HEADS + FAILURE_HEADS):
            emit(log_event(self._text))
        self._text = b""
        return None

    @property
    def held(self) -> bytes:
        """The beginning of an unfinished line."""
        return self._text

    def _match(self) -> int:
        verdicts = [line.match(self._text, 0) for line in _IDLE_LINES]
        if self._awaits_reset and PROMPT.startswith(self._text):
            verdicts.append(INCOMPLETE)
        return max(verdicts) if max(verdicts) >= 0 else min(verdicts)


class ClosedStage(Stage):
    """Drops all bytes, because the process has ended or failed."""
