"""Limits the time and size of each request's head on a client's socket.

The socket knows the path in the head. A new connection must send its first byte within seconds; between requests it may
be silent for the keep-alive time. Bodies are read as from the plain socket.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, ParseException

from bpu import gevent_io

#: Bytes read at once: gunicorn would read up to a MiB ahead into its own buffer, outside the body budget.
MAX_READ_BYTES = 16 * 1024
#: The longest head. gunicorn's own limit is that of all fields together, 1.6 MB, and it searches all that it has again
#: after each read: so one client could keep a worker busy, and a thousand unfinished heads could fill the memory.
MAX_HEAD_BYTES = 64 * 1024
#: Bytes of a head that are kept, so that a refusal of it has the form of the API that its path belongs to.
KEPT_HEAD_BYTES = 128


class LateHead(ParseException):  # type: ignore[misc]  # gunicorn has no types
    """The head of a request began and did not end within its time limit."""


class ClientSocket:
    """Wraps a client's socket and limits the time and size of each request's head.

    A worker makes one for each connection, and the greenlet of the connection uses it.
    """

    def __init__(
        self,
        client: socket.socket,
        *,
        first_byte_s: float,
        idle_s: float,
        head_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._raw = gevent_io.raw(client)
        self._client, self._idle_s, self._head_s, self._clock = client, idle_s, head_s, clock
        self._silence_s = first_byte_s
        self._serving = False
        self._deadline: float | None = None
        self._head = b""
        self._left_of_head: float = MAX_HEAD_BYTES

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def recv(self, size: int) -> bytes:
        """Read as the socket does.

        Returns b"" when an idle client is silent for too long. Raises `LateHead`, and `LimitRequestHeaders` for a head
        that is too long.
        """
        size = min(size, MAX_READ_BYTES)
        if self._serving:
            return self._client.recv(size)
        if self._left_of_head <= 0:
            raise LimitRequestHeaders("the head")
        begun = self._deadline is not None
        self._client.settimeout(self._left())
        try:
            data = self._client.recv(size)
        except TimeoutError:
            if begun:
                raise LateHead from None
            return b""
        if not begun:
            self._deadline = self._clock() + self._head_s
        self._head += data[: KEPT_HEAD_BYTES - len(self._head)]
        self._left_of_head -= len(data)
        return data

    @property
    def path(self) -> str:
        """Return the path in the head that is being read.

        It is "" until the first bytes show it.
        """
        _, _, target = self._head.partition(b" ")
        return target.split(b" ")[0].split(b"?")[0].decode("ascii", "replace")

    def sendall(self, data: bytes) -> None:
        """Send as the socket does.

        One direct call nearly always sends a whole token, in 1.3 µs where gevent's `sendall` takes 3.0 µs (both warm);
        only the rest goes through that.
        """
        try:
            sent = self._raw.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._client.sendall(memoryview(data)[sent:])

    def shut_down_reading(self) -> None:
        """Shut down the reading side alone, so that a response is still written.

        The original socket does it, because gevent's `shutdown` raises EBADF in a greenlet that waits in `recv`.
        """
        with suppress(OSError):
            self._raw.shutdown(socket.SHUT_RD)

    def _left(self) -> float:
        if self._deadline is None:
            return self._silence_s
        left = self._deadline - self._clock()
        if left <= 0:
            raise LateHead
        return left

    def begin_request(self) -> ClientSocket:
        """Lift the limits after the head; return the socket for the body and the answer."""
        self._serving, self._deadline = True, None
        self._silence_s = self._idle_s
        self._client.settimeout(None)
        return self

    def end_request(self) -> None:
        """Put the time limits back after the answer.

        They count for the rest of the body that was not read.
        """
        self._serving, self._deadline, self._left_of_head = False, None, math.inf

    def begin_head(self) -> None:
        """Begin the limits of the next request's head."""
        self._deadline, self._head, self._left_of_head = None, b"", MAX_HEAD_BYTES
