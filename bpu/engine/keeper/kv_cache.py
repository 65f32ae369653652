"""What the console's KV cache holds, as far as it is known, and how a job may begin on it. Pure.

Only what is known counts: a turn that was left, cut or failed leaves a cache that nobody can vouch for, and the
next job begins from one that is known to be empty. No word of one conversation may reach another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class StartMode(str, Enum):
    """How a job begins: on the cache as it is, on an empty one, after `reset`, or on a new process."""

    CONTINUE = "continue"
    EMPTY = "empty"
    RESET = "reset"
    RESTART = "restart"


@dataclass(frozen=True)
class Capabilities:
    """What may be relied on: by the settings, an examination, or public knowledge of the console."""

    retains_history: bool = False
    """A second line sees the first: history may be continued."""
    reset_works: bool = False
    """`reset` empties the cache."""
    stateless: bool = False
    """Every line is a new chat: the cache is always empty."""


@dataclass(frozen=True)
class Cache:
    """`digest` of the conversation it holds to its natural end; `tokens` in it. `known` False: anything."""

    digest: str = ""
    tokens: int = 0
    known: bool = True

    @property
    def empty(self) -> bool:
        return self.known and self.tokens == 0 and not self.digest


EMPTY = Cache()
UNKNOWN = Cache(known=False)
#: The part of the context that a continued turn leaves free: its fill is our count, not the console's.
MARGIN = 1 / 32


def choose_start(
    cache: Cache, capabilities: Capabilities, *, history: str, short_tokens: int, context: int
) -> StartMode:
    """How a job with that `history` begins; `tokens` are counted, template included.

    A prompt one token longer than the cache makes a console abort. A whole conversation is counted exactly, but the
    fill of a cache only nearly: each answer has an end token that is not in its text, and its pieces may be cut
    otherwise than the tokenizer would cut the text. So a continued turn keeps clear of the end by a `MARGIN`.
    """
    if cache.empty or capabilities.stateless:
        return StartMode.EMPTY
    continued = cache.known and capabilities.retains_history and history and history == cache.digest
    if continued and cache.tokens + short_tokens < context * (1 - MARGIN):
        return StartMode.CONTINUE
    return StartMode.RESET if capabilities.reset_works else StartMode.RESTART


def must_discard(cache: Cache, capabilities: Capabilities) -> bool:
    """Whether nothing can be done with this cache but throw it away; that is best done before anybody waits for it."""
    if cache.empty or capabilities.stateless:
        return False
    return not (cache.known and cache.digest and capabilities.retains_history)
