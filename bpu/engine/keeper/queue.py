"""The waiting jobs, in the order in which they came to any worker. Pure; its owner is the keeper."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

PeerT = TypeVar("PeerT")


@dataclass(order=True)
class Ticket(Generic[PeerT]):
    """One job. `arrived` is the monotonic second at which its request came, on the system-wide clock. `needs_fresh`:
    it must be the first after a load, because the console repeats its line otherwise than others."""

    arrived: float
    number: int
    peer: PeerT = field(compare=False)
    id: str = field(compare=False, default="")
    history: str = field(compare=False, default="")
    tokens: int = field(compare=False, default=0)
    short_tokens: int = field(compare=False, default=0)
    needs_fresh: bool = field(compare=False, default=False)
    #: The fingerprint of the launch that it needs.
    model: str = field(compare=False, default="")


class QueueFull(Exception):
    """As many jobs wait as may."""


class Queue(Generic[PeerT]):
    """First come, first served. `limit` counts jobs that wait, the running one not included."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._waiting: list[Ticket[PeerT]] = []

    def join(self, ticket: Ticket[PeerT], *, room_beyond: int = 0) -> None:
        """Add `ticket` at its place; `room_beyond` 1 when the slot is free and takes the first. Raises `QueueFull`."""
        if len(self._waiting) >= self.limit + room_beyond:
            raise QueueFull
        insort(self._waiting, ticket)

    def rejoin(self, ticket: Ticket[PeerT]) -> None:
        """Back to its place, whatever the limit: it was let in before."""
        insort(self._waiting, ticket)

    def remove(self, ticket: Ticket[PeerT]) -> bool:
        """Remove `ticket`; False when it does not wait (any more). Nobody else's place gets worse."""
        for index, waiting in enumerate(self._waiting):
            if waiting is ticket:
                del self._waiting[index]
                return True
        return False

    def first(self) -> Ticket[PeerT]:
        return self._waiting[0]

    def first_of(self, model: str) -> Ticket[PeerT] | None:
        """The first job of this model; None when none waits."""
        return next((ticket for ticket in self._waiting if ticket.model == model), None)

    def find(self, job_id: str) -> Ticket[PeerT] | None:
        return next((ticket for ticket in self._waiting if ticket.id == job_id), None)

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Ticket[PeerT]]:
        return iter(tuple(self._waiting))
