"""Cuts an answer early.

It does so at a stop string in the answer, or at the token limit of the raw text. Stop strings apply to the answer
alone: a client that stops at a blank line means its answer, not the first blank line of the reasoning. Tokens are
counted over the raw text, including reasoning and tags.
"""

from __future__ import annotations

from bpu.chat.partial_match import first_complete, partial_length
from bpu.chat.tokens import Counter, IncrementalTokenCounter


class StopStrings:
    """Cuts a text that comes in pieces before the stop string that is complete first."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        #: The stop string that cut the text.
        self.found: str | None = None

    @property
    def hit(self) -> bool:
        """Whether a stop string was found, so that the answer is over."""
        return self.found is not None

    def feed(self, piece: str) -> str:
        """Return the text that may be passed on; "" after a `hit`."""
        if self.hit or not self._stops:
            return "" if self.hit else piece
        text = self._held + piece
        at, word = first_complete(text, self._stops)
        self.found = word if at >= 0 else None
        keep = 0 if self.hit else partial_length(text, self._stops)
        self._held = text[len(text) - keep :]
        return text[:at] if self.hit else text[: len(text) - keep]

    def end(self) -> str:
        """Return what was held back, which is no stop string."""
        text, self._held = self._held, ""
        return text


class TokenLimit:
    """Passes on at most `most` tokens of a text that comes in pieces.

    If `most` is None, it only counts.
    """

    def __init__(self, counter: Counter, most: int | None) -> None:
        self._token_counter = IncrementalTokenCounter(counter)
        self._most = most
        self.hit = False

    def feed(self, piece: str) -> str:
        """Return the part of `piece` within the limit.

        `hit` is true once something does not fit.
        """
        if self._most is not None:
            room = self._token_counter.room(piece, self._most)
            self.hit = room < len(piece)
            piece = piece[:room]
        self._token_counter.add(piece)
        return piece

    @property
    def total(self) -> int:
        """Tokens of the text that was passed on."""
        return self._token_counter.total
