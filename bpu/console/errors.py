"""What goes wrong between bytes and events; plain exceptions, because faces (HTTP, exit codes) belong to others."""

from __future__ import annotations

from collections.abc import Sequence

from bpu.console.events import Event


class OutOfSync(Exception):
    """The console said something that cannot stand where it stands: end the process and never use it again.

    `events` are those found in the same piece of bytes before the offence. The message names the state and
    never holds the bytes themselves: they may be a person's words.
    """

    def __init__(self, message: str, events: Sequence[Event] = ()) -> None:
        super().__init__(message)
        self.events = list(events)


class EchoMismatch(OutOfSync):
    """What came after a line is not the console's echo of it: another turn may still be running."""


class LineTooLong(ValueError):
    """The prompt is `size` bytes as one line; the console reads `limit` bytes at most."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"The prompt is {size} bytes as one line; the console reads {limit} bytes at most.")
        self.size = size
        self.limit = limit
