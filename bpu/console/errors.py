"""Errors of parsing and line encoding, without HTTP status or exit code: `bpu.errors` has those."""

from __future__ import annotations

from collections.abc import Sequence

from bpu.console.events import Event


class OutOfSync(Exception):
    """The console printed what cannot come in its state.

    End the process and never use it again. `events` are those found in the same piece of bytes before. The message
    names the state and never holds the bytes themselves, because they may be a user's text.
    """

    def __init__(self, message: str, events: Sequence[Event] = ()) -> None:
        super().__init__(message)
        self.events = list(events)


class EchoMismatch(OutOfSync):
    """The bytes after a line are not the console's echo of it.

    Another turn may still be running.
    """


class LineTooLong(ValueError):
    """The prompt takes `size` bytes as one line; the console reads `limit` bytes at most."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"The prompt is {size} bytes as one line; the console reads {limit} bytes at most.")
        self.size = size
        self.limit = limit
