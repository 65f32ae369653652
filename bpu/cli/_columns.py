"""Columns in a terminal, where a Chinese character takes two cells."""

from __future__ import annotations

import re
import unicodedata

#: What stays together: a Chinese character with the closing marks behind it, or a word, each with the blanks behind it.
_PIECES = re.compile(r"(?:[\u3400-\u9fff][、。，；：！？）》」』]*|[^\s\u3400-\u9fff]+|(?=\s))\s*")


def cells(text: str) -> int:
    """How many cells of the terminal `text` takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def pad_right(text: str, width: int) -> str:
    return text + " " * max(0, width - cells(text))


def pad_left(text: str, width: int) -> str:
    return " " * max(0, width - cells(text)) + text


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells: broken at blanks and between Chinese characters, nowhere else."""
    lines = [""]
    for piece in _PIECES.findall(text):
        if lines[-1] and cells((lines[-1] + piece).rstrip()) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += piece
    return lines
