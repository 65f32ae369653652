"""The one scanner for words that may be cut by a read: how much of a text's end must wait. Pure string work."""

from __future__ import annotations

from collections.abc import Sequence


def partial_length(text: str, words: Sequence[str]) -> int:
    """How many characters at the end of `text`, which holds none of `words`, may be the beginning of one."""
    longest = max(map(len, words), default=0)
    firsts = {word[0] for word in words}
    for at in range(max(0, len(text) - longest + 1), len(text)):
        if text[at] in firsts and any(word.startswith(text[at:]) for word in words):
            return len(text) - at
    return 0


def first_complete(text: str, words: Sequence[str], start: int = 0) -> tuple[int, str]:
    """Where in `text` that one of `words` stands which is complete first (the longest of equals), and which it is.

    (-1, "") for none. The order of completion is the one that does not depend on how a text is cut into pieces.
    """
    found = [(at + len(word), at, word) for word in words if (at := text.find(word, start)) >= 0]
    _, at, word = min(found, default=(-1, -1, ""))
    return at, word
