"""Orders the tests for several processes: every process begins with tests that wait long, and ends with short ones.

`--dist worksteal` gives each process one part of the list and later takes from the end of the longest part. In the
order of the folders, all tests with a gateway would be in the first part, and the last of them would run alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, islice

import pytest

#: Tests below this folder start gateways and wait for them.
SLOW_FOLDER = "live"


@pytest.hookimpl(trylast=True)  # after `-m` has left tests out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal whole files with slow tests to the parts of the list."""
    workers: dict[str, int] = getattr(config, "workerinput", {})
    if workers:
        items[:] = deal(items, workers["workercount"])


def deal(items: list[pytest.Item], parts: int) -> list[pytest.Item]:
    """Return `items` in an order in which each of `parts` equal parts begins with its share of the slow files."""
    slow = [item for item in items if SLOW_FOLDER in item.path.parts]
    shares: list[list[pytest.Item]] = [[] for _ in range(parts)]
    for file in sorted(_by_file(slow), key=len, reverse=True):
        min(shares, key=len).extend(file)
    quick = iter([item for item in items if SLOW_FOLDER not in item.path.parts])
    left = len(items)
    dealt: list[pytest.Item] = []
    for number, share in enumerate(shares):
        size = left // (parts - number)  # as the scheduler cuts the list
        dealt += [*share, *islice(quick, max(0, size - len(share)))]
        left -= size
    return [*dealt, *quick]


def _by_file(items: Iterable[pytest.Item]) -> list[list[pytest.Item]]:
    return [list(file) for _, file in groupby(items, key=lambda item: item.path)]
