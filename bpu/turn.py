"""What passes between the chat packages and the engine.

`Turn` goes to the engine, the other values come from it. An `EventSink` is what the engine calls with them. All of it
is pure, so that neither side imports the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from bpu.console.events import Event

Phase = Literal["queued", "loading", "checking", "prefill", "decode"]


@dataclass(frozen=True)
class Turn:
    """One turn at the console.

    The whole conversation and, if it may continue one, only its last message. `line` (the whole conversation) and
    `continuation_line` (the last message) are each encoded as one line, without the newline. `tokens` counts the whole
    prompt, template included; `continuation_tokens` only what `continuation_line` adds. `prefix_digest` is the digest
    of the conversation that must be in the KV cache for `continuation_line` to be valid; empty: this turn can only
    begin a conversation. `images` are paths of files.
    """

    line: bytes
    tokens: int
    continuation_line: bytes = b""
    continuation_tokens: int = 0
    prefix_digest: str = ""
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """Reports that the job still waits, so that the response can send a keep-alive.

    `position` is the place in the queue, 0 for the running job. `detail` describes the wait beyond its phase, or is "".
    """

    phase: Phase
    position: int = 0
    detail: str = ""


@dataclass(frozen=True)
class Timing:
    """Measured times of one job in seconds; 0 for what has not happened.

    `cached_tokens` were already in the console's cache, `prompt_tokens` were written for this turn. `image_s` is the
    time from the written paths of images to the prompt after them, `vit_ms` the console's own figure of its vision
    model in milliseconds.
    """

    queued_s: float = 0.0
    load_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    cached_tokens: int = 0
    prompt_tokens: int = 0
    image_s: float = 0.0
    vit_ms: float | None = None


@dataclass(frozen=True)
class TimeLimitReached:
    """The job has reached its time limit: the text so far is the cut answer.

    No error, and no event follows.
    """


class EventSink(Protocol):
    """Makes of a job's events what a client is sent.

    The engine calls it; the request's greenlet takes its output.
    """

    @property
    def has_ended(self) -> bool:
        """Whether the answer is over, so that no further event is wanted."""

    def on_event(self, event: Event | Progress | TimeLimitReached) -> bool:
        """Handle an event; return whether there is output for the client.

        It mostly runs in the event loop, so it must not wait. What it raises ends the answer.
        """
