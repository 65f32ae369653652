"""The base class of the parser's stages.

Each stage reads the bytes of one or two states. A stage knows neither the states nor the other stages: it emits events,
and the parser changes its state by them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from bpu.console.events import Event

Emit = Callable[[Event], None]


class Pending(Enum):
    """What silence will decide; the value is its least length in seconds, at any pace.

    A prompt on a line of its own usually ends a turn; in the middle of a line it is usually the model's. `run error`
    may be the beginning of a sentence, and within a line it nearly always is.
    """

    PROMPT = 0.25
    PROMPT_UNUSUAL = 2.0
    PROMPT_WITHIN_LINE = 2.5
    RUN_ERROR = 1.0
    RUN_ERROR_WITHIN_LINE = 5.0


class Stage:
    """Reads bytes without colours and log lines.

    The base class ignores them; subclasses override what they need. `feed`, `quiet` and `end` return None while the
    stage goes on. At its end they emit an event and return the bytes that belong to the next stage, which may be empty.
    """

    #: Whether the times of all bytes are known that are held back as a possible end of a turn.
    is_timed = False

    @property
    def pending(self) -> Pending | None:
        """What silence will decide now."""
        return None

    @property
    def held_size(self) -> int:
        """How many bytes are held back that may be the end of a turn."""
        return 0

    def try_plain_text(self, data: bytes) -> str | None:
        """Return `data` as text if it can only be the model's text.

        If it returns None, `feed` must read it.
        """
        return None

    def feed(self, data: bytes, emit: Emit) -> bytes | None:
        """Take `data` and emit its events. The base class ignores it."""
        return None

    def after_log(self) -> None:
        """Note that a log line was taken out before the next bytes."""

    def quiet(self, emit: Emit) -> bytes | None:
        """Decide what is pending, because silence has come."""
        return None

    def end(self, emit: Emit) -> bytes | None:
        """Decide what is held back, because the pipe is closed."""
        return None
