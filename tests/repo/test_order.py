"""Tests in which order several processes run the tests."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.order import deal


class Item(NamedTuple):
    """What is read of a test."""

    path: Path
    name: str


def items(**counts: int) -> list[Any]:
    return [
        Item(Path("tests", *name.split("_"), "test_it.py"), f"test_{number}")
        for name, count in counts.items()
        for number in range(count)
    ]


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_each_part_begins_with_whole_slow_files_and_no_test_is_lost(parts: int) -> None:
    given = items(live_a=5, live_b=40, live_c=7, live_d=1, unit_x=300, unit_y=211)
    dealt = deal(given, parts)
    assert Counter(dealt) == Counter(given)
    files = [item.path for item in dealt]
    assert sum(one != other for one, other in pairwise(files)) <= 5 + parts, "a file is torn"
    begins, left = [0], len(given)
    for number in range(parts - 1):
        begins.append(begins[-1] + left // (parts - number))
        left -= left // (parts - number)
    assert ["live" in files[at].parts for at in begins] == [True] * min(parts, 4) + [False] * (parts - 4)


def test_more_slow_tests_than_a_part_holds() -> None:
    given = items(live_a=50, unit_x=2)
    assert Counter(deal(given, 8)) == Counter(given)
