"""Holds the waiting jobs in order of arrival at any worker.

It is pure; owned by the scheduler, in the keeper's one thread.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

PeerT = TypeVar("PeerT")


@dataclass(order=True)
class Ticket(Generic[PeerT]):
    """One job in the keeper, waiting or running.

    `arrived` is the system's monotonic second at which the request came. `prefix_digest` is the digest of the
    conversation that the job could continue. `needs_fresh`: the job must be the first one after a load, because the
    console repeats its line differently from others.
    """

    arrived: float
    number: int
    peer: PeerT = field(compare=False)
    id: str = field(compare=False, default="")
    prefix_digest: str = field(compare=False, default="")
    tokens: int = field(compare=False, default=0)
    continuation_tokens: int = field(compare=False, default=0)
    needs_fresh: bool = field(compare=False, default=False)
    #: Names the launch specification that the job needs.
    fingerprint: str = field(compare=False, default="")


class QueueFull(Exception):
    """The queue is at its limit."""


class Queue(Generic[PeerT]):
    """Orders jobs by arrival. `limit` counts waiting jobs, without the running one."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._waiting: list[Ticket[PeerT]] = []

    def join(self, ticket: Ticket[PeerT], *, room_beyond: int = 0) -> None:
        """Insert `ticket` by arrival. `room_beyond` is 1 when the slot is free. Raises `QueueFull`."""
        if len(self._waiting) >= self.limit + room_beyond:
            raise QueueFull
        insort(self._waiting, ticket)

    def rejoin(self, ticket: Ticket[PeerT]) -> None:
        """Insert `ticket` again, without a limit because it was accepted before."""
        insort(self._waiting, ticket)

    def remove(self, ticket: Ticket[PeerT]) -> bool:
        """Remove `ticket`; return False when it is not waiting."""
        for index, waiting in enumerate(self._waiting):
            if waiting is ticket:
                del self._waiting[index]
                return True
        return False

    def first(self) -> Ticket[PeerT]:
        """Return the job that arrived first. The queue must not be empty."""
        return self._waiting[0]

    def first_of(self, fingerprint: str) -> Ticket[PeerT] | None:
        """Return the first waiting job for the launch with this fingerprint, or None."""
        return next((ticket for ticket in self._waiting if ticket.fingerprint == fingerprint), None)

    def find(self, job_id: str) -> Ticket[PeerT] | None:
        """Return the waiting job with this id, or None."""
        return next((ticket for ticket in self._waiting if ticket.id == job_id), None)

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Ticket[PeerT]]:
        return iter(tuple(self._waiting))
