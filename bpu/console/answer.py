"""The stage of the answer: the model's text, and how the console's own end of the turn is told from it.

It knows no clock and no echo. Its bytes are free of colours and log lines already.
"""

from __future__ import annotations

import codecs
import re

from bpu.console import trailer
from bpu.console.cleaner import log
from bpu.console.events import Done, RunError, Text
from bpu.console.markers import FIRST_BYTES, PROMPT, RUN_ERRORS, TOKENS
from bpu.console.scanner import Hit, Scanner
from bpu.console.stage import Emit, Pending, Stage
from bpu.console.stats import parse
from bpu.console.trailer import Kind, Trailer

#: Where the end of a turn may begin: at a line break, or (an unusual console) at a prompt within a line.
_MAY_END = re.compile(rb"\n|\[")
_LAST = max(map(len, RUN_ERRORS))


class Answer(Stage):
    """Reads from the marker to the next prompt. Text that may belong to the end of the turn is held back.

    The rule: after statistics (whole lines) or an end token, with nothing but line breaks between, the prompt is
    the end: `Done` at once. Without them the prompt is the end when it is the last thing that came and silence
    follows; when anything follows, it was text, and so are statistics and `run error`.

    Where text and mark are the same bytes:
    - An answer that itself says a whole statistics line, of a kind that this console may print, or an end token and
      then, on a new line, `[User] <<< `, ends there. What the model says next comes while nothing was asked, so the
      process is given up: an error, never a wrong answer in somebody else's hands.
    - Such a line at the very end of an answer is taken for the console's where the console itself prints none. Where
      it does, the last set of figures is the console's and all before it are the model's.
    - An answer that says `run error` on a line of its own and then stops for a second is an error as well; if the
      prompt comes instead, it was an answer.
    - Special tokens are taken out wherever they stand: a token and its characters typed by the model are the same
      bytes, and leaked tokens are the more frequent by far. `<think>` and the tool marks stay: the chat reads them.
    - One line break before a prompt or a statistics line (two where the console prints a blank line) is the
      console's; all before it are the model's.
    """

    def __init__(self, statistics: tuple[str, ...]) -> None:
        """`statistics`: the kinds that this console may print."""
        self._statistics = statistics
        self._tokens = Scanner(TOKENS, b"")
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = b""
        self._last = b""  # the end of what was said
        self._at_edge = True  # nothing before `_held` but the marker or an end token
        self._ended = False  # that was an end token
        self._pending: Pending | None = None
        self.prints_end = False  # the turn was ended by statistics or an end token

    @property
    def pending(self) -> Pending | None:
        return self._pending if self._pending is not None and not self._tokens.held else None

    def plain(self, data: bytes) -> str | None:
        if self._at_edge or self._held or self._tokens.held or FIRST_BYTES.search(data):
            return None
        return self._decoded(data)

    def feed(self, data: bytes, emit: Emit) -> bytes | None:
        self._tokens.write(data)
        while (piece := self._tokens.read()) is not None:
            if not isinstance(piece, Hit):
                rest = self._read(piece, emit)
                if rest is not None:
                    return rest + self._tokens.take()
            elif piece.name == "end":
                self._end_token(emit)
        return None

    def quiet(self, emit: Emit) -> bytes | None:
        return None if self.pending is None else self._settle(emit)

    def end(self, emit: Emit) -> bytes | None:
        """As after silence; beside that, a library's last words are no text, nor are statistics without a prompt."""
        if rest := self._tokens.take():
            self._read(rest, emit)
        if self._pending is not None:
            return self._settle(emit)
        found = self._match(self._held + b"\n", 0)
        if (found.stats or found.failures) and found.end > len(self._held):
            self._close(found, emit)
        else:
            self._say(self._held, emit, final=True)
        for line in found.failures if found.end > len(self._held) else ():
            emit(log(line))
        return None

    def _end_token(self, emit: Emit) -> None:
        self._say(self._held, emit)
        self._held, self._pending = b"", None
        self._at_edge = self._ended = True

    def _read(self, piece: bytes, emit: Emit) -> bytes | None:
        text, at = self._held + piece, 0
        while True:
            at = self._next_candidate(text, at)
            found = self._match(text, at)
            if found.kind is Kind.PROMPT and (found.stats or self._ended):
                return self._finish(text, at, found.end, emit)
            if found.kind is Kind.OPEN or (found.kind is not Kind.TEXT and found.end == len(text)):
                self._hold(text, at, found.kind, emit)
                return None
            self._at_edge = self._ended = False
            at = found.start

    def _next_candidate(self, text: bytes, at: int) -> int:
        if self._at_edge:
            return at
        found = _MAY_END.search(text, at)
        return len(text) if found is None else found.start()

    def _match(self, text: bytes, at: int) -> Trailer:
        """The trailer at `at`; within a line only the prompt itself can be one."""
        if self._at_edge or text.startswith(b"\n", at):
            return trailer.match(text, at, self._statistics)
        if text.startswith(PROMPT, at):
            return Trailer(at + 1, at + len(PROMPT), Kind.PROMPT)
        return Trailer(at + 1, at, Kind.OPEN if PROMPT.startswith(text[at : at + len(PROMPT)]) else Kind.TEXT)

    def _hold(self, text: bytes, at: int, kind: Kind, emit: Emit) -> None:
        self._say(text[:at], emit)
        self._held = text[at:]
        if kind is Kind.PROMPT:
            own_line = self._held.startswith(b"\n")
            self._pending = Pending.PROMPT if own_line else Pending.PROMPT_WITHIN_LINE
        elif kind is Kind.RUN_ERROR:
            self._pending = Pending.RUN_ERROR
        elif self._held == b"\n" and self._last.endswith(RUN_ERRORS[0]):
            self._pending = Pending.RUN_ERROR_WITHIN_LINE
        else:
            self._pending = None

    def _settle(self, emit: Emit) -> bytes:
        """What is pending is decided: it was the end."""
        if self._pending in (Pending.PROMPT, Pending.PROMPT_WITHIN_LINE):
            return self._finish(self._held, 0, len(self._held), emit)
        self._say(b"", emit, final=True)
        emit(RunError((self._held.strip() or RUN_ERRORS[0]).decode()))
        return b""

    def _finish(self, text: bytes, at: int, end: int, emit: Emit) -> bytes:
        self._say(text[:at], emit)
        self._held = text[at:end]
        found = self._match(self._held, 0)
        self.prints_end = self._ended or bool(found.stats)
        self._close(found, emit)
        emit(Done())
        return text[end:]

    def _close(self, found: Trailer, emit: Emit) -> None:
        """Say what of the line breaks before the trailer is the model's, then give the console's figures."""
        breaks = self._held[: found.start] if self._held.startswith(b"\n") and not self._ended else b""
        self._say(breaks[: max(0, len(breaks) - found.breaks)], emit, final=True)
        if found.stats:
            emit(parse(found.stats))

    def _say(self, data: bytes, emit: Emit, *, final: bool = False) -> None:
        if text := self._decoded(data, final):
            emit(Text(text))

    def _decoded(self, data: bytes, final: bool = False) -> str:
        self._last = (self._last + data[-_LAST:])[-_LAST:]
        return self._decoder.decode(data, final)
