"""Reads the metadata of a GGUF file: template, context, vocabulary; never the weights.

It uses the standard library only. The file is untrusted: every length in it is checked against the rest of the file
before it is used.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

#: The longest text, and the most entries, keys and nested arrays that are read; real vocabularies have fewer.
_LONGEST_TEXT = 16 << 20
_MOST_ENTRIES = 4 << 20
_MOST_KEYS = 65_536
_DEEPEST = 2

_TEXT, _ARRAY = 8, 9
#: `struct` letters of GGUF's numbers, little-endian.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class GgufError(ValueError):
    """The file is not a GGUF file that can be read; the text says why."""


def read_metadata(path: Path) -> dict[str, Any]:
    """Read the key-value pairs of the file's head.

    Raises `GgufError`, and `OSError` if it cannot be opened.
    """
    with path.open("rb") as file:
        return _Reader(file, path.stat().st_size).metadata()


class _Reader:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._bytes_left = file, size

    def metadata(self) -> dict[str, Any]:
        if self._read_bytes(4) != b"GGUF":
            raise GgufError("it does not begin with GGUF")
        version = self._read_number("I")
        if version not in (2, 3):
            raise GgufError(f"its version is {version}; 2 and 3 are known")
        self._read_number("Q")  # tensors
        keys = self._read_number("Q")
        if keys > _MOST_KEYS:
            raise GgufError(f"it claims {keys} keys")
        found: dict[str, Any] = {}
        for _ in range(keys):
            key = self._read_text()
            found[key] = self._read_value(self._read_number("I"))
        return found

    def _read_value(self, kind: int, depth: int = 0) -> Any:
        if kind == _TEXT:
            return self._read_text()
        if kind == _ARRAY and depth < _DEEPEST:
            return self._read_array(depth)
        if kind not in _NUMBERS:
            raise GgufError(f"it holds a value of the unknown type {kind}")
        return self._read_number(_NUMBERS[kind])

    def _read_array(self, depth: int) -> list[Any]:
        kind, length = self._read_number("I"), self._read_number("Q")
        # Every entry takes at least one byte, so a length beyond the file's end is invalid.
        if length > min(_MOST_ENTRIES, self._bytes_left):
            raise GgufError(f"it claims an array of {length} entries")
        if kind in _NUMBERS:
            form = f"<{length}{_NUMBERS[kind]}"
            return list(struct.unpack(form, self._read_bytes(struct.calcsize(form))))
        return [self._read_value(kind, depth + 1) for _ in range(length)]

    def _read_text(self) -> str:
        size = self._read_number("Q")
        if size > _LONGEST_TEXT:
            raise GgufError(f"it claims a text of {size} bytes")
        return self._read_bytes(size).decode("utf-8", "replace")

    def _read_number(self, letter: str) -> Any:
        return struct.unpack(f"<{letter}", self._read_bytes(struct.calcsize(f"<{letter}")))[0]

    def _read_bytes(self, size: int) -> bytes:
        data = self._file.read(size) if size <= self._bytes_left else b""
        if len(data) != size:
            raise GgufError("it ends too soon")
        self._bytes_left -= size
        return data
