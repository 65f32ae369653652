"""Formats and parses sizes of memory. Pure."""

from __future__ import annotations

import re

from bpu.board.errors import InvalidPoolRequest

MIB = 1 << 20
GIB = 1 << 30
_UNITS = {"": 1, "k": 1 << 10, "m": MIB, "g": GIB}


def human(size: int) -> str:
    """Format bytes in the largest fitting unit: `3.75 GiB`, `512 MiB`, `64 KiB`, `12 B`."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            text = f"{size / unit:.2f}".rstrip("0").rstrip(".")
            return f"{text} {name}"
    return f"{size} B"


def parse_size(text: str) -> int:
    """Parse `3.75G`, `512M`, `512 MiB`, `0x20000000` or a plain number to bytes. Raises `BoardError`."""
    word = text.strip().lower()
    if re.fullmatch(r"0x[0-9a-f]+", word):
        return int(word, 16)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?", word)
    if found is None:
        raise InvalidPoolRequest("ion.bad_size", text=text)
    number, unit = found.groups()
    size = float(number) * _UNITS[unit]
    if size != int(size):
        raise InvalidPoolRequest("ion.bad_size", text=text)
    return int(size)


def address(value: int) -> str:
    """Format an address in hexadecimal, in groups of four digits: `0x4_4000_0000`."""
    return f"0x{value:_x}"
