"""Replays the transcripts of tests/transcripts: what a console wrote, what its owner did, the events expected.

A transcript is a pair: `NAME.txt`, the console's bytes, and `NAME.json` with `profile`, `events` and `steps`:
what the owner did, in order, `at` which offset of the bytes (`begin` with its line, `quiet`, `reset_sent`,
`end_of_file`). `invalid/` names the `error` beside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bpu.console import events as kinds
from bpu.console.errors import OutOfSync
from bpu.console.events import Event, Stats, Text
from bpu.console.parser import Parser
from bpu.console.profiles import PROFILES

TRANSCRIPTS = Path(__file__).parents[2] / "transcripts"

Cut = Callable[[int, bytes], Iterable[bytes]]  # a segment and its offset, to the pieces that are read


class Transcript:
    def __init__(self, path: Path) -> None:
        spec = json.loads(path.with_suffix(".json").read_text("utf-8"))
        self.output = path.read_bytes()
        self.profile = PROFILES[spec["profile"]]
        self.steps: list[dict[str, Any]] = spec["steps"]
        self.expected = [_event(item) for item in spec["events"]]
        self.error: str | None = spec.get("error")

    def replay(self, cut: Cut) -> tuple[list[Event], str | None]:
        """Events with neighbouring pieces of text joined, and the words of `OutOfSync` if it was raised."""
        parser, events = Parser(self.profile), []
        try:
            for action in self._actions(parser, cut):
                events += action()
        except OutOfSync as error:
            return joined([*events, *error.events]), str(error)
        return joined(events), None

    def _actions(self, parser: Parser, cut: Cut) -> Iterator[Callable[[], list[Event]]]:
        done = 0
        for step in [*self.steps, {"at": len(self.output), "do": "nothing"}]:
            for piece in cut(done, self.output[done : step["at"]]):
                yield partial(parser.feed, piece)
            done = step["at"]
            yield partial(_act, parser, step)


def _act(parser: Parser, step: dict[str, Any]) -> list[Event]:
    if step["do"] == "begin":
        parser.begin(step["line"].encode())
    elif step["do"] == "reset_sent":
        parser.reset_sent()
    elif step["do"] == "quiet":
        return parser.quiet()
    elif step["do"] == "end_of_file":
        return parser.end_of_file()
    return []


def _event(item: dict[str, Any]) -> Event:
    ((name, value),) = item.items()
    if name == "Stats":
        return Stats(**value)
    kind = getattr(kinds, name)
    event: Event = kind() if value is True else kind(value)
    return event


def joined(events: Iterable[Event]) -> list[Event]:
    result: list[Event] = []
    for event in events:
        if isinstance(event, Text) and result and isinstance(result[-1], Text):
            result[-1] = Text(result[-1].text + event.text)
        else:
            result.append(event)
    return result


def whole(offset: int, segment: bytes) -> Iterable[bytes]:
    return [segment]


def single_bytes(offset: int, segment: bytes) -> Iterable[bytes]:
    return [segment[i : i + 1] for i in range(len(segment))]


def cut_at(position: int) -> Cut:
    def cut(offset: int, segment: bytes) -> Iterable[bytes]:
        inner = max(0, position - offset)
        return [piece for piece in (segment[:inner], segment[inner:]) if piece]

    return cut


def transcripts(kind: str) -> list[Path]:
    return sorted((TRANSCRIPTS / kind).glob("*.txt"))
