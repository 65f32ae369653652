"""The limit and the end of streams of status events and log lines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable

from flask import Response

from bpu.errors import Overloaded
from bpu.web.shared_counts import Counts, CountTable
from bpu.web.sse import EVENT_STREAM, HEADERS

PERIOD_S = 0.5


class StreamRegistry:
    """All status and log streams of one worker.

    A gunicorn worker owns it, and each stream runs in the greenlet of its request. `limit` holds for all workers that
    share `counts`. After `stop` no stream is open and none stays open.
    """

    #: The name under which streams are counted; no client address has this form.
    _NAME = "streams"

    def __init__(self, limit: int, counts: Counts | None = None, *, period_s: float = PERIOD_S) -> None:
        self._limit, self._period_s = limit, period_s
        self.counts = counts or CountTable(1).assign()
        self._open: set[object] = set()
        self._stopping = threading.Event()

    def respond(self, poll: Callable[[], Iterable[bytes]]) -> Response:
        """Open a stream of what `poll` returns, each period anew. Raises `Overloaded` at the limit."""
        release = self.reserve()
        events = self.events(poll)
        response = Response(events, content_type=EVENT_STREAM, headers=HEADERS)
        response.call_on_close(events.close)
        response.call_on_close(release)
        return response

    def events(self, poll: Callable[[], Iterable[bytes]]) -> Generator[bytes, None, None]:
        """Yield what `poll` returns, each period anew, until the worker stops."""
        while not self._stopping.is_set():
            yield from poll()
            self._stopping.wait(self._period_s)

    def stop(self) -> None:
        """End every stream at once and for good, because the worker stops."""
        self._stopping.set()

    def reserve(self) -> Callable[[], None]:
        """Count one stream more; return what counts it off, once however often called. Raises `Overloaded`."""
        if not self.counts.add(self._NAME, self._limit):
            raise Overloaded(
                f"{self._limit} streams of events and log lines are open, which is the limit (BPU_STATUS_STREAMS). "
                "GET /health and GET /slots answer without a stream.",
                retry_after=5,
            )
        stream = object()
        self._open.add(stream)
        return lambda: self._release(stream)

    def _release(self, stream: object) -> None:
        if stream in self._open:
            self._open.remove(stream)
            self.counts.remove(self._NAME)
