"""Replays the fuzzer's findings and its seeds, without atheris, and shows that the properties notice what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Union

import pytest

from bpu.console.answer import AnswerStage
from bpu.console.events import Done, Event, Text
from bpu.console.pace import Arrival
from bpu.console.parser import Parser
from tests.fuzz.__main__ import CORPUS, seeds
from tests.fuzz.properties import check
from tests.fuzz.script import STEP, Do

Feed = Callable[[Parser, bytes, Union[Arrival, None]], list[Event]]
Broken = Callable[[Feed, Parser, bytes, Union[Arrival, None]], list[Event]]
FINDINGS = sorted(CORPUS.iterdir())


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
def test_10_the_properties_hold_of_a_finding(path: Path) -> None:
    check(path.read_bytes())


def check_seeds(last: bytes = b"") -> None:
    """Check what the fuzzer begins with, without a step `last` at the end."""
    for seed in seeds():
        check(seed.removesuffix(last))


def test_10_the_properties_hold_of_what_the_fuzzer_begins_with() -> None:
    check_seeds()


# A parser that breaks one property each


def loses_long_reads(feed: Feed, parser: Parser, data: bytes, arrival: Arrival | None) -> list[Event]:
    return feed(parser, data[:40], arrival)


def repeats_text(feed: Feed, parser: Parser, data: bytes, arrival: Arrival | None) -> list[Event]:
    events = feed(parser, data, arrival)
    return [Text(event.text * 2) if isinstance(event, Text) else event for event in events]


def raises(feed: Feed, parser: Parser, data: bytes, arrival: Arrival | None) -> list[Event]:
    return feed(parser, data.decode("ascii").encode(), arrival)


def says_done_twice(feed: Feed, parser: Parser, data: bytes, arrival: Arrival | None) -> list[Event]:
    events = feed(parser, data, arrival)
    return [*events, *(event for event in events if isinstance(event, Done))]


def believes_every_end(feed: Feed, parser: Parser, data: bytes, arrival: Arrival | None) -> list[Event]:
    events = feed(parser, data, arrival)
    return events if arrival is None or parser.quiet_after is None else [*events, *parser.quiet()]


BROKEN = [loses_long_reads, repeats_text, raises, says_done_twice, believes_every_end]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_the_properties_notice_a_parser_that(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Parser.feed
    monkeypatch.setattr(Parser, "feed", lambda parser, data, arrival=None: broken(feed, parser, data, arrival))
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        check_seeds()


def test_the_end_of_the_pipe_that_is_not_as_silence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnswerStage, "end", lambda answer, emit: None)
    with pytest.raises(AssertionError, match="not what silence would be"):
        check_seeds(last=STEP + Do.QUIET.value)
