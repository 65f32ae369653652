"""Where a trailer may begin: at every line break that the console's own words can follow, at no other."""

from __future__ import annotations

import pytest

from bpu.console.markers import FAILURE_HEADS, PROMPT, RUN_ERRORS
from bpu.console.stats import STATISTICS_HEADS
from bpu.console.trailer import LINE_BREAK

HEADS = (PROMPT, *RUN_ERRORS, *FAILURE_HEADS, *STATISTICS_HEADS)


@pytest.mark.parametrize("head", HEADS)
def test_a_line_break_before_every_beginning_of_a_head_is_found(head: bytes) -> None:
    for size in range(len(head) + 1):
        found = LINE_BREAK.search(b"The end.\n" + head[:size])
        assert found is not None
        assert found.start() == len(b"The end.")


@pytest.mark.parametrize("line", [b"The next line", b"- an item", b"1. one", "你好".encode(), b"    code"])
def test_a_line_break_within_a_text_is_passed_over(line: bytes) -> None:
    found = LINE_BREAK.search(b"One.\n" + line + b" and more")
    assert (found is None) is not line.startswith(b"  ")
