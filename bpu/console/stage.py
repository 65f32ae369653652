"""What the stages of a console's output have in common; each stage reads the bytes of one or two states.

A stage knows neither the states nor the other stages: it emits events, and the parser follows them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from bpu.console.events import Event

Emit = Callable[[Event], None]


class Pending(Enum):
    """What silence would decide; the value is how long it must last at least, in seconds, whatever the pace.

    A prompt on a line of its own is what ends a turn; in the middle of a line it is rather the model's. `run
    error` may be the beginning of a sentence, and within a line it nearly always is.
    """

    PROMPT = 0.25
    PROMPT_UNUSUAL = 2.0
    PROMPT_WITHIN_LINE = 2.5
    RUN_ERROR = 1.0
    RUN_ERROR_WITHIN_LINE = 5.0


class Stage:
    """Reads cleaned bytes; this one ignores them, and every other overrides what it needs.

    `feed`, `quiet` and `end` return None while the stage goes on; when it is over, the bytes that belong to the next
    stage (maybe none), after it emitted the event that says so.
    """

    #: Whether the owner knows the time in which all came that is held back as a possible end of a turn.
    is_timed = False

    @property
    def pending(self) -> Pending | None:
        """What silence would decide now."""
        return None

    @property
    def held_size(self) -> int:
        """How many bytes are held back that may be the end of a turn."""
        return 0

    def try_plain_text(self, data: bytes) -> str | None:
        """The model's text in `data`, if it can be nothing else; None: it is for `feed`."""
        return None

    def feed(self, data: bytes, emit: Emit) -> bytes | None:
        return None

    def after_log(self) -> None:
        """A log line was taken out before what follows."""

    def quiet(self, emit: Emit) -> bytes | None:
        """Silence has come; without anything pending it means nothing."""
        return None

    def end(self, emit: Emit) -> bytes | None:
        """The pipe has come to its end."""
        return None
