"""The events that the parser emits, as frozen values that compare by content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True)
class Ready:
    """The first prompt: the model is loaded. `banner` is the console's greeting, prompt excluded."""

    banner: str = ""


@dataclass(frozen=True)
class Echo:
    """The console has repeated the prompt and begins to answer.

    It holds a user's text: never log it.
    """

    text: str = ""


@dataclass(frozen=True)
class Text:
    """A piece of the model's text without markers, colours and special tokens. Never empty."""

    text: str


@dataclass(frozen=True)
class Stats:
    """The console's own figures for the turn; None for each that it did not print.

    `vit_ms` is the time of its vision model.
    """

    prefill_tokens: int | None = None
    prefill_ms: float | None = None
    prefill_per_second: float | None = None
    decode_tokens: int | None = None
    decode_ms_per_token: float | None = None
    decode_per_second: float | None = None
    vit_ms: float | None = None


@dataclass(frozen=True)
class Done:
    """The prompt has come back.

    The turn ended naturally, and the next line may be written.
    """


@dataclass(frozen=True)
class Overrun:
    """The model continued after its end-of-turn or role token.

    The rest of the turn is dropped.
    """


@dataclass(frozen=True)
class RunError:
    """The console reports that the turn failed.

    No prompt may follow, so the process must not be used again.
    """

    line: str


@dataclass(frozen=True)
class Log:
    """A whole line that looks like a library's.

    A model can print one, so it may be shown only while loading.
    """

    line: str


Event = Union[Ready, Echo, Text, Stats, Done, Overrun, RunError, Log]
