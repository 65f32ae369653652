"""One turn over a pair of pipes: the test is the console and writes what each kind of console would write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bpu import errors
from bpu.console.events import Done, Echo, Text
from bpu.console.traits import EchoForm, Traits
from bpu.engine.client.line_writer import ConsoleEnded
from bpu.engine.client.turn_reader import LONGEST_DRAIN_S, TurnLost, TurnReader, drain_timeout_s
from bpu.turn import TimeLimitReached, Turn
from tests.unit.engine.jobs import START
from tests.unit.engine.rig import PROMPT, STATISTICS, launch

MARKER = b"\n[Assistant] >>> "
END = f"{STATISTICS}\n".encode() + PROMPT
#: A known step makes the silence at an end short.
KNOWN = replace(START, traits=Traits(step_s=0.01), keeps=True)
ECHO = EchoForm("<｜User｜>".encode(), "<｜Assistant｜><think>\n".encode())


class Console:
    """The console's ends of its pipes. `events` are what the job was given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[object] = []
        self.reads = 0
        self.input, self._to_console = os.pipe()
        self._from_console, self.output = os.pipe()
        for fd in (self._to_console, self._from_console):
            os.set_blocking(fd, False)
        self.reader: TurnReader | None = None

    def turn(self, *output: bytes, start: Any = KNOWN, turn: Turn | None = None, **limits: Any) -> TurnReader:
        """Write `output` for the line that is being written, and read the turn."""
        self.reader = TurnReader(
            launch(self.folder, **limits),
            start,
            [self._to_console, self._from_console],
            turn or Turn(line=b"hi", tokens=7, continuation_line=b"go on", continuation_tokens=3),
            deliver=self.events.append,
            progress=lambda tokens: None,
            on_read=self._count_read,
        )
        self.reader.begin()
        for data in output:
            os.write(self.output, data)
        self.reader.read_turn()
        return self.reader

    def _count_read(self) -> None:
        self.reads += 1

    def hang_up(self) -> None:
        os.close(self.output)
        self.output = -1

    def read(self) -> bytes:
        return os.read(self.input, 1 << 16)

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
        for fd in (self.input, self.output):
            if fd >= 0:
                os.close(fd)

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Text))


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path)
    yield made
    made.close()


def test_an_answer_is_delivered_and_what_it_showed_is_kept(console: Console) -> None:
    reader = console.turn(b"<u>hi<a>", MARKER, "你好\n[User] <<< 7".encode() + END)
    assert console.read() == b"hi\n"
    assert isinstance(console.events[0], Echo)
    assert console.text == reader.text == "你好\n[User] <<< 7"
    assert not any(isinstance(event, Done) for event in console.events), "the job reports the end by itself"
    assert (reader.has_text, reader.is_continuable) == (True, True)
    assert (reader.timing.prompt_tokens, reader.timing.cached_tokens) == (7, 0)
    assert reader.observations["report"].echo == EchoForm(b"<u>", b"<a>\n")
    assert console.reads >= 1


def test_a_continuation_is_written_alone_and_counts_what_is_cached(console: Console) -> None:
    reader = console.turn(MARKER + b"Well." + END, start=replace(KNOWN, continued=True, cached=40))
    assert console.read() == b"go on\n"
    assert (reader.timing.prompt_tokens, reader.timing.cached_tokens) == (3, 40)


def test_a_reset_that_is_asked_for_follows_the_answer(console: Console) -> None:
    reader = console.turn(MARKER + b"Well." + END, start=replace(KNOWN, resets=True))
    assert console.read() == b"hi\nreset\n"
    assert reader.observations["reset_sent"] is True


def test_an_invented_turn_is_dropped_and_the_cache_cannot_be_continued(console: Console) -> None:
    reader = console.turn(MARKER + "Yes.<｜User｜>And then?".encode() + END)
    assert (console.text, reader.is_continuable) == ("Yes.", False)


@pytest.mark.parametrize(("output", "words"), [((), "No token came within"), ((MARKER, b"Ye"), "has been silent for")])
def test_silence_is_a_timeout_that_says_whether_anything_came(
    console: Console, output: tuple[bytes, ...], words: str
) -> None:
    with pytest.raises(errors.EngineTimeout, match=words):
        console.turn(*output, first_token_timeout_s=0.2, stall_timeout_s=0.2)


def test_the_limit_of_a_whole_job_is_reported_before_its_error(console: Console) -> None:
    with pytest.raises(errors.EngineTimeout, match=r"longer than 0\.2 seconds"):
        console.turn(MARKER, b"Ye", job_timeout_s=0.2)
    assert isinstance(console.events[-1], TimeLimitReached)


def test_a_run_error_is_a_crash(console: Console) -> None:
    with pytest.raises(errors.EngineCrashed, match="run error"):
        console.turn(b"run error\n")


def test_a_console_that_ends_in_an_answer_loses_none_of_it(console: Console) -> None:
    read_turn = console.turn
    os.write(console.output, MARKER + b"Half an ans")
    console.hang_up()
    with pytest.raises(ConsoleEnded):
        read_turn()
    assert console.text == "Half an ans"


def test_output_that_is_no_answer_is_lost(console: Console) -> None:
    with pytest.raises(TurnLost) as caught:
        console.turn(b"<u>hi<a>\n" + PROMPT)
    assert caught.value.echo_differs is False


def test_an_echo_of_another_form_than_the_known_one_is_named_as_such(console: Console) -> None:
    known = replace(KNOWN, traits=Traits(step_s=0.01, echoes=(ECHO,)))
    with pytest.raises(TurnLost) as caught:
        console.turn(b"the rest of another answer" + MARKER, start=known)
    assert caught.value.echo_differs is True
    assert console.text == ""


def test_an_answer_without_end_is_ended(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpu.engine.client.turn_reader.LEAST_TEXT_BYTES", 1000)
    with pytest.raises(errors.EngineCrashed, match="does not end"):
        console.turn(MARKER, b"word " * 300, context=1)


@pytest.mark.parametrize(
    ("phase", "load_s", "seconds"),
    [("decode", 0.5, 0.25), ("decode", 60.0, LONGEST_DRAIN_S), ("prefill", 60.0, 0.0), ("loading", 60.0, 0.0)],
)
def test_an_answer_without_a_client_may_go_on_for_less_than_a_load_takes(
    phase: Any, load_s: float, seconds: float
) -> None:
    assert drain_timeout_s(phase, load_s) == seconds
