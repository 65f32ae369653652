"""Sizes as people write and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.board.errors import BoardError
from bpu.board.sizes import GIB, MIB, address, human, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("3.75G", 3840 * MIB), ("512M", 512 * MIB), ("512 MiB", 512 * MIB), ("0x20000000", 512 * MIB), ("12", 12),
     ("4kb", 4096), ("1g", GIB)],
)  # fmt: skip
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "1.3", "-4M", "4T", "0x", "1..2G"])
def test_what_is_no_size_is_named(text: str) -> None:
    with pytest.raises(BoardError, match="not a size"):
        parse_size(text)


@given(st.integers(0, 4096))
def test_what_is_shown_can_be_typed(count: int) -> None:
    assert parse_size(human(count * 256 * MIB)) == count * 256 * MIB


def test_small_and_large_are_readable() -> None:
    assert [human(size) for size in (0, 12, 65536, 512 * MIB, 3840 * MIB)] == [
        "0 B", "12 B", "64 KiB", "512 MiB", "3.75 GiB",
    ]  # fmt: skip
    assert address(0x440000000) == "0x4_4000_0000"
