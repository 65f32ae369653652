"""Takes long base64 data out of a body before it is parsed.

The data is written to a file (`ImageData`). Parsing, checking and decoding 16 MB in the worker would hold up all other
answers for a tenth of a second. So the data in a string that begins as a data URL or as an image file in base64 is
replaced by a short mark, and goes to the process that decodes images as it came. Nothing else of the body is touched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator

from flask import g

from bpu.images.data import ImageData

#: How a string with an image begins, up to its data: as a data URL, or with JPEG, PNG, GIF, BMP or WebP in base64 (also
#: of the URL alphabet, and with `/` as `\/` or `\u002f`). The first data behind it tells it from other texts.
_SLASH = rb"(?:\\?/|_|\\u002[fF])"
_FILE = _SLASH + rb"9j" + _SLASH + rb"|iVBORw0KGgo|R0lGOD|Qk[0-3]|UklGR"
_BEGIN = re.compile(rb'(?<!\\)"(?:(?i:data):[^,"]{0,200},|(?=' + _FILE + rb"))(?=[A-Za-z0-9+/\-_=\\]{240})")
#: More bytes than the pattern needs.
_BEGIN_BYTES = 512
#: Bytes that may stand in base64 data: both alphabets, padding, and blanks of e-mail. And the first other one, where
#: a backslash begins an escape of such a byte (`\/`, `\n`, `\r`, `\t`, `\u002b`).
_TAKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_= "
_OTHER = re.compile(rb"[^A-Za-z0-9+/\-_= \\]|\\[^/nrtu]")
#: Less data than this stays in the body.
_LEAST_BYTES = 32 * 1024


def lift(pieces: Iterable[bytes], data: ImageData) -> Iterator[bytes]:
    """Yield the body's pieces with marks for the data, which is written to `data`."""
    rest = b""  # of the last piece, because it cannot be judged without the next one
    image: _Image | None = None
    for piece in pieces:
        rest, at = rest + piece, 0
        while True:
            if image is None:
                found = _BEGIN.search(rest, at)
                end = found.end() if found else max(at, _undecided(rest))
                yield rest[at:end]
                at = end
                if found is None:
                    break
                image = _Image(data)
            end, is_over = _end(rest, at)
            image.add(rest[at:end])
            at = end
            if not is_over:
                break
            yield image.finish()
            image = None
        rest = rest[at:]
    if image is not None:
        yield image.finish()
    yield rest


def _undecided(data: bytes) -> int:
    """Return where an undecided end of `data` begins.

    A string with an image may begin there.
    """
    quote = data.rfind(b'"', -_BEGIN_BYTES)
    # With the byte before the quote, because it may be a backslash.
    return max(0, (quote if quote >= 0 else len(data)) - 1)


def _end(data: bytes, start: int) -> tuple[int, bool]:
    """Return where the base64 data from `start` on ends.

    Also return whether it has ended in `data`.
    """
    other = _OTHER.search(data, start, start + _BEGIN_BYTES)
    if other is None and data.translate(None, _TAKEN):  # the fastest look at all bytes
        other = _OTHER.search(data, start)
    if other is not None:
        return other.start(), True
    # A last backslash belongs to what the next piece begins with.
    return len(data) - data.endswith(b"\\"), False


class _Image:
    """The data of one string: short data is held, the rest is written to `data`.

    A worker uses it in the greenlet of the request.
    """

    def __init__(self, data: ImageData) -> None:
        self._data, self._start, self._held = data, data.size, bytearray()
        self._digest = hashlib.sha256()
        self._is_written = False

    def add(self, piece: bytes) -> None:
        self._held += piece
        if self._is_written or len(self._held) >= _LEAST_BYTES:
            self._is_written = True
            self._digest.update(self._held)
            self._data.append(bytes(self._held))
            self._held.clear()

    def finish(self) -> bytes:
        """Return what stands in the body for the data: its mark, or the data itself."""
        if not self._is_written:
            return bytes(self._held)
        return self._data.mark(self._start, self._digest.digest()).encode()


def keep_lifted(data: ImageData, release: Callable[[], None]) -> None:
    """Keep the data of the current body until its images are read.

    `release` frees its share of the budget.
    """
    g.image_data, g.release_lifted = data, release


def forget_lifted() -> None:
    """Drop the data of the current request's body; may be called twice."""
    data: ImageData | None = g.pop("image_data", None)
    if data is not None:
        data.close()
    release = g.pop("release_lifted", None)
    if release is not None:
        release()
