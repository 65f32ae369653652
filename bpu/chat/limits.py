"""What ends an answer early: stop strings in the answer, and the token limit over everything. Owns no engine.

A stop string is looked for in the answer alone: a client that stops at a blank line means its answer, not the
first blank line of the reasoning. Tokens are counted over the raw text, reasoning and tags included.
"""

from __future__ import annotations

from bpu.chat.partial_match import first_complete, partial_length
from bpu.chat.tokens import Counter, IncrementalTokenCounter


class StopStrings:
    """Cuts a text that comes in pieces before that one of `stops` which is complete first."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        #: The stop string that was met.
        self.found: str | None = None

    @property
    def hit(self) -> bool:
        return self.found is not None

    def feed(self, piece: str) -> str:
        """What may go out by now; nothing any more once `hit`."""
        if self.hit or not self._stops:
            return "" if self.hit else piece
        text = self._held + piece
        at, word = first_complete(text, self._stops)
        self.found = word if at >= 0 else None
        keep = 0 if self.hit else partial_length(text, self._stops)
        self._held = text[len(text) - keep :]
        return text[:at] if self.hit else text[: len(text) - keep]

    def end(self) -> str:
        """What was held back and is no stop string after all."""
        text, self._held = self._held, ""
        return text


class TokenLimit:
    """Passes on as much of a text in pieces as `most` tokens hold; None: all of it, only counted."""

    def __init__(self, counter: Counter, most: int | None) -> None:
        self._token_counter = IncrementalTokenCounter(counter)
        self._most = most
        self.hit = False

    def feed(self, piece: str) -> str:
        """The part within the limit. `hit` once something did not fit: an answer that just fits is whole."""
        if self._most is not None:
            room = self._token_counter.room(piece, self._most)
            self.hit = room < len(piece)
            piece = piece[:room]
        self._token_counter.add(piece)
        return piece

    @property
    def total(self) -> int:
        return self._token_counter.total
