"""Reads the image files that the image console opens, as far as a stand-in can.

That is the size and the main colours of a BMP file.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from pathlib import Path
from typing import NamedTuple

#: Tokens of one image of 448 by 448 pixels.
TOKENS = 256
#: Colours are rounded to multiples of this, and the most frequent ones reported.
_STEP, _MOST_COLOURS, _LEAST_SHARE = 51, 3, 0.05
_DESCRIPTION = re.compile(r"\[sim image (.*?)\]")
_QUESTION = re.compile(r"\b(image|picture|photo|see|look|colou?r|describe)\b|图|颜色|看", re.I)


class Picture(NamedTuple):
    """What the simulator sees of one file."""

    width: int
    height: int
    colours: tuple[tuple[str, int], ...]

    def description(self) -> str:
        """Return the size in pixels and the share of each main colour in percent."""
        colours = ", ".join(f"{colour} {percent} %" for colour, percent in self.colours)
        return f"{self.width}x{self.height}: {colours}"

    def in_cache(self) -> str:
        """The text that stands for the image in the cache."""
        return f"[sim image {self.description()}]"


def read(path: str) -> Picture | None:
    """Read a BMP file of 24 bits a pixel.

    Return None for any other file, as for one that OpenCV cannot read.
    """
    try:
        data = Path(path).read_bytes()
        start, width, height, bits = *struct.unpack_from("<I", data, 10), *_size(data)
    except (OSError, struct.error, ValueError):
        return None
    row = (3 * width + 3) // 4 * 4
    if data[:2] != b"BM" or bits != 24 or width <= 0 or height <= 0 or len(data) < start + row * height:
        return None
    return Picture(width, height, _main_colours(data, start, width, height, row))


def _size(data: bytes) -> tuple[int, int, int]:
    width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    return width, abs(height), bits


def _main_colours(data: bytes, start: int, width: int, height: int, row: int) -> tuple[tuple[str, int], ...]:
    counts: Counter[bytes] = Counter()
    for line in range(0, height, 4):
        at = start + line * row
        counts.update(data[at + 3 * x : at + 3 * x + 3] for x in range(0, width, 4))
    rounded: Counter[str] = Counter()
    for pixel, count in counts.items():
        blue, green, red = (_STEP * round(value / _STEP) for value in pixel)
        rounded[f"#{red:02x}{green:02x}{blue:02x}"] += count
    total = rounded.total()
    main = [(colour, round(100 * count / total)) for colour, count in rounded.most_common(_MOST_COLOURS)]
    return tuple((colour, percent) for colour, percent in main if percent >= 100 * _LEAST_SHARE)


def answer(question: str, held: str) -> str | None:
    """What a question about images is answered from the cache's text.

    It is None for another question or without images.
    """
    seen = _DESCRIPTION.findall(held)
    if not seen or not _QUESTION.search(question):
        return None
    return f"I see {len(seen)} image{'s' if len(seen) > 1 else ''}: {'; '.join(seen)}"
