"""The other side of a job's connection, as the keeper's desk sees it: something that takes messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class JobConnection(Protocol):
    """`place` is what it was last told of its place: position and phase."""

    place: tuple[int, str] | None

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> bool:
        """False when it is gone or does not read."""


def refuse(
    peer: JobConnection, kind: str, message: str, *, retry_after: float | None = None, log: Sequence[str] = ()
) -> None:
    """Tell a job that it will not run; `kind` names a class of `bpu.errors`."""
    peer.send({"say": "refused", "kind": kind, "message": message, "retry_after": retry_after, "log": list(log)})
