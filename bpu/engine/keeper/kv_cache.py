"""Describes what the console's KV cache holds and decides how a job starts on it.

It is pure. After a turn that was abandoned, cut or failed the content is unknown, so the next job starts on an empty
cache: no word of one conversation may reach another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bpu.engine.capabilities import Capabilities


class StartMode(str, Enum):
    """How a job starts.

    It starts on the cache as it is, on an empty one, after `reset`, or on a new process.
    """

    CONTINUE = "continue"
    EMPTY = "empty"
    RESET = "reset"
    RESTART = "restart"


@dataclass(frozen=True)
class Cache:
    """Content of the KV cache: `digest` of a whole conversation and its `tokens`.

    If `known` is False, it may have any content. `job` is the id of the job whose answer ends the conversation.
    """

    digest: str = ""
    tokens: int = 0
    known: bool = True
    job: str = ""

    @property
    def empty(self) -> bool:
        """Whether the cache is known to hold nothing."""
        return self.known and self.tokens == 0 and not self.digest


EMPTY = Cache()
UNKNOWN = Cache(known=False)
#: The part of the context that a continued turn leaves free, because `Cache.tokens` is only nearly exact.
MARGIN = 1 / 32


def choose_start(
    cache: Cache, capabilities: Capabilities, *, prefix_digest: str, continuation_tokens: int, context: int
) -> StartMode:
    """Choose how a job starts that could continue the conversation with the digest `prefix_digest`.

    `continuation_tokens` are the tokens that a continued turn adds. A prompt that is one token longer than the cache
    makes a console abort. The tokens of a cache are known only nearly: each answer has an end token that is not in its
    text, and the console may split the text into other tokens than the tokenizer does. Hence the `MARGIN`.
    """
    if cache.empty or capabilities.stateless:
        return StartMode.EMPTY
    continued = cache.known and capabilities.retains_history and prefix_digest and prefix_digest == cache.digest
    if continued and cache.tokens + continuation_tokens < context * (1 - MARGIN):
        return StartMode.CONTINUE
    return StartMode.RESET if capabilities.reset_works else StartMode.RESTART


def must_discard(cache: Cache, capabilities: Capabilities) -> bool:
    """Whether no later job can use this cache.

    It should then be emptied before a job waits for that.
    """
    if cache.empty or capabilities.stateless:
        return False
    return not (cache.known and cache.digest and capabilities.retains_history)
