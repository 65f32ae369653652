"""`GET /v1/logs`: the console's last log lines as server-sent events, from memory.

Only start-up, log and error lines are among them: prompts and answers of users are never shown here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from flask import Blueprint, Response

from bpu.web.sse import COMMENT

#: After this many polls without a line, a comment shows that the stream is alive and tests the connection.
COMMENT_EVERY_POLLS = 20


class LogPoller:
    """The state of one log stream.

    A worker uses it in the greenlet of the stream's request. `lines` returns the last lines from memory, the newest
    last.
    """

    def __init__(self, lines: Callable[[], Sequence[str]]) -> None:
        self._lines = lines
        self._seen: list[str] = []
        self._quiet_polls = 0

    def poll(self) -> Iterator[bytes]:
        """Yield each unsent line as `data: {"line": "..."}`, or at times a comment."""
        current = list(self._lines())
        fresh = new_lines(self._seen, current)
        self._seen, self._quiet_polls = current, 0 if fresh else self._quiet_polls + 1
        for line in fresh:
            yield f"data: {json.dumps({'line': line})}\n\n".encode("ascii")
        if self._quiet_polls % COMMENT_EVERY_POLLS == 1:
            yield COMMENT


def new_lines(seen: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """Return the lines of `now` after those of `seen`; both are tails of one log."""
    for shift in range(len(seen) + 1):
        kept = seen[shift:]
        if list(now[: len(kept)]) == list(kept):
            return now[len(kept) :]
    return now


def log_blueprint(open_log: Callable[[], Response]) -> Blueprint:
    """Make the blueprint `log`: `GET /v1/logs`."""
    blueprint = Blueprint("log", __name__)

    @blueprint.get("/v1/logs")
    def logs() -> Response:
        return open_log()

    return blueprint
