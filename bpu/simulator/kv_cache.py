"""Stands in for the KV cache: text, and its number of tokens."""

from __future__ import annotations


class KvCache:
    """Text and fill of the cache.

    `keeps`: turns stay until `reset`; `resets`: `reset` has an effect.
    """

    def __init__(self, size: int, *, keeps: bool, resets: bool) -> None:
        self.size = size
        self._keeps, self._resets = keeps, resets
        self.text, self.tokens = "", 0

    def begin(self) -> None:
        """Begin a turn; a console without history starts with an empty cache."""
        if not self._keeps:
            self.clear()

    def add(self, text: str, tokens: int) -> None:
        """Add text of so many tokens; the caller has checked that there is room."""
        self.text += text
        self.tokens += tokens

    @property
    def room(self) -> int:
        """Tokens that still fit."""
        return self.size - self.tokens

    def reset(self) -> None:
        """Obey the console's command `reset`."""
        if self._resets:
            self.clear()

    def clear(self) -> None:
        """Forget everything, also where `reset` has no effect."""
        self.text, self.tokens = "", 0
