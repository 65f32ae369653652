"""The connections of one worker and their limits. It counts connections and touches no socket.

A connection is idle until its first request and between requests, and busy during a request. At the limit idle ones are
closed, the oldest first, so that a flood of silent connections shuts out no client. Busy ones are never closed, so a
part of the limit is reserved for health checks and for requests with a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from bpu.access_policy import Access, given_keys, is_loopback_address
from bpu.errors import ClientLimitReached, Overloaded
from bpu.web.shared_counts import Counts, CountTable

#: Served also at the limit, because a supervisor must see the gateway's state.
PROBES = frozenset({"/health", "/ready"})
#: One in so many connections is reserved for probes and requests with a key.
RESERVED_PART = 10
#: No keys, no proxies.
OPEN_ACCESS = Access()

Connection = TypeVar("Connection")


class Connections(Generic[Connection]):
    """The connections of one worker, owned by it and used in its greenlets.

    `limit` is for all of this worker, `client_limit` for one client address (0: none) at all workers that share
    `counts`. Loopback, unix sockets and trusted proxies have no limit of their own; a client that a trusted proxy names
    counts while its request is under way.
    """

    def __init__(
        self, access: Access = OPEN_ACCESS, *, limit: int = 1000, client_limit: int = 64, counts: Counts | None = None
    ) -> None:
        self._access, self._limit, self._client_limit = access, limit, client_limit
        self._idle: dict[Connection, None] = {}
        self._busy: set[Connection] = set()
        self._peers: dict[Connection, str] = {}
        self._forwarded: dict[Connection, str] = {}
        self._counts = counts or CountTable(1).assign()

    @property
    def idle(self) -> tuple[Connection, ...]:
        """The connections without a request, the longest idle first."""
        return tuple(self._idle)

    @property
    def busy(self) -> int:
        """The number of connections with a request under way."""
        return len(self._busy)

    def open(self, connection: Connection, peer: str) -> None:
        """Count a connection from `peer` ("" for a unix socket). Raises `ClientLimitReached`."""
        if not self._access.trusts(peer):
            self._count(self._peers, connection, peer)
        self._idle[connection] = None

    def close(self, connection: Connection) -> None:
        """Forget a connection that is closed; may be called for any state of it."""
        self.end_request(connection)
        self._release(self._peers, connection)
        self._idle.pop(connection, None)

    def begin_request(self, connection: Connection, peer: str, path: str, headers: Mapping[str, str]) -> None:
        """Count a request. Raises `Overloaded` or `ClientLimitReached`. `headers` have their names in capitals."""
        if self.busy >= self._limit - self._limit // RESERVED_PART and not self._is_privileged(path, headers):
            raise Overloaded(
                "The gateway holds as many requests as it can; what is left is kept for health checks and for "
                "requests with an API key. Try again in a moment.",
                retry_after=5,
            )
        client = self._access.client(peer, headers.get("X-FORWARDED-FOR", ""))
        if client != peer:
            self._count(self._forwarded, connection, client)
        self._idle.pop(connection, None)
        self._busy.add(connection)

    def end_request(self, connection: Connection) -> None:
        """Make the connection idle after its request; may be called twice."""
        self._release(self._forwarded, connection)
        self._busy.discard(connection)
        self._idle[connection] = self._idle.pop(connection, None)

    def pop_surplus(self) -> Connection | None:
        """Remove and return the longest idle connection when there are too many, else None.

        The only idle one stays: it has just been opened, and its request may be one that is served at the limit.
        """
        if len(self._idle) < 2 or len(self._idle) + self.busy <= self._limit:
            return None
        oldest = next(iter(self._idle))
        del self._idle[oldest]
        return oldest

    def _is_privileged(self, path: str, headers: Mapping[str, str]) -> bool:
        if path in PROBES:
            return True
        keys = given_keys(headers.get("AUTHORIZATION", ""), headers.get("X-API-KEY", ""))
        return self._access.needs_key and self._access.accepts_key(keys)

    def _count(self, counted: dict[Connection, str], connection: Connection, client: str) -> None:
        if not self._client_limit or not client or is_loopback_address(client):
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
