"""Tests how a job starts, depending on what is known of the KV cache."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.engine.capabilities import Capabilities
from bpu.engine.keeper.kv_cache import (
    EMPTY,
    MARGIN,
    UNKNOWN,
    Cache,
    StartMode,
    choose_start,
    must_discard,
)

CHAT = Cache(digest="abc", tokens=100)
KEEPS = Capabilities(retains_history=True, reset_works=True)


@pytest.mark.parametrize(
    ("cache", "capabilities", "prefix_digest", "continuation_tokens", "start"),
    [
        (EMPTY, Capabilities(), "", 0, StartMode.EMPTY),
        (EMPTY, KEEPS, "abc", 10, StartMode.EMPTY),
        (CHAT, KEEPS, "abc", 10, StartMode.CONTINUE),
        (CHAT, KEEPS, "abd", 10, StartMode.RESET),
        (CHAT, KEEPS, "", 10, StartMode.RESET),
        (CHAT, KEEPS, "abc", 868, StartMode.CONTINUE),
        (CHAT, KEEPS, "abc", 869, StartMode.RESET),  # less than a margin from the end
        (CHAT, KEEPS, "abc", 900, StartMode.RESET),
        (CHAT, Capabilities(retains_history=True), "abc", 10, StartMode.CONTINUE),
        (CHAT, Capabilities(retains_history=True), "abd", 10, StartMode.RESTART),
        (CHAT, Capabilities(reset_works=True), "abc", 10, StartMode.RESET),
        (CHAT, Capabilities(), "abc", 10, StartMode.RESTART),
        (UNKNOWN, KEEPS, "abc", 10, StartMode.RESET),
        (UNKNOWN, KEEPS, "", 0, StartMode.RESET),
        (UNKNOWN, Capabilities(), "", 0, StartMode.RESTART),
        (UNKNOWN, Capabilities(stateless=True), "abc", 10, StartMode.EMPTY),
    ],
)
def test_how_a_job_begins(
    cache: Cache, capabilities: Capabilities, prefix_digest: str, continuation_tokens: int, start: StartMode
) -> None:
    assert (
        choose_start(
            cache, capabilities, prefix_digest=prefix_digest, continuation_tokens=continuation_tokens, context=1000
        )
        is start
    )


caches = st.builds(Cache, st.sampled_from(["", "abc", "def"]), st.integers(0, 5000), st.booleans())
capability_sets = st.builds(Capabilities, st.booleans(), st.booleans(), st.booleans())


@given(caches, capability_sets, st.sampled_from(["", "abc", "def"]), st.integers(0, 5000))
def test_only_the_same_conversation_is_ever_continued(
    cache: Cache, capabilities: Capabilities, prefix_digest: str, tokens: int
) -> None:
    start = choose_start(cache, capabilities, prefix_digest=prefix_digest, continuation_tokens=tokens, context=4096)
    if start is StartMode.CONTINUE:
        assert cache.known
        assert capabilities.retains_history
        assert prefix_digest == cache.digest != ""
        assert cache.tokens + tokens < 4096 - 4096 * MARGIN
    if start is StartMode.EMPTY:
        assert cache.empty or capabilities.stateless


@given(caches, capability_sets)
def test_a_cache_is_spent_only_when_no_job_could_use_it(cache: Cache, capabilities: Capabilities) -> None:
    if must_discard(cache, capabilities):
        for prefix_digest in ("", cache.digest):
            start = choose_start(cache, capabilities, prefix_digest=prefix_digest, continuation_tokens=1, context=10**6)
            assert start is (StartMode.RESET if capabilities.reset_works else StartMode.RESTART)


def test_a_conversation_that_may_go_on_is_kept() -> None:
    assert not must_discard(CHAT, KEEPS)
    assert must_discard(CHAT, Capabilities(reset_works=True))
    assert must_discard(UNKNOWN, KEEPS)
    assert not must_discard(EMPTY, Capabilities())
