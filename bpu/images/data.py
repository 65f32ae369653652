"""Holds the base64 data of one request's images in a nameless file.

The data is outside the heap of the worker. The process that decodes images gets the file's descriptor, so the worker
copies nothing for it, and the memory goes back to the system as soon as the file is closed. Where the data was, the
body has a mark, which no client can know.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable

from bpu.errors import Overloaded

#: Where a piece of data is in the file: its offset and its size in bytes.
Span = tuple[int, int]


class ImageData:
    """The data of one request's images.

    The data is text as it stands inside a JSON string, escapes included. The file is made when it is needed. `size` is
    its size in bytes.
    """

    def __init__(self) -> None:
        self._fd = -1
        self.size = 0
        self._name = secrets.token_hex(16)
        self._mark = re.compile(rf"\*{self._name}\.(\d+)\*")
        self._spans: list[Span] = []
        self._numbers: dict[bytes, int] = {}

    def __enter__(self) -> ImageData:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def fd(self) -> int:
        """The file's descriptor, valid until `close`."""
        if self._fd < 0:
            self._fd = nameless_file()
        return self._fd

    def append(self, data: bytes) -> Span:
        """Write `data` to the end of the file, and return its place. Raises `Overloaded`."""
        span = (self.size, len(data))
        rest = memoryview(data)
        try:
            while rest:
                written = os.pwrite(self.fd, rest, self.size)
                self.size += written
                rest = rest[written:]
        except OSError as error:
            raise Overloaded(f"There is no room for an image's data: {error.strerror}.", retry_after=5) from error
        return span

    def mark(self, start: int, digest: bytes) -> str:
        """Return the mark for all data from `start` on, whose digest is `digest`.

        Equal data gets the same mark and is kept once.
        """
        number = self._numbers.setdefault(digest, len(self._spans))
        if number == len(self._spans):
            self._spans.append((start, self.size - start))
        else:
            self.size = start
        return f"*{self._name}.{number}*"

    def spans_of(self, text: str) -> list[Span]:
        """Return the places of the data that `text` of the parsed body stands for.

        Plain text in it is appended to the file first.
        """
        parts = self._mark.split(text)  # plain text and numbers alternate
        return [
            self._spans[int(part)] if at % 2 else self.append(json.dumps(part)[1:-1].encode())
            for at, part in enumerate(parts)
            if part
        ]

    def is_used_up_by(self, texts: Iterable[str]) -> bool:
        """Whether `texts` stand for all of the data.

        If not, some of the data stands in a place where no image is.
        """
        used = {int(number) for text in texts for number in self._mark.findall(text)}
        return len(used) == len(self._spans)

    def close(self) -> None:
        """Drop the data; may be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def nameless_file() -> int:
    """Make an empty file in memory without a name, and return its descriptor."""
    try:
        return os.memfd_create("bpu-image", os.MFD_CLOEXEC)
    except AttributeError:  # a Python that was built for a C library before 2018
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
