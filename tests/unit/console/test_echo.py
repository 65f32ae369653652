"""The echo of a written line, which marker ends it, and the form that it has."""

from __future__ import annotations

import pytest

from bpu.console.echo import AnchoredEchoStage, EchoStage, form_of
from bpu.console.errors import EchoMismatch, OutOfSync
from bpu.console.events import Echo, Event, RunError, Text
from bpu.console.profiles import PROFILES, Profile
from bpu.console.traits import EchoForm
from tests.unit.console.consoles import asked

RUN, XLM, MC = PROFILES["oellm_run"], PROFILES["xlm_demo"], PROFILES["oellm_multichat"]
MARKER, PROMPT = b"[Assistant] >>> ", b"[User] <<< "


def test_the_end_of_the_pipe_takes_the_last_marker_that_was_in_doubt() -> None:
    parser = asked(MARKER + b"x", XLM)
    parser.feed(MARKER + b"x and y")
    assert parser.end_of_file() == [Echo(""), Text("x and y")]


def test_the_end_of_the_pipe_decides_a_run_error_that_is_not_finished() -> None:
    parser = asked()
    parser.feed(b"run error")
    assert parser.end_of_file() == [RunError("run error")]


@pytest.mark.parametrize("profile", [RUN, XLM])
def test_an_echo_without_end_is_no_echo(profile: Profile) -> None:
    parser = asked(b"hi", profile)
    for _ in range(65):
        assert parser.feed(b"x" * 1000) == []
    with pytest.raises(OutOfSync, match="without end"):
        parser.feed(b"x" * 1000)


def test_a_persons_words_are_never_a_log_line_of_the_echo() -> None:
    parser = asked(b"x\\nAborted", XLM)
    events = parser.feed("<｜User｜>x\nAborted<｜Assistant｜><think>\n\n".encode() + MARKER + b"Yes")
    assert events == [Echo("<｜User｜>x\nAborted<｜Assistant｜><think>\n"), Text("Yes")]


R1 = EchoForm("<｜User｜>".encode(), "<｜Assistant｜><think>\n".encode())


@pytest.mark.parametrize(
    ("echo", "line", "form"),
    [
        (b"<u>hi<a>\n", b"hi", EchoForm(b"<u>", b"<a>\n")),
        (b"<u>a\nb<a>\n", b"a\\nb", EchoForm(b"<u>", b"<a>\n")),
        (b"hi", b"hi", EchoForm(b"", b"")),
        (b"<u>hi hi<a>\n", b"hi", None),
        (b">>>", b">>", None),
        (b"<u>ho<a>\n", b"hi", None),
        (b"<u><a>\n", b"", None),
    ],
)
def test_a_form_is_known_where_the_line_stands_once_in_its_echo(
    echo: bytes, line: bytes, form: EchoForm | None
) -> None:
    assert form_of(echo, line) == form


def fed(stage: EchoStage | AnchoredEchoStage, data: bytes, *, size: int) -> tuple[list[Event], bytes | None]:
    """What `stage` reports and leaves of `data`, in pieces of `size` bytes."""
    events: list[Event] = []
    for at in range(0, len(data), size):
        rest = stage.feed(data[at : at + size], events.append)
        if rest is not None:
            return events, rest + data[at + size :]
    return events, None


@pytest.mark.parametrize("size", [1, 7, 999])
def test_the_form_that_one_turn_has_shown_anchors_the_next_one(size: int) -> None:
    first, second = EchoStage(b"who?", echoes=True), b"and \\n you?"
    assert fed(first, R1.echoes(b"who?")[0] + MARKER + b"Yes", size=size)[1] == b"Yes"
    assert first.seen == R1
    for echo in R1.echoes(second):
        stage = AnchoredEchoStage(second, [R1])
        events, rest = fed(stage, echo + MARKER + b"Well", size=size)
        assert (events, rest, stage.seen) == ([Echo(echo.decode().removesuffix("\n"))], b"Well", R1)


@pytest.mark.parametrize("output", [b"and the rest of another answer", MARKER, b"<u>hi"])
def test_an_anchored_echo_takes_nothing_else(output: bytes) -> None:
    with pytest.raises(EchoMismatch):
        fed(AnchoredEchoStage(b"hi", [R1]), output, size=1)


def test_an_anchored_echo_may_end_in_a_run_error() -> None:
    stage = AnchoredEchoStage(b"hi", [R1])
    assert fed(stage, R1.echoes(b"hi")[0] + b"run error", size=1) == ([], None)
    events: list[Event] = []
    assert stage.quiet(events.append) == b""
    assert events == [RunError("run error")]


def test_a_line_that_holds_a_mark_shows_no_form() -> None:
    """Its answer may repeat it with a false marker, on a console that does not echo."""
    line = b"say " + MARKER
    stage = EchoStage(line, echoes=True)
    _, rest = fed(stage, b"<u>" + line + b"<a>\n" + MARKER + b"Yes", size=999)
    assert (rest, stage.seen) == (b"Yes", None)


def test_a_prompt_in_place_of_an_answer_is_out_of_sync() -> None:
    with pytest.raises(OutOfSync, match="without an answer"):
        fed(EchoStage(b"hi", echoes=True), b"<u>hi<a>\n" + PROMPT, size=999)
