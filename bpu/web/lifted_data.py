"""Takes long base64 data out of a body before it is parsed as JSON, and keeps it as it came.

Parsing, checking and decoding 16 MB in the worker would hold up all other answers for a tenth of a second. So pieces of
the body that can only be base64 data are replaced by a short mark, which no client can know, and go to the process that
decodes images piece by piece. Nothing else of the body is touched: the string with the pieces must begin as a data URL
or as an image file in base64.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator

from flask import g

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="
#: How a string with an image begins: a data URL, or JPEG, PNG, GIF, BMP or WebP in base64, also of the URL alphabet.
_IMAGE_HEAD = re.compile(rb"data:[^,]{0,200},|[/_]9j[/_]|iVBORw0KGgo|R0lGOD|Qk[0-3]|UklGR")
_HEAD_BYTES = 16
#: Fewer pieces in a row stay in the body.
_LEAST_PIECES = 2


class LiftedData:
    """The data taken out of one body."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(16)
        self._mark = re.compile(rf"\*{self._name}\.(\d+)\*")
        self._runs: dict[int, list[bytes]] = {}
        self.size = 0

    def filter(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the body's pieces with marks for the data."""
        run: list[bytes] = []
        before = b""
        for piece in pieces:
            if not piece.translate(None, _BASE64):
                run.append(piece)
                continue
            yield from self._end(before, run)
            run, before = [], piece
            yield piece
        yield from self._end(before, run)

    def _end(self, before: bytes, run: list[bytes]) -> Iterator[bytes]:
        """Yield the mark for a run of pieces that follows the piece `before`, or the run itself."""
        if len(run) < _LEAST_PIECES or not _begins_as_image(before, run[0]):
            yield from run
            return
        number = len(self._runs)
        self._runs[number] = run
        self.size += sum(map(len, run))
        yield f"*{self._name}.{number}*".encode()

    def pieces_of(self, text: str) -> tuple[bytes, ...]:
        """Return the base64 data that `text` of the parsed body stands for."""
        parts = self._mark.split(text)  # text and numbers alternate
        pieces: list[bytes] = []
        for at, part in enumerate(parts):
            if at % 2:
                pieces.extend(self._runs[int(part)])
            else:
                pieces.append(part.encode("utf-8", "replace"))
        return tuple(filter(None, pieces))

    def is_used_up_by(self, texts: Iterable[str]) -> bool:
        """Whether `texts` stand for all of the data; else some stands in a place where no image is."""
        return {int(number) for text in texts for number in self._mark.findall(text)} == self._runs.keys()


def _begins_as_image(before: bytes, data: bytes) -> bool:
    _, quote, head = before.rpartition(b'"')
    return bool(quote) and _IMAGE_HEAD.match(head + data[:_HEAD_BYTES]) is not None


def keep_lifted(lifted: LiftedData, release: Callable[[], None]) -> None:
    """Keep the data of the current body until its images are read; `release` frees its share of the budget."""
    g.lifted, g.release_lifted = lifted, release


def forget_lifted() -> None:
    """Drop the data of the current request's body; may be called twice."""
    g.pop("lifted", None)
    release = g.pop("release_lifted", None)
    if release is not None:
        release()
