"""What the chat side and the engine say to each other: a `Turn` goes down, console events and these come up.

Pure values, so that neither side imports the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["queued", "loading", "checking", "prefill", "decode"]


@dataclass(frozen=True)
class Turn:
    """One turn at the console, in its full form and, where it may continue a chat, in its short one.

    `line` and `short_line` are what is written, framed as one line, without the newline at its end.
    `tokens` counts the full rendering, template included; `short_tokens` only what `short_line` adds.
    `history` is the digest of all that the console's cache must hold for the short form to be true;
    empty: this turn can only begin a conversation.
    """

    line: bytes
    tokens: int
    short_line: bytes = b""
    short_tokens: int = 0
    history: str = ""


@dataclass(frozen=True)
class Progress:
    """A stretch of silence, so that the stream can show that it lives.

    `position` is 0 for the running job. `detail` says in words what is waited for, "" where the phase says it all.
    """

    phase: Phase
    position: int = 0
    detail: str = ""


@dataclass(frozen=True)
class Timing:
    """What the engine measured of one job; seconds on the monotonic clock, 0 for what has not happened.

    `cached_tokens` were already in the console's cache, `prompt_tokens` were written for this turn.
    """

    queued_s: float = 0.0
    load_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    cached_tokens: int = 0
    prompt_tokens: int = 0


@dataclass(frozen=True)
class TimeLimitReached:
    """The job's total time is over. What has come is the answer, cut: not an error, and nothing follows."""
