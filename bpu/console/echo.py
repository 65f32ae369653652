"""Reads what comes between a written line and the answer.

That is the echo of the rendered template, up to the console's marker. It decides which marker is the console's own. It
never logs what it reads, because that is a user's text.
"""

from __future__ import annotations

from collections.abc import Iterable

from bpu.console.errors import EchoMismatch, OutOfSync
from bpu.console.events import Echo, RunError
from bpu.console.log_filter import log_event
from bpu.console.markers import FAILURE_HEADS, MARKER, PROMPT, RUN_ERRORS
from bpu.console.stage import Emit, Pending, Stage
from bpu.console.traits import EchoForm

_MAX_FAILURE_BYTES = 1024

#: How often the echo is searched for the line, so that many marks do not cost quadratic time.
_MAX_SEARCHES = 64

#: Bytes of template and noise around the line; an escaped line may be four times as long.
_SLACK = 65536

_MAX_RUN_ERROR_BYTES = max(map(len, RUN_ERRORS))
_UNDECIDED = b"?"


class EchoMatcher:
    """Compares an echo with the line that was written.

    It compares the line as it is, and with its line breaks made real.
    """

    def __init__(self, line: bytes) -> None:
        text = line.strip()
        self._forms = {text, text.replace(b"\\n", b"\n").strip()}
        self._shortest = min(map(len, self._forms))
        self._marks: dict[bytes, int] = {}
        self._searches = _MAX_SEARCHES
        self._ended = False

    def marks(self, mark: bytes) -> int:
        """Count `mark` in the line.

        A blank is added because `strip` may have removed the mark's last blank.
        """
        if mark not in self._marks:
            self._marks[mark] = max((form + b" ").count(mark) for form in self._forms)
        return self._marks[mark]

    def matches_start(self, text: bytearray) -> bool:
        """Whether `text` and the line begin alike, up to the length of the shorter one."""
        return any(form.startswith(text[: len(form)]) for form in self._forms)

    def continues_after(self, text: bytearray) -> bool:
        """Whether `text` is the beginning of the line, so that more bytes are needed."""
        return any(len(form) > len(text) and form.startswith(text) for form in self._forms)

    def is_repeated_in(self, echo: bytearray, before: int) -> bool:
        """Whether the first `before` bytes hold the whole line.

        Searched only once enough bytes have come.
        """
        if not self._ended and before >= self._shortest and self._searches:
            self._searches -= 1
            self._ended = any(echo.find(form, 0, before) >= 0 for form in self._forms)
        return self._ended


class EchoStage(Stage):
    """Reads up to the console's `[Assistant] >>> `, then emits `Echo`.

    It emits `RunError` for a `run error` in that place.

    The user's text can hold every mark. A mark at the beginning of a line is the console's own when
    1. the console does not echo, or the written line does not hold that mark, or
    2. it is the first thing that came, and the line does not begin with it and what follows it, or
    3. the whole line has come before it, as written or with `\\n` made into line breaks, or
    4. (`[Assistant] >>> ` only) it is one more than the line holds: for an echo that differs from the line's bytes.
    Where none of these becomes true, the prompt and silence end the turn, and the last marker seen counts. This happens
    when the line begins with the marker and the answer begins as the line continues after it: then an echo without a
    template and an answer without an echo are the same bytes.
    A prompt before any marker is `OutOfSync`: the console asks for the next question without an answer to this one.

    `seen` is the form of the echo. It is None where the echo does not hold the line exactly once, or the line holds a
    mark: then the answer may repeat the line with a false marker behind it, on a console that does not echo.
    """

    def __init__(self, line: bytes, *, echoes: bool) -> None:
        self._echo_matcher = EchoMatcher(line)
        self._echoes = echoes
        self._text = bytearray()
        self._at = 0  # where the current line begins
        self._scanned = 0  # no line break before here
        self._blank = True  # only line breaks before the current line
        self._mark_rejected = False  # the current line's mark was not the console's
        self._markers_seen = 0
        self._doubtful_marker_at: int | None = None
        self._pending: Pending | None = None
        self._limit = 4 * len(line) + _SLACK
        self._line_sent = line
        self.seen: EchoForm | None = None

    @property
    def pending(self) -> Pending | None:
        """What silence would decide: a `run error`, or a prompt after a doubtful marker."""
        return self._pending

    def feed(self, data: bytes, emit: Emit) -> bytes | None:
        """As in `Stage`: return what follows the marker. Raises `OutOfSync`."""
        self._text += data
        while True:
            mark = self._find_mark()
            if mark == MARKER and self._is_marker():
                return self._begin_answer(self._at, emit)
            if mark == PROMPT and self._ends_turn_here():
                self._pending = Pending.PROMPT_UNUSUAL
                return None
            self._mark_rejected = mark in (MARKER, PROMPT) or self._mark_rejected
            newline = self._text.find(b"\n", max(self._scanned, self._at))
            if mark == _UNDECIDED or newline < 0:
                self._wait_in_line()
                return None
            if self._is_run_error(newline):
                return self._run_error(newline, emit)
            self._take_line(newline, emit)

    def quiet(self, emit: Emit) -> bytes | None:
        """As in `Stage`: accept the `run error` or the last doubtful marker."""
        if self._pending is Pending.RUN_ERROR:
            return self._run_error(len(self._text), emit)
        return (
            None
            if self._pending is None or self._doubtful_marker_at is None
            else self._begin_answer(self._doubtful_marker_at, emit)
        )

    def end(self, emit: Emit) -> bytes | None:
        """As in `Stage`: accept the last doubtful marker or an unfinished `run error`."""
        if self._doubtful_marker_at is not None:
            return self._begin_answer(self._doubtful_marker_at, emit)
        if self._is_run_error(len(self._text)):
            return self._run_error(len(self._text), emit)
        self._take_line(len(self._text), emit)
        return None

    def _find_mark(self) -> bytes:
        """Return the mark that begins the current line, once.

        `_UNDECIDED` if more bytes may make it one; else b"".
        """
        if self._mark_rejected:
            return b""
        rest = self._text[self._at : self._at + len(MARKER)]
        for mark in (MARKER, PROMPT):
            if rest.startswith(mark):
                return _UNDECIDED if self._may_be_echo() else mark
            if mark.startswith(rest):
                return _UNDECIDED
        return b""

    def _may_be_echo(self) -> bool:
        """Whether all bytes so far are the beginning of the written line, which continues."""
        return self._echoes and self._blank and self._echo_matcher.continues_after(self._text[self._at :])

    def _is_marker(self) -> bool:
        self._markers_seen += 1
        if self._is_consoles(MARKER, len(self._text)) or self._markers_seen > self._echo_matcher.marks(MARKER):
            return True
        self._doubtful_marker_at = self._at
        return False

    def _ends_turn_here(self) -> bool:
        """Whether silence after this prompt ends the turn.

        It does if a doubtful marker began the answer.
        """
        ends = self._doubtful_marker_at is not None and len(self._text) == self._at + len(PROMPT)
        if not ends and self._is_consoles(PROMPT, len(self._text)):
            raise OutOfSync("The console asks for the next question without an answer to the last one.")
        return ends

    def _is_consoles(self, mark: bytes, end: int) -> bool:
        """Whether the `mark` that begins the current line is the console's own.

        It judges by the bytes before `end`.
        """
        if not self._echoes or not self._echo_matcher.marks(mark):
            return True
        if self._blank and not self._echo_matcher.matches_start(self._text[self._at : end]):
            return True
        return self._echo_matcher.is_repeated_in(self._text, self._at)

    def _begin_answer(self, at: int, emit: Emit) -> bytes:
        if not (self._echo_matcher.marks(MARKER) or self._echo_matcher.marks(PROMPT)):
            self.seen = form_of(bytes(self._text[:at]), self._line_sent)
        emit(Echo(self._text[:at].decode("utf-8", "replace").removesuffix("\n")))
        return bytes(self._text[at + len(MARKER) :])

    def _wait_in_line(self) -> None:
        self._scanned = len(self._text)
        self._check_size(self._scanned)
        self._pending = Pending.RUN_ERROR if self._is_run_error(self._scanned) else None

    def _is_run_error(self, end: int) -> bool:
        if end - self._at > _MAX_RUN_ERROR_BYTES or self._text[self._at : end] not in RUN_ERRORS:
            return False
        return self._is_consoles(RUN_ERRORS[0], end + 1)

    def _run_error(self, end: int, emit: Emit) -> bytes:
        emit(RunError(self._text[self._at : end].decode()))
        return bytes(self._text[end + 1 :])

    def _take_line(self, end: int, emit: Emit) -> None:
        """Take a whole line without a mark.

        A library's failure becomes a `Log`, all else is echo.
        """
        self._check_size(end)
        line = bytes(self._text[self._at : min(end, self._at + _MAX_FAILURE_BYTES)])
        if any(line.startswith(head) and self._is_consoles(head, end + 1) for head in FAILURE_HEADS):
            emit(log_event(line))
            del self._text[self._at : end + 1]
        else:
            self._at = end + 1
            self._blank = self._blank and not line.strip()
        self._scanned = self._at
        self._mark_rejected = False

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise OutOfSync("The console prints without end and does not begin to answer.")


class AnchoredEchoStage(Stage):
    """Reads an echo of known form and the marker after it, then emits `Echo`.

    All else raises `EchoMismatch`. The first bytes after a line must be the console's own repetition of it. This
    notices a turn that is still running, unless that turn prints the same line; so it is no proof, because a line can
    be guessed.
    """

    def __init__(self, line: bytes, forms: Iterable[EchoForm]) -> None:
        self._expected = {echo + MARKER: form for form in forms for echo in form.echoes(line)}
        self._text = b""
        self._pending: Pending | None = None
        self.seen: EchoForm | None = None

    @property
    def pending(self) -> Pending | None:
        """What silence would decide: only ever a `run error`."""
        return self._pending

    def feed(self, data: bytes, emit: Emit) -> bytes | None:
        """As in `Stage`: return what follows the marker. Raises `EchoMismatch` for all else."""
        self._text += data
        for expected, form in self._expected.items():
            if self._text.startswith(expected):
                self.seen = form
                emit(Echo(expected[: -len(MARKER)].decode("utf-8", "replace").removesuffix("\n")))
                return self._text[len(expected) :]
        if any(expected.startswith(self._text) for expected in self._expected):
            self._pending = None
        elif any(self._is_run_error(expected) for expected in self._expected):
            self._pending = Pending.RUN_ERROR
        elif not any(self._may_be_run_error(expected) for expected in self._expected):
            raise EchoMismatch("The console did not repeat the line that it was sent.")
        return None

    def quiet(self, emit: Emit) -> bytes | None:
        """As in `Stage`: accept the `run error` that has come."""
        if self._pending is None:
            return None
        emit(RunError(RUN_ERRORS[0].decode()))
        return b""

    def end(self, emit: Emit) -> bytes | None:
        """As in `Stage`: the end decides what silence would."""
        return self.quiet(emit)

    def _remainder_after(self, expected: bytes) -> bytes:
        """Return the bytes after the common beginning with `expected`, without line breaks."""
        pairs = zip(self._text, expected, strict=False)
        alike = next((at for at, (came, wanted) in enumerate(pairs) if came != wanted), len(expected))
        return self._text[alike:].strip(b"\n")

    def _is_run_error(self, expected: bytes) -> bool:
        return self._remainder_after(expected) in RUN_ERRORS

    def _may_be_run_error(self, expected: bytes) -> bool:
        return any(words.startswith(self._remainder_after(expected)) for words in RUN_ERRORS)


def form_of(echo: bytes, line: bytes) -> EchoForm | None:
    """Return the form of an `echo` that holds `line` exactly once, else None.

    The line counts as written or with real line breaks.
    """
    for body in (line, line.replace(b"\\n", b"\n")):
        at = echo.find(body) if body else -1
        if at >= 0 and echo.find(body, at + 1) < 0:  # not even overlapping: `>>` occurs twice in `>>>`
            return EchoForm(echo[:at], echo[at + len(body) :])
    return None
