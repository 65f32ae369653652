"""The checklists have 52 items of the wire and 68 of the APIs, and each has a test with its number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

TESTS = Path(__file__).parents[1]
#: The files whose tests are named by items of the checklist of Ollama's and Anthropic's APIs and of counting.
APIS = (
    "unit/web/test_ollama.py",
    "unit/web/test_anthropic.py",
    "unit/web/test_token_counting.py",
    "live/test_apis.py",
)


def numbers(files: Iterable[Path]) -> set[int]:
    """The items that the tests in `files` name: `test_14_15_...` has two."""
    names = chain.from_iterable(re.findall(r"^def test_((?:\d\d_)+)", file.read_text(), re.MULTILINE) for file in files)
    return {int(number) for name in names for number in name.split("_") if number}


def test_no_item_of_the_wire_is_without_a_test() -> None:
    assert numbers(Path(__file__).parent.glob("test_wire_*.py")) == set(range(1, 53))


def test_no_item_of_the_apis_is_without_a_test() -> None:
    assert numbers(TESTS / name for name in APIS) == set(range(1, 69))
