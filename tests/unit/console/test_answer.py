"""Where an answer ends, and what of it is the model's text."""

from __future__ import annotations

import pytest

from bpu.console.events import Log, RunError, Text
from bpu.console.parser import Parser, ParserState
from bpu.console.profiles import PROFILES
from bpu.console.traits import Traits
from tests.unit.console.consoles import LOG, asked, text_of

RUN, XLM, MC = PROFILES["oellm_run"], PROFILES["xlm_demo"], PROFILES["oellm_multichat"]
MARKER, PROMPT = b"[Assistant] >>> ", b"[User] <<< "


def test_broken_bytes_before_a_run_error_are_no_trouble() -> None:
    parser = asked()
    parser.feed(MARKER + b"Aborted \xd1\nrun error")
    assert parser.quiet()[-1] == RunError("run error")


def test_a_bare_prompt_is_trusted_later_where_the_console_was_seen_to_print_statistics() -> None:
    usual, unusual = (asked(traits=Traits(step_s=0.05, statistics=kind)) for kind in (None, "performance"))
    for parser in (usual, unusual):
        parser.feed(MARKER + b"Yes\n" + PROMPT)
    assert usual.quiet_after is not None
    assert unusual.quiet_after is not None
    assert unusual.quiet_after > usual.quiet_after


def test_a_slow_pace_makes_silence_longer_but_never_for_ever() -> None:
    for step_s, silence_s in ((None, 2.0), (0.01, 0.25), (0.1, 0.4), (0.27, 1.08), (3600.0, 10.0)):
        parser = asked(traits=Traits(step_s=step_s))
        parser.feed(MARKER + b"Yes\n" + PROMPT)
        assert parser.quiet_after == pytest.approx(silence_s)


def test_a_long_answer_on_one_line_is_not_held_back() -> None:
    parser = asked()
    parser.feed(MARKER)
    assert [len(event.text) for _ in range(3) for event in parser.feed(b"x" * 5000)] == [5000] * 3  # type: ignore[union-attr]


def test_many_lines_that_look_like_failures_are_text() -> None:
    parser = asked()
    events = parser.feed(MARKER + b"Aborted\n" * 30)
    assert isinstance(events[-1], Text)
    assert events[-1].text.startswith("Aborted\nAborted\n")


def test_a_log_line_of_an_earlier_turn_may_be_quoted() -> None:
    """The continuation of a conversation does not hold it, but the model's cache does."""
    for chat, logged in ((f"What is {LOG}?".encode(), []), (b"", [Log(LOG)])):
        parser = Parser(MC, state=ParserState.IDLE)
        parser.begin(b"say it again", chat=chat)
        events = parser.feed(MARKER + f"It is\n{LOG}\nagain".encode())
        assert [event for event in events if isinstance(event, Log)] == logged
        assert text_of(events) == ("It is\nagain" if logged else f"It is\n{LOG}\nagain")
