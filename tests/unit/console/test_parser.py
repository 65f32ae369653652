"""What the owner of a parser may call and when. The stages are shown by transcripts, tables and properties."""

from __future__ import annotations

import pytest

from bpu.console.errors import OutOfSync
from bpu.console.events import Done, Echo, Log, RunError, Text
from bpu.console.parser import TRANSITIONS, OwnerCall, Parser, ParserState
from bpu.console.profiles import PROFILES
from tests.unit.console.consoles import asked, state_of

RUN, XLM, MC = PROFILES["oellm_run"], PROFILES["xlm_demo"], PROFILES["oellm_multichat"]
MARKER, PROMPT = b"[Assistant] >>> ", b"[User] <<< "


def test_from_every_state_but_the_end_there_is_a_way_to_the_end() -> None:
    assert {state for state, cause in TRANSITIONS if cause is OwnerCall.END} == set(ParserState)
    assert not [
        to for (state, _), to in TRANSITIONS.items() if state is ParserState.CLOSED and to is not ParserState.CLOSED
    ]


def test_a_line_may_be_written_only_at_the_prompt() -> None:
    parser = Parser(RUN)
    for state in (ParserState.LOADING, ParserState.ECHOING):
        with pytest.raises(ValueError, match=state.value):
            parser.begin(b"hi")
        with pytest.raises(ValueError, match=state.value):
            parser.reset_sent()
        if state is ParserState.LOADING:
            parser.feed(PROMPT)
            parser.begin(b"hi")


def test_after_a_failure_nothing_is_listened_to() -> None:
    parser = Parser(RUN, state=ParserState.IDLE)
    with pytest.raises(OutOfSync, match="no line to answer"):
        parser.feed(b"Hello")
    assert parser.state is ParserState.FAILED
    assert parser.feed(PROMPT) == []
    assert parser.quiet_after is None
    assert parser.quiet() == []
    assert parser.end_of_file() == []
    assert state_of(parser) is ParserState.CLOSED
    assert parser.end_of_file() == []


def test_nothing_is_listened_to_after_a_run_error() -> None:
    parser = asked()
    assert parser.feed(b"run error\n") == [RunError("run error")]
    assert parser.feed(MARKER + b"more") == []


@pytest.mark.parametrize("state", [ParserState.LOADING, ParserState.IDLE])
def test_silence_outside_a_turn_decides_nothing(state: ParserState) -> None:
    parser = Parser(RUN, state=state)
    parser.feed(b"[UCP]: log")
    assert parser.quiet_after is None
    assert parser.quiet() == []


def test_a_log_line_that_began_before_the_question_is_none_of_the_turn() -> None:
    parser = Parser(RUN, state=ParserState.IDLE)
    assert parser.feed(b"[UCP]: log le") == []
    parser.begin(b"hi")
    assert parser.feed(b"vel = 3\n" + MARKER + b"Yes") == [Echo("[UCP]: log level = 3"), Text("Yes")]


def test_a_log_line_that_is_cut_off_between_two_turns_is_logged() -> None:
    parser = Parser(RUN, state=ParserState.IDLE)
    parser.feed(b"[UCP]: log le")
    assert parser.end_of_file() == [Log("[UCP]: log le")]


@pytest.mark.parametrize("rest", [b"[UC", b"[E][29163]", b"\x1b["])
def test_other_bytes_between_two_turns_are_dropped_at_the_end(rest: bytes) -> None:
    parser = Parser(RUN, state=ParserState.IDLE)
    parser.feed(rest)
    assert parser.end_of_file() == []
    assert state_of(parser) is ParserState.CLOSED


@pytest.mark.parametrize("answer", [b"no\n", b"[User] >>> ", b"\n\n[Assistant] >>> "])
def test_a_reset_is_answered_by_the_prompt_and_by_nothing_else(answer: bytes) -> None:
    parser = Parser(MC, state=ParserState.IDLE)
    parser.reset_sent()
    with pytest.raises(OutOfSync, match="reset"):
        parser.feed(answer)


def test_the_prompt_after_a_reset_may_come_in_pieces() -> None:
    parser = Parser(MC, state=ParserState.IDLE)
    parser.reset_sent(at_once=True)
    assert [event for byte in b"\n" + PROMPT for event in parser.feed(bytes([byte]))] == [Done()]
    assert parser.quiet_after is None
    assert parser.state is ParserState.IDLE


def test_the_prompt_after_a_reset_counts_after_silence_where_a_model_may_still_speak() -> None:
    parser = Parser(MC, state=ParserState.IDLE)
    parser.reset_sent()
    assert parser.feed(b"\n" + PROMPT) == []
    assert parser.quiet_after is not None
    assert parser.quiet() == [Done()]
    assert parser.state is ParserState.IDLE


def test_a_model_that_goes_on_after_the_prompt_of_a_reset_is_out_of_step() -> None:
    parser = Parser(MC, state=ParserState.IDLE)
    parser.reset_sent()
    parser.feed(PROMPT)
    with pytest.raises(OutOfSync, match="reset"):
        parser.feed(b"and so on")


@pytest.mark.parametrize("size", [1, 9999])
def test_a_library_line_and_breaks_before_the_prompt_of_a_reset_are_no_offence(size: int) -> None:
    parser, output = Parser(MC, state=ParserState.IDLE), b"[DNN] x\n\n" + PROMPT
    parser.reset_sent(at_once=True)
    events = [event for at in range(0, len(output), size) for event in parser.feed(output[at : at + size])]
    assert events == [Log("[DNN] x"), Done()]
