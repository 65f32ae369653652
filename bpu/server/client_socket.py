"""A client's socket as gunicorn's parser sees it: the head of a request gets its time, from its first byte on.

A new connection must send its first byte soon; between requests a client may be silent for as long as connections are
kept. It must not touch how a body is read.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http.errors import ParseException

from bpu import gevent_io

#: gunicorn reads up to a MiB ahead into a buffer of its own, which no budget knows of.
MOST_AT_ONCE = 16 * 1024


class LateHead(ParseException):  # type: ignore[misc]  # gunicorn has no types
    """The head of a request began and was not done in its time."""


class ClientSocket:
    """A client's socket that limits the time of each request's head; all else is the socket's.

    A worker makes one for each connection; the greenlet of the connection uses it.
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
        self._client, self._idle_s, self._head_s, self._clock = client, idle_s, head_s, clock
        self._silence_s = first_byte_s
        self._serving = False
        self._deadline: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def recv(self, size: int) -> bytes:
        """As the socket's. Raises `LateHead`; an idle client that is silent for too long has simply ended: b""."""
        size = min(size, MOST_AT_ONCE)
        if self._serving:
            return self._client.recv(size)
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
        return data

    def sendall(self, data: bytes) -> None:
        """As the socket's. The system nearly always takes all of a token at once: then nothing need be prepared for a
        wait."""
        try:
            sent = gevent_io.raw(self._client).send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._client.sendall(memoryview(data)[sent:])

    def _left(self) -> float:
        if self._deadline is None:
            return self._silence_s
        left = self._deadline - self._clock()
        if left <= 0:
            raise LateHead
        return left

    def begin_request(self) -> ClientSocket:
        """The head has come: from here on it is the socket, without a limit."""
        self._serving, self._deadline = True, None
        self._silence_s = self._idle_s
        self._client.settimeout(None)
        return self

    def end_request(self) -> None:
        """The answer is over; another request may begin."""
        self._serving, self._deadline = False, None
