"""Lingering close, as nginx calls it: closes a connection that has unread data."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

LINGER_BYTES = 8 * 1024 * 1024
LINGER_S = 2.0
#: `SO_LINGER` on, with no time: closing resets the connection.
_RESET = struct.pack("ii", 1, 0)


def linger(client: Any, clock: Callable[[], float] = time.monotonic) -> None:
    """Shut down the writing side of `client`, read briefly, then shut down reading.

    Closing both at once would reset the connection, and the client might lose the answer (RFC 9112, 9.6). A client that
    still sends after that is reset by the close that follows: else it would wait for room that never comes.
    """
    deadline, left = clock() + LINGER_S, LINGER_BYTES
    with suppress(OSError):  # it may have left already
        client.shutdown(socket.SHUT_WR)
        while left > 0 and (seconds := deadline - clock()) > 0:
            client.settimeout(seconds)
            data = client.recv(65536)
            if not data:
                return
            left -= len(data)
    reset_at_close(client)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RD)
        client.settimeout(None)


def reset_at_close(client: Any) -> None:
    """Make the close of `client` reset the connection."""
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
