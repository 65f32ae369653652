"""The deltas of an answer, as frozen values between its reading and its wire formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Union

from bpu.chat.usage import Usage
from bpu.turn import Phase

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True)
class Reasoning:
    """A piece of the reasoning without tags.

    It is never empty; all of it comes before the first content.
    """

    text: str


@dataclass(frozen=True)
class Content:
    """A piece of the answer. Never empty."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    """One whole call, checked against the tool's schema.

    `index` counts from 0; `arguments` is JSON text.
    """

    index: int
    name: str
    arguments: str


@dataclass(frozen=True)
class KeepAlive:
    """The job is still running or waiting. `position` is 0 for the running job."""

    phase: Phase
    position: int = 0


@dataclass(frozen=True)
class Finish:
    """The last delta, exactly one. `natural`: the model itself ended, and nothing was cut off.

    `stop` is the stop string that ended the answer; `context_full`: the context was full.
    """

    reason: FinishReason
    usage: Usage
    natural: bool = True
    stop: str | None = None
    context_full: bool = False


Delta = Union[Reasoning, Content, ToolCall, KeepAlive, Finish]


def as_keepalive(delta: Delta) -> KeepAlive:
    """Return `delta` if it is a keep-alive, else one that stands for it.

    It is for a delta without an event.
    """
    return delta if isinstance(delta, KeepAlive) else KeepAlive("decode")
