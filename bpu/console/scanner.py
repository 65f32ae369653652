"""Finds patterns in text that comes in pieces.

Patterns are markers, log heads and tokens. It holds back what may become one. It works on str and on bytes. It knows no
console and no chat: its caller knows what a match means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import AnyStr, Generic, Union

#: Results of `Pattern.match` besides the end of a match: no match begins here; more text is needed.
NO_MATCH = -1
INCOMPLETE = -2


@dataclass(frozen=True)
class Pattern(Generic[AnyStr]):
    """A sequence of literals and compiled patterns, matched one after the other, never backwards.

    The first and the last part must be literals, so that a pattern is found by its first character and decided by its
    last. Regular expressions must be of bounded length, because so much may be held back.
    """

    name: str
    parts: tuple[Union[AnyStr, re.Pattern[AnyStr]], ...]

    def match(self, text: AnyStr, at: int) -> int:
        """Return where the match at `at` ends.

        It is `NO_MATCH` where there is none, and `INCOMPLETE` when `text` ends too soon to tell.
        """
        for part in self.parts:
            if isinstance(part, re.Pattern):
                found = part.match(text, at)
                if found is None:
                    return INCOMPLETE if at == len(text) else NO_MATCH
                at = found.end()
            elif text.startswith(part, at):
                at += len(part)
            else:
                return INCOMPLETE if part.startswith(text[at : at + len(part)]) else NO_MATCH
        return at


@dataclass(frozen=True)
class Match(Generic[AnyStr]):
    """A pattern that was found: its name and the text that matched."""

    name: str
    text: AnyStr


def literals(name: str, words: Iterable[AnyStr]) -> list[Pattern[AnyStr]]:
    """Make one pattern of each word, all with one name."""
    return [Pattern(name, (word,)) for word in words]


def template(name: str, text: AnyStr, fields: Mapping[AnyStr, re.Pattern[AnyStr]]) -> Pattern[AnyStr]:
    """Make the pattern that `text` describes.

    Each word from `fields` stands in it for its regular expression.
    """
    parts: list[AnyStr | re.Pattern[AnyStr]] = [text]
    for word, regex in fields.items():
        parts = [piece for part in parts for piece in _split(part, word, regex)]
    return Pattern(name, tuple(part for part in parts if part))


def _split(
    part: AnyStr | re.Pattern[AnyStr], word: AnyStr, regex: re.Pattern[AnyStr]
) -> list[AnyStr | re.Pattern[AnyStr]]:
    if isinstance(part, re.Pattern):
        return [part]
    pieces: list[AnyStr | re.Pattern[AnyStr]] = []
    for literal in part.split(word):
        pieces += [regex, literal]
    return pieces[1:]


class PatternSet(Generic[AnyStr]):
    """Patterns by their first character, made once for many scanners; `empty` is "" or b"".

    `may_begin` rejects most places at once, without a try of each pattern.
    """

    def __init__(self, patterns: Iterable[Pattern[AnyStr]], empty: AnyStr) -> None:
        self.by_head: dict[AnyStr, list[Pattern[AnyStr]]] = {}
        first_parts: set[AnyStr] = set()
        for pattern in patterns:
            head = pattern.parts[0]
            if isinstance(head, re.Pattern) or not head:
                raise ValueError(f"The pattern {pattern.name} does not begin with a literal.")
            self.by_head.setdefault(head[:1], []).append(pattern)
            first_parts.add(head)
        self._first_parts: tuple[AnyStr, ...] = tuple(first_parts)
        self._cut_parts: set[AnyStr] = {part[:size] for part in first_parts for size in range(1, len(part))}
        self._longest = max(map(len, first_parts), default=0)
        self.heads: re.Pattern[AnyStr] = _any_of(list(self.by_head), empty)
        self.empty: AnyStr = empty

    def may_begin(self, text: AnyStr, at: int) -> bool:
        """Whether the first part of a pattern stands at `at`.

        It may be cut by the end of `text`.
        """
        here = text[at : at + self._longest]
        return here.startswith(self._first_parts) or here in self._cut_parts


class Scanner(Generic[AnyStr]):
    """Splits a stream into plain text and matches.

    Its pieces do not depend on how the stream is cut. The leftmost match wins; of two that begin at one place the
    earlier in `patterns`. Cost is linear: a character is read again only while it is held back.
    """

    def __init__(self, patterns: PatternSet[AnyStr]) -> None:
        self._patterns: PatternSet[AnyStr] = patterns
        self._heads: re.Pattern[AnyStr] = patterns.heads
        self._text: AnyStr = patterns.empty
        self._at = 0

    def write(self, data: AnyStr) -> None:
        """Add a piece; `read` then returns what it decided."""
        self._text = self._text[self._at :] + data
        self._at = 0

    def read(self) -> AnyStr | Match[AnyStr] | None:
        """Return the next plain text (never empty) or match.

        Return None when the rest is undecided, or all is read.
        """
        start, at = self._at, self._at
        while (head := self._heads.search(self._text, at)) is not None:
            at = head.start()
            name, end = self._match(head.group(), at)
            if end == NO_MATCH:
                at += 1
            elif at > start:
                return self._move(at)
            elif end == INCOMPLETE:
                return None
            else:
                return Match(name, self._move(end))
        return self._move(len(self._text)) or None

    @property
    def held(self) -> AnyStr:
        """The text that is written and not yet read."""
        return self._text[self._at :]

    @property
    def is_empty(self) -> bool:
        """Whether all that is written is read."""
        return self._at == len(self._text)

    def take(self) -> AnyStr:
        """Return all that is held, as it is, and empty the scanner."""
        return self._move(len(self._text))

    def take_line(self, longest: int) -> AnyStr:
        """Return what is held up to and with the next newline, or all of it.

        It returns `longest` bytes at most.
        """
        newline = b"\n" if isinstance(self._text, bytes) else "\n"
        last = min(self._at + longest, len(self._text))
        return self._move(self._text.find(newline, self._at, last) + 1 or last)

    def _match(self, head: AnyStr, at: int) -> tuple[str, int]:
        if not self._patterns.may_begin(self._text, at):
            return "", NO_MATCH
        for pattern in self._patterns.by_head[head]:
            end = pattern.match(self._text, at)
            if end != NO_MATCH:
                return pattern.name, end
        return "", NO_MATCH

    def _move(self, to: int) -> AnyStr:
        start, self._at = self._at, to
        return self._text[start:to]


def _any_of(characters: list[AnyStr], empty: AnyStr) -> re.Pattern[AnyStr]:
    if isinstance(empty, bytes):
        return re.compile(b"[" + b"".join(map(re.escape, characters)) + b"]" if characters else rb"(?!)")
    return re.compile("[" + "".join(map(re.escape, characters)) + "]" if characters else r"(?!)")
