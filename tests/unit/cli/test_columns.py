"""Columns where a Chinese character takes two cells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bpu.cli._columns import cells, pad_left, pad_right, wrap

WORDS = st.text(st.sampled_from("ab /-内存池，。（"), max_size=80)


def test_a_chinese_character_takes_two_cells() -> None:
    assert cells("RAM 内存") == 8
    assert pad_right("内存", 6) == "内存  "
    assert pad_left("内存", 6) == "  内存"


def test_lines_are_broken_at_blanks_and_between_chinese_characters_alone() -> None:
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("内存不足，请重启", 8) == ["内存不", "足，请重", "启"]
    assert wrap("http://192.168.137.100:8000/v1 by name", 10) == ["http://192.168.137.100:8000/v1", "by name"]
    assert wrap("  indented", 40) == ["  indented"]
    assert wrap("", 10) == [""]


@given(WORDS, st.integers(8, 40))
def test_nothing_is_lost_and_what_can_be_broken_fits(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert cells(line.rstrip()) <= width or len(line.split()) == 1
