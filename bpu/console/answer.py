"""Separates the model's text from the console's own end of the turn.

It knows no clock and no echo. Its bytes contain no colours and no log lines.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from bpu.console import trailer
from bpu.console.events import Done, Overrun, RunError, Text
from bpu.console.log_filter import log_event
from bpu.console.markers import FIRST_BYTES, MARKER, PROMPT, RUN_ERRORS, TOKENS
from bpu.console.scanner import Match, PatternSet, Scanner
from bpu.console.stage import Emit, Pending, Stage
from bpu.console.stats import FOLLOWERS, LEADING, is_complete, known_part
from bpu.console.trailer import Kind, Trailer

#: Where the end of a turn may begin: at such a line break, or (an unusual console) at a prompt within a line.
_MAY_END = re.compile(trailer.LINE_BREAK.pattern + rb"|\[")
_LAST = max(map(len, RUN_ERRORS))
_TOKENS = PatternSet(TOKENS, b"")


class AnswerStage(Stage):
    """Reads from the marker to the next prompt.

    It holds back what may be the end of the turn.

    A model can print every byte that a console prints, so times decide:
    - Complete statistics of this console's own kind and the prompt are the end at once if all of them came in less time
      than the model needs for them (`proves_end`).
    - Everything else that looks like an end, with statistics, after an end token or as a bare prompt, is the end when
      it is the last thing that came and silence follows. When anything follows, it was text, every byte of it.

    Where the model's text and the console's marks are the same bytes:
    - An answer that prints an end and then is silent for as long as a waiting console is cut there. The owner of the
      pipe then discards the console before another client's line (`TurnReport.must_discard`).
    - Statistics before an end are the console's, unless they came in a model's steps: then they are the model's last
      text, on a console that prints none.
    - `run error` on a line of its own and then silence is an error; if the prompt comes instead, it was an answer.
    - Special tokens are taken out: a token and the same characters written by the model are the same bytes, and leaked
      tokens are far more frequent. After an end-of-turn or role token that follows text, the answer is over: what comes
      before the prompt is an invented turn, reported once as `Overrun` and dropped. `<think>` and the tool marks stay,
      because `bpu.chat` reads them.
    - A log line that was taken out within a line may have been the model's, whose line break was the console's: what
      follows it may be the end of the turn, as at the beginning of a line.
    - One line break before a prompt or a statistics line (two where the console prints a blank line) is the
      console's; all before it are the model's.
    """

    def __init__(
        self,
        statistics: tuple[str, ...],
        *,
        usual: str | None = None,
        proves_end: Callable[[bytes], bool] = lambda end: False,
        is_model_paced: Callable[[], bool] = lambda: False,
    ) -> None:
        """`statistics`: the kinds that this console may print; `usual`: the kind that it has printed.

        `proves_end` tells whether the held and timed bytes are more than the model could have printed in their time;
        `is_model_paced` whether they came in a model's steps, not as a console writes.
        """
        leading = tuple(kind for kind in statistics if kind in LEADING)
        self._statistics = statistics if usual is None else (*leading, usual, *FOLLOWERS[usual])
        self._usual_statistics, self._proves_end, self._is_model_paced = usual, proves_end, is_model_paced
        self._tokens = Scanner(_TOKENS)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = b""
        self._last_text = b""  # the end of the emitted text
        self._has_text = False  # something other than blanks
        self._at_edge = True  # nothing before `_held` but the marker or an end token
        self._turn_ended = False  # an end-of-turn or role token came after text
        self._overrun_reported = False  # and text after it
        self._pending: Pending | None = None
        self.is_timed = False
        #: The kind of statistics with which the turn ended, and whether `proves_end` ended it.
        self.ended_with: str | None = None
        self.end_proven = False

    @property
    def pending(self) -> Pending | None:
        """What silence would decide; None while a special token may still be open."""
        return self._pending if self._pending is not None and self._tokens.is_empty else None

    @property
    def held_size(self) -> int:
        """As in `Stage`; line breaks alone are more often the model's, and do not count."""
        return (len(self._held) if self._held.strip(b"\n") else 0) + len(self._tokens.held)

    def try_plain_text(self, data: bytes) -> str | None:
        """As in `Stage`: most reads of an answer hold no mark and take this way."""
        if self._at_edge or self._held or self._turn_ended or not self._tokens.is_empty or FIRST_BYTES.search(data):
            return None
        text = self._decoded(data)
        self._has_text = self._has_text or bool(text.strip())
        return text

    def feed(self, data: bytes, emit: Emit) -> bytes | None:
        """As in `Stage`: emit what cannot be the end; return what follows the prompt."""
        self._tokens.write(data)
        while (piece := self._tokens.read()) is not None:
            if not isinstance(piece, Match):
                rest = self._read(piece, emit)
                if rest is not None:
                    return rest + self._tokens.take()
            elif piece.name != "token":
                self._end_token(piece.name, emit)
        return None

    def after_log(self) -> None:
        """Note that a log line was taken out, behind which the turn may end."""
        self._at_edge = self._at_edge or not (self._held or self._tokens.held)

    def quiet(self, emit: Emit) -> bytes | None:
        """As in `Stage`: what looks like an end before silence is the end."""
        return None if self.pending is None else self._decide_pending(emit)

    def end(self, emit: Emit) -> bytes | None:
        """Decide as after silence.

        A library's last lines and statistics without a prompt are no text either.
        """
        if rest := self._tokens.take():
            self._read(rest, emit)
        if self._pending is not None:
            return self._decide_pending(emit)
        found = self._match(self._held + b"\n", 0)
        if (found.stats or found.failures) and found.end > len(self._held):
            self._close(found, emit)
        else:
            self._emit_text(self._held, emit, final=True)
        for line in found.failures if found.end > len(self._held) else ():
            emit(log_event(line))
        return None

    def _end_token(self, name: str, emit: Emit) -> None:
        self._emit_text(self._held, emit)
        self._held, self._pending = b"", None
        self._turn_ended = self._turn_ended or self._has_text
        self._at_edge = self._at_edge or name == "end"

    def _read(self, piece: bytes, emit: Emit) -> bytes | None:
        text, at = self._held + piece, 0
        while True:
            at = self._next_candidate(text, at)
            found = self._match(text, at)
            if found.kind is Kind.INCOMPLETE or (found.kind is not Kind.TEXT and found.end == len(text)):
                self._hold_back(text, at, found.kind, emit)
                found.start -= at  # from here on a place in what is held back
                return self._finish(found, emit) if self._is_proven(found) else None
            self._at_edge = False
            at = found.start

    def _is_proven(self, found: Trailer) -> bool:
        """Whether the held `found` is an end that no model could have printed so fast."""
        if found.kind is not Kind.PROMPT or not self.is_timed or self._tokens.held:
            return False
        if not is_complete(found.figures):
            return False
        self.end_proven = self._proves_end(known_part(found.stats) + PROMPT)
        return self.end_proven

    def _next_candidate(self, text: bytes, at: int) -> int:
        if self._at_edge:
            return at
        found = _MAY_END.search(text, at)
        return len(text) if found is None else found.start()

    def _match(self, text: bytes, at: int) -> Trailer:
        """Return the trailer at `at`; within a line only the prompt can be one."""
        if self._at_edge or text.startswith(b"\n", at):
            return trailer.match(text, at, self._statistics)
        if text.startswith(PROMPT, at):
            return Trailer(at + 1, at + len(PROMPT), Kind.PROMPT)
        return Trailer(at + 1, at, Kind.INCOMPLETE if PROMPT.startswith(text[at : at + len(PROMPT)]) else Kind.TEXT)

    def _hold_back(self, text: bytes, at: int, kind: Kind, emit: Emit) -> None:
        self._emit_text(text[:at], emit)
        self._held = text[at:]
        if kind is Kind.PROMPT:
            self._pending = self._kind_of_prompt()
        elif kind is Kind.RUN_ERROR:
            self._pending = Pending.RUN_ERROR
        elif self._held == b"\n" and self._last_text.endswith(RUN_ERRORS[0]):
            self._pending = Pending.RUN_ERROR_WITHIN_LINE
        else:
            self._pending = None

    def _decide_pending(self, emit: Emit) -> bytes:
        """End the turn by what is pending, because nothing followed it."""
        if self._pending not in (Pending.RUN_ERROR, Pending.RUN_ERROR_WITHIN_LINE):
            return self._finish(self._match(self._held, 0), emit, is_model_paced=self._is_model_paced())
        self._emit_text(b"", emit, final=True)
        for line in self._match(self._held, 0).failures:
            emit(log_event(line))
        emit(RunError(_run_error_in(self._held)))
        return b""

    def _finish(self, found: Trailer, emit: Emit, *, is_model_paced: bool = False) -> bytes:
        """End the turn by `found`, the trailer that is held.

        If `is_model_paced`, all of it but the prompt is text.
        """
        if found.stats and is_model_paced:
            self._emit_text(self._held.removesuffix(PROMPT).removesuffix(b"\n"), emit, final=True)
        else:
            self._close(found, emit)
        emit(Done())
        return b""

    def _close(self, found: Trailer, emit: Emit) -> None:
        """Emit the line breaks before the trailer that are the model's, then the console's figures."""
        breaks = self._held[: found.start] if self._held.startswith(b"\n") else b""
        self._emit_text(breaks[: max(0, len(breaks) - found.breaks)], emit, final=True)
        if found.stats:
            self.ended_with = next((kind for kind in found.stat_kinds if kind not in LEADING), None)
            emit(found.figures)

    def _kind_of_prompt(self) -> Pending:
        """Return what silence after the held prompt will decide, by how unusual this end is."""
        if not self._held.startswith(b"\n") and not self._at_edge:
            return Pending.PROMPT_WITHIN_LINE
        if self._usual_statistics is not None and self._held.strip(b"\n") == PROMPT:
            return Pending.PROMPT_UNUSUAL
        return Pending.PROMPT

    def _emit_text(self, data: bytes, emit: Emit, *, final: bool = False) -> None:
        if self._turn_ended:
            self._drop(data, emit)
            return
        if text := self._decoded(data, final):
            self._has_text = self._has_text or bool(text.strip())
            emit(Text(text))

    def _drop(self, data: bytes, emit: Emit) -> None:
        """Drop text after the token that ended the answer, and report it once."""
        if not data.strip():
            return
        if not self._overrun_reported:
            self._overrun_reported = True
            emit(Overrun())

    def _decoded(self, data: bytes, final: bool = False) -> str:
        self._last_text = (self._last_text + data[-_LAST:])[-_LAST:]
        return self._decoder.decode(data, final)


class ImageStage(AnswerStage):
    """Reads from a line that names images to the next prompt.

    All text in it is to be dropped. Whether the console prints its marker, an answer or statistics here is not known,
    so all of them may come or not (docs/console-protocol.md#input). What ends it is proven as the end of an answer is,
    because a model that has read an image may print what stands in it.
    """

    _head: bytes | None = b""  # what may be the beginning of the marker; None once that is decided

    def feed(self, data: bytes, emit: Emit) -> bytes | None:
        """As in `AnswerStage`, after the marker if the console prints one."""
        if self._head is None:
            return super().feed(data, emit)
        self._head += data
        text = self._head.lstrip(b"\n")
        if len(text) < len(MARKER) and MARKER.startswith(text):
            return None
        data, self._head = text[len(MARKER) :] if text.startswith(MARKER) else self._head, None
        return super().feed(data, emit) if data else None

    def end(self, emit: Emit) -> bytes | None:
        """As in `AnswerStage`; half a marker that was held is read as text before."""
        head, self._head = self._head, None
        if head and (rest := super().feed(head, emit)) is not None:
            return rest
        return super().end(emit)


def _run_error_in(held: bytes) -> str:
    """Return the error line that ends `held`."""
    words = held.strip().rsplit(b"\n", 1)[-1]
    return (words or RUN_ERRORS[0]).decode("utf-8", "replace")
