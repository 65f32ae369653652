"""Splits a model's raw text into reasoning, answer and tags, in any pieces.

It knows no chunks and no request. A table says what a tag does in each state. An R1 answer begins inside the reasoning,
because the prompt ends with `<think>`, and holds only `</think>`; other models open with `<think>` themselves, or do
not reason at all. Only the tags around the leading reasoning are tags. Every other one is text and stays byte for byte,
so that an answer *about* the tags loses nothing; a closing tag in quotation marks does not end the reasoning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from bpu.chat.partial_match import partial_length

OPEN, CLOSE = "<think>", "</think>"
_TAGS = (OPEN, CLOSE)
_TAG = re.compile("</?think>")
#: The character that must follow a closing tag to make it a quoted one, by the character before it.
_QUOTES = {"`": "`", '"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』", "«": "»"}
#: Blanks that are held back while an answer may still open with a tag.
_MAX_BLANKS = 64

Kind = Literal["reasoning", "content", "tag"]


class State(Enum):
    """Where in an answer the splitter is."""

    UNDECIDED = auto()  # only blanks so far: an opening tag begins the reasoning, a word the answer
    LEAD = auto()  # inside the reasoning, before its first word
    REASONING = auto()
    GAP = auto()  # after the closing tag, before the answer's first word
    CONTENT = auto()


#: (state, tag) -> state. Such a tag is never passed on; in a pair that is not listed, the tag is text.
TRANSITIONS = {
    (State.UNDECIDED, OPEN): State.LEAD,
    (State.UNDECIDED, CLOSE): State.GAP,
    (State.LEAD, OPEN): State.LEAD,
    (State.LEAD, CLOSE): State.GAP,
    (State.REASONING, CLOSE): State.GAP,
}
#: The states that no tag changes.
_TAGLESS = frozenset(State) - {state for state, _ in TRANSITIONS}
#: The state after the first word in a state.
WORD = {State.UNDECIDED: State.CONTENT, State.LEAD: State.REASONING, State.GAP: State.CONTENT}
#: The characters before that word that are dropped: all blanks before reasoning, line breaks before an answer.
#: (While undecided the blanks are held: they belong to the answer unless a tag follows.)
DROPPED = {State.UNDECIDED: None, State.LEAD: None, State.GAP: "\r\n"}


@dataclass(frozen=True)
class Part:
    """A part of the raw text.

    `tag` covers tags and the blanks beside them. All parts joined are the raw text.
    """

    kind: Kind
    text: str


class Splitter:
    """Splits one answer: `feed` pieces, then `end`. `thinks`: the prompt has already opened the reasoning."""

    def __init__(self, *, thinks: bool) -> None:
        self.state = State.LEAD if thinks else State.UNDECIDED
        self._held = ""
        self._before = ""  # the character before what is held
        self._blanks = ""

    def feed(self, piece: str) -> list[Part]:
        """Return the parts that are decided; text that may begin a tag is held back."""
        if self.state is State.CONTENT:  # no tag counts any more, and nothing is held
            return [Part("content", piece)] if piece else []
        parts: list[Part] = []
        text, self._held = self._held + piece, ""
        start, stop = 0, len(text)
        for match in _TAG.finditer(text):
            self._read_plain(text[start : match.start()], parts)
            start = match.start()
            if self.state in _TAGLESS:
                break
            closing = _QUOTES.get(text[start - 1] if start else self._before) if match.group() == CLOSE else None
            if closing and match.end() == len(text):
                stop = start  # the next character decides
            elif (self.state, match.group()) in TRANSITIONS and not (closing and text[match.end()] == closing):
                parts.append(self._tag(match.group()))
                start = match.end()
        if stop == len(text):
            stop -= partial_length(text[start:], _TAGS)
        self._read_plain(text[start:stop], parts)
        if self.state in _TAGLESS:
            self._read_plain(text[stop:], parts)
            stop = len(text)
        self._held = text[stop:]
        self._before = text[stop - 1] if stop else self._before
        return parts

    def end(self) -> list[Part]:
        """Return what was held back, because nothing follows that could change its meaning."""
        parts: list[Part] = []
        text, self._held = self._held, ""
        if text == CLOSE:
            parts.append(self._tag(text))
        else:
            self._read_plain(text, parts)
        if self._blanks:
            parts.append(Part("content", self._blanks))
        return parts

    def _tag(self, tag: str) -> Part:
        blanks, self._blanks = self._blanks, ""
        self.state = TRANSITIONS[self.state, tag]
        return Part("tag", blanks + tag)

    def _read_plain(self, text: str, parts: list[Part]) -> None:
        rest = text.lstrip(DROPPED.get(self.state, "")) if text else ""
        blanks = text[: len(text) - len(rest)]
        if self.state is State.UNDECIDED:
            rest, self._blanks = self._decide(blanks, rest)
        elif blanks:
            parts.append(Part("tag", blanks))
        if rest:
            self.state = WORD.get(self.state, self.state)
            parts.append(Part("reasoning" if self.state is State.REASONING else "content", rest))

    def _decide(self, blanks: str, rest: str) -> tuple[str, str]:
        """Return what is passed on and what is held for an opening tag."""
        waiting = self._blanks + blanks
        return (waiting + rest, "") if rest or len(waiting) > _MAX_BLANKS else ("", waiting)


def strip_reasoning(text: str) -> str:
    """Remove the reasoning block at the beginning of an earlier answer.

    It splits as a `Splitter` does, but looks at closing tags alone, because a client may send half a million tags.
    """
    text = text.strip()
    if not text.startswith(OPEN):
        return text
    end = 0
    while (at := text.find(CLOSE, end)) >= 0:
        end = at + len(CLOSE)
        closing = _QUOTES.get(text[at - 1])
        if closing is None or text[end : end + 1] != closing:
            return text[end:].strip()
    return ""
