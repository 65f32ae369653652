"""The soak itself works: a very short one finds nothing, and it would say what has grown."""

from __future__ import annotations

import pytest

from tests.soak import held
from tests.soak.__main__ import main


@pytest.mark.long
@pytest.mark.live
@pytest.mark.parametrize("settings", [(), ("--auto",)])
def test_a_short_soak_finds_nothing(settings: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--jobs", "40", "--seed", "1", *settings]) == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    assert "| worker 2 | descriptors |" in said
    assert "Nothing has grown" in said


def test_what_has_grown_is_named() -> None:
    before = {("keeper", "descriptors"): 13.0, ("worker 1", held.MEMORY): 44.0}
    after = {("keeper", "descriptors"): 14.0, ("worker 1", held.MEMORY): 49.0, ("worker 1", "jobs"): 1.0}
    assert held.growth(before, before) == []
    assert held.growth(before, after) == [
        "keeper: descriptors 13 -> 14",
        f"worker 1: {held.MEMORY} 44 -> 49",
        "worker 1: jobs 0 -> 1",
    ]
    assert len(held.growth(before, after, memory=False)) == 2
