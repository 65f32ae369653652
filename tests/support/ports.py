"""TCP ports for the servers that tests start."""

from __future__ import annotations

import socket

#: Sockets that are bound and never listen, so that the system gives their ports to no other program.
_reservations: list[socket.socket] = []


def reserve_port() -> int:
    """Reserve a port of 127.0.0.1 for the life of this process.

    A server that sets `SO_REUSEADDR` can listen on it.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    _reservations.append(sock)
    return int(sock.getsockname()[1])
