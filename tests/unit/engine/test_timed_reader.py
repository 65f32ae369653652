"""What is read together with the time at which it came, on a console whose clock and pipe the test holds."""

from __future__ import annotations

import pytest

from bpu.console.errors import OutOfSync
from bpu.console.events import Text
from bpu.console.parser import Parser, ParserState
from bpu.console.profiles import PROFILES
from bpu.engine.timed_reader import READ_BYTES, TimedReader

MARKER = b"[Assistant] >>> "


class Console:
    """A console that reads no line before its answer is over: `output` waits to be read, `unread` bytes of a line."""

    def __init__(self, *, doubts: bool = True) -> None:
        self.output, self.unread, self.now = b"", 3, 100.0
        parser = Parser(PROFILES["oellm_multichat"], state=ParserState.IDLE)
        self.reader = TimedReader(self._read, parser, clock=lambda: self.now)
        parser.begin(b"hi")
        self.reader.watch_input(lambda: self.unread, since=self.now, doubts=doubts)

    def _read(self) -> bytes | None:
        data, self.output = self.output[:READ_BYTES], self.output[READ_BYTES:]
        return data or None


def test_what_comes_before_the_line_is_read_is_no_answer() -> None:
    console = Console()
    console.output = MARKER + b"words of the answer before"
    with pytest.raises(OutOfSync):
        console.reader.read()


@pytest.mark.parametrize("read_meanwhile", [False, True])
def test_a_full_pipe_of_another_answer_is_no_answer(read_meanwhile: bool) -> None:
    """A worker that was stopped finds as much as a pipe holds: one read does not empty it."""
    console = Console()
    console.now += 5.0
    console.output = MARKER + b"x" * (READ_BYTES - len(MARKER))
    console.unread = 0 if read_meanwhile else 3
    with pytest.raises(OutOfSync):
        console.reader.read()


def test_a_long_beginning_of_the_right_answer_is_read() -> None:
    console = Console()
    console.output, console.unread = MARKER + b"x" * READ_BYTES, 0
    events = (console.reader.read() or []) + (console.reader.read() or [])
    assert "".join(event.text for event in events if isinstance(event, Text)) == "x" * READ_BYTES


def test_a_late_look_is_no_doubt_where_all_output_is_the_same_clients() -> None:
    console = Console(doubts=False)
    console.now += 5.0
    console.output, console.unread = MARKER + b"the answer", 0
    assert "".join(event.text for event in console.reader.read() or [] if isinstance(event, Text)) == "the answer"
    console = Console(doubts=False)
    console.output = MARKER + b"words before the line was read"
    with pytest.raises(OutOfSync):
        console.reader.read()
