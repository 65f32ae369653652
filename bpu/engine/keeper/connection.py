"""One client's connection in the keeper: a lifeline, which gets the status, or a job's.

It uses the standard library only. The keeper never waits for a client that does not read.
"""

from __future__ import annotations

import contextlib
from _socket import SHUT_RDWR
from _socket import SocketType as RawSocket
from collections.abc import Sequence
from typing import Any

from bpu.engine import protocol
from bpu.engine.keeper.queue import Ticket
from bpu.engine.messages import Message, StatusUpdate
from bpu.engine.status import EngineStatus


class Connection:
    """Sends messages to one client.

    The keeper owns it and calls it in its event loop. `pid` is the client's process. `may_bring_launches`: the client
    may name programs to run. `last_status_sent` is a lifeline's newest status, `place` a job's newest position and
    phase. At most one of `lifeline` and `ticket` is set.
    """

    def __init__(self, sock: RawSocket, *, pid: int = 0, may_bring_launches: bool = False) -> None:
        self.sock, self.pid, self.may_bring_launches = sock, pid, may_bring_launches
        self.lifeline = False
        self.ticket: Ticket[Any] | None = None
        self.place: tuple[int, str] | None = None
        self.last_status_sent: EngineStatus | None = None

    def send(self, message: Message, fds: Sequence[int] = ()) -> bool:
        """Send a message; False when the client is gone or does not read.

        The loop notices a closed connection. A job that misses a message could wait for ever, so its connection is shut
        down: its worker reads what came before, sees the end, and joins again with its first arrival time.
        """
        with contextlib.suppress(protocol.Closed):  # or the kernel has refused it, as for want of memory
            if protocol.send(self.sock, message, fds):
                return True
        if not self.lifeline:
            self.cut_off()
        return False

    def cut_off(self) -> None:
        """Shut the connection down; the loop notices it and closes it."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(SHUT_RDWR)

    def send_status(self, status: EngineStatus) -> bool:
        """Send the status unless it was the last one sent.

        False when it must be sent again.
        """
        if status != self.last_status_sent and self.send(StatusUpdate(status=status)):
            self.last_status_sent = status
        return self.last_status_sent == status
