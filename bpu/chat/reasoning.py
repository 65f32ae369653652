"""Splits a model's raw text into reasoning, answer and tags, however it is cut. Knows no chunks and no request.

The split as a table: what a tag does in each state. An R1 answer begins inside the reasoning, because the prompt
ends with `<think>`, and holds only `</think>`; others open with `<think>` themselves, or do not think at all.
Once the answer has begun nothing turns it back into reasoning: a later tag is taken out, and the words around it
stay answer, so that a model that speaks *about* the tags never loses its answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from bpu.chat.scan import held

OPEN, CLOSE = "<think>", "</think>"
_TAGS = (OPEN, CLOSE)
_TAG = re.compile("</?think>")
#: Blanks that are held back while an answer may still open with a tag.
_BLANKS_MOST = 64

Kind = Literal["reasoning", "content", "tag"]


class State(Enum):
    UNDECIDED = auto()  # nothing but blanks yet: an opening tag decides for reasoning, a word for the answer
    LEAD = auto()  # inside the reasoning, before its first word
    REASONING = auto()
    GAP = auto()  # after the closing tag, before the answer's first word
    CONTENT = auto()


#: (state, tag) -> state. A tag itself is never passed on.
TRANSITIONS = {
    (State.UNDECIDED, OPEN): State.LEAD,
    (State.UNDECIDED, CLOSE): State.GAP,
    (State.LEAD, OPEN): State.LEAD,
    (State.LEAD, CLOSE): State.GAP,
    (State.REASONING, OPEN): State.REASONING,
    (State.REASONING, CLOSE): State.GAP,
    (State.GAP, OPEN): State.LEAD,
    (State.GAP, CLOSE): State.GAP,
    (State.CONTENT, OPEN): State.CONTENT,
    (State.CONTENT, CLOSE): State.CONTENT,
}
#: The state after the first word in a state.
WORD = {State.UNDECIDED: State.CONTENT, State.LEAD: State.REASONING, State.GAP: State.CONTENT}
#: What may stand before that word and is not passed on: all blanks before reasoning, line breaks before an answer.
#: (While undecided the blanks wait: they belong to the answer unless a tag follows.)
DROPPED = {State.UNDECIDED: None, State.LEAD: None, State.GAP: "\r\n"}


@dataclass(frozen=True)
class Part:
    """A stretch of the raw text. `tag` covers the tags and the blanks that belong to them; all parts joined
    are the raw text."""

    kind: Kind
    text: str


class Splitter:
    """`feed` pieces, then `end`. `thinks`: the prompt has opened the reasoning already."""

    def __init__(self, *, thinks: bool) -> None:
        self.state = State.LEAD if thinks else State.UNDECIDED
        self._held = ""
        self._blanks = ""

    def feed(self, piece: str) -> Iterable[Part]:
        """What is decided by now; text that may begin a tag is held back."""
        # In these two states words change nothing; nearly every piece is no more than that.
        settled = self.state is State.CONTENT or self.state is State.REASONING
        if settled and not self._held and OPEN[0] not in piece:
            kind: Kind = "content" if self.state is State.CONTENT else "reasoning"
            return (Part(kind, piece),) if piece else ()
        return self._split(piece)

    def _split(self, piece: str) -> Iterator[Part]:
        text = self._held + piece
        start = 0
        for match in _TAG.finditer(text):
            yield from self._plain(text[start : match.start()])
            yield from self._tag(match.group())
            start = match.end()
        keep = held(text[start:], _TAGS)
        self._held = text[len(text) - keep :]
        yield from self._plain(text[start : len(text) - keep])

    def end(self) -> Iterator[Part]:
        """What was held back: no tag came of it."""
        text, self._held = self._held, ""
        yield from self._plain(text)
        if self._blanks:
            yield Part("content", self._blanks)

    def _tag(self, tag: str) -> Iterator[Part]:
        yield Part("tag", self._blanks + tag)
        self._blanks = ""
        self.state = TRANSITIONS[self.state, tag]

    def _plain(self, text: str) -> Iterator[Part]:
        rest = text.lstrip(DROPPED.get(self.state, "")) if text else ""
        blanks = text[: len(text) - len(rest)]
        if self.state is State.UNDECIDED:
            rest, self._blanks = self._decide(blanks, rest)
        elif blanks:
            yield Part("tag", blanks)
        if rest:
            self.state = WORD.get(self.state, self.state)
            yield Part("reasoning" if self.state is State.REASONING else "content", rest)

    def _decide(self, blanks: str, rest: str) -> tuple[str, str]:
        """What may go out now and what stays held, while an opening tag may still come."""
        waiting = self._blanks + blanks
        return (waiting + rest, "") if rest or len(waiting) > _BLANKS_MOST else ("", waiting)
