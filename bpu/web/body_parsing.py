"""Limits on parsing request bodies: their number of JSON values, and one at a time.

The parser blocks all other greenlets of the worker: so bodies of very many values are refused before they are parsed,
and large bodies are parsed one at a time. Runs in the greenlets of requests.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bpu import gevent_io
from bpu.errors import BadRequest

#: How many values, at any depth, one body may hold. A hundred tools and two thousand messages hold about 50,000;
#: Python's parser takes some 30 ms for so many.
MAX_VALUES = 100_000
#: Above 0, because after a pause of 0 the event loop resumes the next body before it polls its sockets.
_PAUSE_S = 0.001


class TooManyValues(BadRequest):
    """The body holds more JSON values than the limit."""

    status = 413
    code = "request_too_large"


def check_values(data: bytes) -> None:
    """Refuse a body of more than `MAX_VALUES` values.

    Raises `TooManyValues`. Takes some 10 ms for a megabyte.
    """
    if _count_value_marks(data) <= MAX_VALUES:
        return  # also if no mark is inside a string
    plain = data.replace(rb"\\", b"").replace(rb"\"", b"")
    # Strings are values too, and splitting very many of them would take much memory.
    if plain.count(b'"') > 4 * MAX_VALUES or _count_value_marks(b"".join(plain.split(b'"')[::2])) > MAX_VALUES:
        raise TooManyValues(
            f"The request body holds more than {MAX_VALUES} JSON values. Send fewer: leave out fields that the "
            "gateway does not need, or shorten lists of messages and tools."
        )


def _count_value_marks(data: bytes) -> int:
    """Count the bytes of `data` that begin a value: opening brackets and commas."""
    return sum(map(data.count, (b"{", b"[", b",")))


class ParsingQueue:
    """Parses one large body at a time, with a pause for other greenlets."""

    def __init__(self) -> None:
        self._lock = gevent_io.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the one place for parsing a large body, then pause for other requests."""
        with self._lock:
            begun = time.monotonic()
            yield
            # As long as the parsing took, because the request of another client needs several rounds of the event loop.
            gevent_io.sleep(max(_PAUSE_S, time.monotonic() - begun))
