"""Finds words in text that comes in pieces.

It also says how much of a text's end may begin a word. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence


def partial_length(text: str, words: Sequence[str]) -> int:
    """Return how many characters at the end of `text` may begin a word.

    `text` holds none of `words`.
    """
    longest = max(map(len, words), default=0)
    firsts = {word[0] for word in words}
    for at in range(max(0, len(text) - longest + 1), len(text)):
        if text[at] in firsts and any(word.startswith(text[at:]) for word in words):
            return len(text) - at
    return 0


def first_complete(text: str, words: Sequence[str], start: int = 0) -> tuple[int, str]:
    """Return position and word of the first complete word in `text`.

    Of words at the same place the longest counts. (-1, "") for none. This order does not depend on how a text is cut
    into pieces.
    """
    found = [(at + len(word), at, word) for word in words if (at := text.find(word, start)) >= 0]
    _, at, word = min(found, default=(-1, -1, ""))
    return at, word
