"""Columns in a terminal, where a Chinese character takes two cells."""

from __future__ import annotations

import unicodedata


def cells(text: str) -> int:
    """How many cells of the terminal `text` takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def left(text: str, width: int) -> str:
    return text + " " * max(0, width - cells(text))


def right(text: str, width: int) -> str:
    return " " * max(0, width - cells(text)) + text
