"""One worker's connection, as the keeper sees it: a lifeline that is told the state, or one job.

It never waits for a worker that does not read. Standard library only.
"""

from __future__ import annotations

import contextlib
from _socket import SHUT_RDWR
from _socket import SocketType as RawSocket
from collections.abc import Sequence
from typing import Any

from bpu.engine import protocol
from bpu.engine.keeper.queue import Ticket
from bpu.engine.status import Status


class Connection:
    """`may_bring_launches` is whether the other side may name programs to run.

    `told` is the newest picture of the engine that a lifeline was sent, `place` a job's newest place."""

    def __init__(self, sock: RawSocket, *, may_bring_launches: bool = False) -> None:
        self.sock, self.may_bring_launches = sock, may_bring_launches
        self.lifeline = False
        self.ticket: Ticket[Any] | None = None
        self.place: tuple[int, str] | None = None
        self.told: Status = {}

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> bool:
        """False when the other side is gone or does not read; the loop notices a closed one by itself.

        A job that misses a message could wait for ever, so one that does not read is cut off: its worker reads what
        came before, sees the end, and joins again with its first arrival time.
        """
        try:
            if protocol.send(self.sock, message, fds):
                return True
        except protocol.Closed:
            return False
        if not self.lifeline:
            with contextlib.suppress(OSError):
                self.sock.shutdown(SHUT_RDWR)
        return False

    def tell(self, status: Status) -> bool:
        """Send the picture of the engine, unless this is what was sent last; False when it must be sent again."""
        if status != self.told and self.send({"say": "status", "status": status}):
            self.told = status
        return self.told == status
