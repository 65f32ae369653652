"""Which connections of one worker are served when there are more than it holds. Bookkeeping: it touches no socket.

A connection rests until its first request and between requests, and is busy while a request is under way. Resting
ones give way, the oldest first, so a flood of silent connections keeps nobody out. Busy ones never give way;
therefore a part of the room is kept for health checks and for requests with a key.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from bpu.errors import ClientLimitReached, Overloaded
from bpu.web.access import Access, given_keys
from bpu.web.shared_counts import Counts, CountTable

#: Always served: who supervises the gateway must see how it is.
PROBES = frozenset({"/health", "/ready"})
#: This part of all connections takes only probes and requests with a key.
RESERVED_PART = 10
#: No keys, no proxies.
OPEN = Access()

Connection = TypeVar("Connection")


class Connections(Generic[Connection]):
    """The connections of one worker, owned by it and used in its greenlets.

    `limit` is for all of this worker, `client_limit` for one client address (0: none) at all workers that share
    `counts`. Loopback, unix sockets and trusted proxies have no limit of their own; a client that a trusted proxy names
    counts while its request is under way.
    """

    def __init__(
        self, access: Access = OPEN, *, limit: int = 1000, client_limit: int = 64, counts: Counts | None = None
    ) -> None:
        self._access, self._limit, self._client_limit = access, limit, client_limit
        self._resting: dict[Connection, None] = {}
        self._busy: set[Connection] = set()
        self._peers: dict[Connection, str] = {}
        self._forwarded: dict[Connection, str] = {}
        self._counts = counts or CountTable(1).assign()

    @property
    def resting(self) -> tuple[Connection, ...]:
        """The connections without a request, the oldest first."""
        return tuple(self._resting)

    @property
    def busy(self) -> int:
        return len(self._busy)

    def open(self, connection: Connection, peer: str) -> None:
        """Count a connection from `peer` ("" for a unix socket). Raises `ClientLimitReached`."""
        if not self._access.trusts(peer):
            self._count(self._peers, connection, peer)
        self._resting[connection] = None

    def close(self, connection: Connection) -> None:
        self.end(connection)
        self._release(self._peers, connection)
        self._resting.pop(connection, None)

    def begin(self, connection: Connection, peer: str, path: str, headers: Mapping[str, str]) -> None:
        """A request has come. Raises `Overloaded` or `ClientLimitReached`. `headers` by their names in capitals."""
        if self.busy >= self._limit - self._limit // RESERVED_PART and not self._is_privileged(path, headers):
            raise Overloaded(
                "The gateway holds as many requests as it can; what is left is kept for health checks and for "
                "requests with an API key. Try again in a moment.",
                retry_after=5,
            )
        client = self._access.client(peer, headers.get("X-FORWARDED-FOR", ""))
        if client != peer:
            self._count(self._forwarded, connection, client)
        self._resting.pop(connection, None)
        self._busy.add(connection)

    def end(self, connection: Connection) -> None:
        """The request is over, and another may follow. May be called twice."""
        self._release(self._forwarded, connection)
        self._busy.discard(connection)
        self._resting[connection] = self._resting.pop(connection, None)

    def surplus(self) -> Connection | None:
        """The connection to close because there are too many: the one that has rested longest. None: there is room.

        The only resting one stays: it has just been opened, and its request may be one that is served at the limit.
        """
        if len(self._resting) < 2 or len(self._resting) + self.busy <= self._limit:
            return None
        oldest = next(iter(self._resting))
        del self._resting[oldest]
        return oldest

    def _is_privileged(self, path: str, headers: Mapping[str, str]) -> bool:
        if path in PROBES:
            return True
        keys = given_keys(headers.get("AUTHORIZATION", ""), headers.get("X-API-KEY", ""))
        return self._access.needs_key and self._access.key_fits(keys)

    def _count(self, counted: dict[Connection, str], connection: Connection, client: str) -> None:
        if not self._client_limit or not client or _is_loopback(client):
            return
        if not self._counts.add(client, self._client_limit):
            raise ClientLimitReached(
                f"More than {self._client_limit} connections from {client[:100]} are open. Close some, or raise "
                "BPU_CLIENT_CONNECTIONS on the gateway.",
                retry_after=5,
            )
        counted[connection] = client

    def _release(self, counted: dict[Connection, str], connection: Connection) -> None:
        client = counted.pop(connection, None)
        if client is not None:
            self._counts.remove(client)


class StreamSlots:
    """The places for streams that are no answers: status events and log lines. `counts` is shared by all workers."""

    #: What they are counted under; no address has this form.
    _NAME = "streams"

    def __init__(self, limit: int, counts: Counts | None = None) -> None:
        self._limit = limit
        self.counts = counts or CountTable(1).assign()
        self._taken: set[object] = set()

    def take(self) -> Callable[[], None]:
        """Take a place and return what gives it back, which may be called twice. Raises `Overloaded`."""
        if not self.counts.add(self._NAME, self._limit):
            raise Overloaded(
                f"{self._limit} streams of events and log lines are open, which is the limit (BPU_STATUS_STREAMS). "
                "GET /health and GET /slots answer without a stream.",
                retry_after=5,
            )
        place = object()
        self._taken.add(place)
        return lambda: self._give_back(place)

    def _give_back(self, place: object) -> None:
        if place in self._taken:
            self._taken.remove(place)
            self.counts.remove(self._NAME)


def _is_loopback(client: str) -> bool:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
