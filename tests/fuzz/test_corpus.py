"""Replays the fuzzer's findings and its seeds, without atheris, and shows that the properties notice what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bpu.console.answer import Answer
from bpu.console.events import Done, RunError
from bpu.console.outside import Between
from bpu.console.parser import Parser, State
from tests.fuzz.__main__ import CORPUS, seeds
from tests.fuzz.properties import Run, as_written, check, single_bytes, whole
from tests.fuzz.script import parse

FINDINGS = sorted(CORPUS.iterdir())


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
def test_a_finding_is_mended(path: Path) -> None:
    check(path.read_bytes())


def test_the_properties_hold_of_what_the_fuzzer_begins_with() -> None:
    for seed in seeds():
        check(seed)
