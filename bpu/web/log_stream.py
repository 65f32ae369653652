"""`GET /v1/logs`: the console's last log lines as server-sent events, from what the worker already knows.

They are start-up, log and error lines only: echo and answer hold people's words and never come here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Sequence

from flask import Blueprint, Response

from bpu.web.connections import StreamSlots
from bpu.web.sse import COMMENT, HEADERS

PERIOD_S = 0.5
#: After this many looks without a line, a comment shows that the stream lives, and finds out whether its reader does.
QUIET_LOOKS = 20


class LogStreams:
    """Every open log stream of one worker. `lines` gives the last lines, the newest last, from memory."""

    def __init__(self, lines: Callable[[], Sequence[str]], *, period_s: float = PERIOD_S) -> None:
        self._lines = lines
        self._period_s = period_s
        self._stopping = threading.Event()

    def open(self) -> Generator[bytes, None, None]:
        """One reader's stream: the lines there are, then each new one, as `data: {"line": "..."}`."""
        seen: list[str] = []
        quiet = 0
        while not self._stopping.is_set():
            now = list(self._lines())
            fresh = new_lines(seen, now)
            seen, quiet = now, 0 if fresh else quiet + 1
            for line in fresh:
                yield f"data: {json.dumps({'line': line})}\n\n".encode("ascii")
            if quiet and quiet % QUIET_LOOKS == 1:
                yield COMMENT
            self._stopping.wait(self._period_s)

    def stop(self) -> None:
        """Let every reader go, now and for ever: the worker is leaving."""
        self._stopping.set()


def new_lines(seen: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """What is in `now` and not yet in `seen`, both being windows on the end of one growing list."""
    for shift in range(len(seen) + 1):
        kept = seen[shift:]
        if list(now[: len(kept)]) == list(kept):
            return now[len(kept) :]
    return now


def log_blueprint(streams: LogStreams, slots: StreamSlots) -> Blueprint:
    """The blueprint `log`: `GET /v1/logs`."""
    blueprint = Blueprint("log", __name__)

    @blueprint.get("/v1/logs")
    def logs() -> Response:
        release = slots.take()
        stream = streams.open()
        response = Response(stream, content_type="text/event-stream; charset=utf-8", headers=HEADERS)
        response.call_on_close(stream.close)
        response.call_on_close(release)
        return response

    return blueprint
