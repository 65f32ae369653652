"""A job's connection as the scheduler sees it: something that takes messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bpu.engine.messages import Message, Refusal, RefusalCode


class JobConnection(Protocol):
    """Takes messages for one job.

    `pid` is the worker's process, `place` the newest position and phase that the job was sent.
    """

    pid: int
    place: tuple[int, str] | None

    def send(self, message: Message, fds: Sequence[int] = ()) -> bool:
        """Send a message; False when the client is gone or does not read."""

    def cut_off(self) -> None:
        """End the connection; the job joins again as soon as its worker goes on."""


def refuse(
    peer: JobConnection, kind: RefusalCode, message: str, *, retry_after: float | None = None, log: Sequence[str] = ()
) -> None:
    """Refuse what the client has asked for."""
    peer.send(Refusal(kind=kind, message=message, retry_after=retry_after, log=tuple(log)))
