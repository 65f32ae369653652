"""Waits in tests for a condition, or for a span of time.

The span is itself what a test is about. Nothing else in the tests sleeps (`tests/repo/test_tests.py`): a blind sleep is
too short here and too long elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(
    condition: Callable[[], Any],
    *,
    seconds: float = 20.0,
    what: str = "",
    every: float = 0.01,
    sleep: Callable[[float], Any] = time.sleep,
) -> Any:
    """The first true value of `condition`; fails when there is none in `seconds`.

    It is looked at `every` so many seconds: a look that costs the processor much takes it from what is waited for.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} seconds: {what or condition}")
        sleep(every)
    return value


def let_pass(seconds: float) -> None:
    """Let time pass: up to a moment of chance, or while something is counted.

    No test waits for anything by it.
    """
    time.sleep(seconds)
