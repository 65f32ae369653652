"""What the parsing of a request body may cost: how many JSON values it holds, and whom it keeps waiting.

A parser runs without a pause, so everything else in the worker waits for it: bodies of very many values are refused
before they are parsed, and large bodies are parsed one at a time. Used in a worker's greenlets.
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
#: More than nothing: with a pause of 0 the event loop would go on with the next body before it looks at its sockets.
_PAUSE_S = 0.001


class TooManyValues(BadRequest):
    """The body is short enough, and holds more values than the worker can parse at once."""

    status = 413
    code = "request_too_large"


def check_values(data: bytes) -> None:
    """Refuse a body of more than `MAX_VALUES` values. Raises `TooManyValues`. Takes some 10 ms for a megabyte."""
    if _marks(data) <= MAX_VALUES:
        return  # even if none of them stands in a string
    plain = data.replace(rb"\\", b"").replace(rb"\"", b"")
    # Many strings are many values, too, and would take much memory here.
    if plain.count(b'"') > 4 * MAX_VALUES or _marks(b"".join(plain.split(b'"')[::2])) > MAX_VALUES:
        raise TooManyValues(
            f"The request body holds more than {MAX_VALUES} JSON values. Send fewer: leave out fields that the "
            "gateway does not need, or shorten lists of messages and tools."
        )


def _marks(data: bytes) -> int:
    """How many bytes of `data` begin a value: the brackets that open one, and the commas before the others."""
    return sum(map(data.count, (b"{", b"[", b",")))


class ParsingQueue:
    """The turns of a worker's large bodies. One is parsed at a time, and others run between two of them."""

    def __init__(self) -> None:
        self._lock = gevent_io.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        with self._lock:
            begun = time.monotonic()
            yield
            # As long as the parsing took, because the request of another client needs several rounds of the event loop.
            gevent_io.sleep(max(_PAUSE_S, time.monotonic() - begun))
