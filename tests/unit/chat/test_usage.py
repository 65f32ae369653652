"""Counts and speeds: whose numbers win, and that they add up."""

from __future__ import annotations

import pytest

from bpu.chat.usage import usage
from bpu.console.events import Stats
from bpu.turn import Timing, Turn
from tests.support.checker import check_usage

TURN = Turn(b"", 100)


def test_43_without_any_measurement_the_rendering_counts() -> None:
    one = usage(TURN, Timing(), Stats(), completion=10, reasoning=4)
    check_usage(one.body())
    assert (one.prompt_tokens, one.cached_tokens, one.reasoning_tokens) == (100, 0, 4)
    assert one.timings()["prompt_per_second"] == 0.0


def test_43_a_chat_that_continues_counts_what_the_cache_holds() -> None:
    one = usage(TURN, Timing(cached_tokens=150, prompt_tokens=8), Stats(), completion=10, reasoning=0)
    body = one.body()
    check_usage(body)
    assert (body["prompt_tokens"], body["prompt_cache_hit_tokens"], body["prompt_cache_miss_tokens"]) == (158, 150, 8)
    assert one.timings()["cache_n"] == 150
    assert one.timings()["prompt_n"] == 8


@pytest.mark.parametrize(
    ("stats", "prompt_ms", "predicted_ms"),
    [
        (Stats(), 500.0, 2000.0),
        (Stats(prefill_per_second=1000.0, decode_per_second=20.0), 100.0, 500.0),
        (Stats(prefill_ms=123.0, decode_ms_per_token=50.0), 123.0, 500.0),
        (Stats(prefill_per_second=0.0, decode_per_second=0.0), 500.0, 2000.0),
    ],
)
def test_the_consoles_own_speeds_win(stats: Stats, prompt_ms: float, predicted_ms: float) -> None:
    one = usage(TURN, Timing(prefill_s=0.5, decode_s=2.0), stats, completion=10, reasoning=0)
    assert (one.prompt_ms, one.predicted_ms) == (prompt_ms, predicted_ms)


def test_the_consoles_own_count_is_in_the_timings() -> None:
    timings = usage(TURN, Timing(), Stats(decode_tokens=11, decode_per_second=10), completion=10, reasoning=0).timings()
    assert timings["predicted_n"] == 11
    assert timings["predicted_per_second"] == 10.0
    assert timings["predicted_per_token_ms"] == 100.0


def test_reasoning_never_exceeds_the_whole() -> None:
    check_usage(usage(TURN, Timing(), Stats(), completion=3, reasoning=4).body())
