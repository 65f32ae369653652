"""Aligns and wraps text in a terminal, where a Chinese character takes two cells."""

from __future__ import annotations

import re
import unicodedata

#: Unbreakable pieces: a Chinese character with following punctuation, or a word, each with the blanks after it.
_PIECES = re.compile(r"(?:[\u3400-\u9fff][、。，；：！？）》」』]*|[^\s\u3400-\u9fff]+|(?=\s))\s*")


def cells(text: str) -> int:
    """Count the cells of the terminal that `text` takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def pad_right(text: str, width: int) -> str:
    return text + " " * max(0, width - cells(text))


def pad_left(text: str, width: int) -> str:
    return " " * max(0, width - cells(text)) + text


def wrap(text: str, width: int) -> list[str]:
    """Wrap `text` to lines of at most `width` cells.

    It breaks only at blanks and between Chinese characters.
    """
    lines = [""]
    for piece in _PIECES.findall(text):
        if lines[-1] and cells((lines[-1] + piece).rstrip()) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += piece
    return lines
