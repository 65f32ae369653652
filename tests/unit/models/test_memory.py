"""Whether pools hold a model: the sizes that were measured on boards, and the rule for others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.board.fits import usable_sizes
from bpu.board.modes import S100, S600
from bpu.models.memory import Fit, Need, fit, need_of_file, smallest_mode
from bpu.models.names import read_name

MODES = {
    "S100": {name: usable_sizes(mode.sizes) for name, mode in S100.items()},
    "S600": {name: usable_sizes(mode.sizes) for name, mode in S600.items()},
}
QWEN3 = "Qwen3-{}_language_chunk_512_cache_{}_w4_nash-p_corenum_4_4.hbm"


@pytest.mark.parametrize(
    ("file", "cache", "size", "measured"),
    [
        ("1.7B", 4096, 1_827_743_336, 3_734_503_424),
        ("4B", 4096, 3_326_941_192, 6_686_113_792),
        ("8B", 4096, 5_703_561_320, 9_417_129_984),
    ],
)
def test_the_rule_is_near_what_was_measured(file: str, cache: int, size: int, measured: int) -> None:
    need = need_of_file(size, read_name(QWEN3.format(file, cache)))
    assert need.largest == size
    assert 0.95 < need.total / measured < 1.1


def test_a_file_of_the_s100_is_one_buffer() -> None:
    assert need_of_file(5, read_name("DeepSeek_R1_Distill_Qwen_1.5B_4096.hbm")) == Need(5, 5, "file")


@pytest.mark.parametrize(
    ("board", "total", "largest", "mode", "sure"),
    [
        ("S100", 2_234_994_104, 2_234_994_104, "balanced", True),
        ("S100", 2_900_000_000, 2_900_000_000, "bpu_large", True),
        # 7B: the vendor's preset holds it in all, no pool alone.
        ("S100", 7_928_846_896, 7_928_846_896, "bpu_large", False),
        ("S600", 9_417_129_984, 5_703_561_320, "balanced", True),
        ("S600", 3_734_503_424, 1_827_743_336, "default", True),
    ],
)
def test_the_smallest_mode_that_holds_it(board: str, total: int, largest: int, mode: str, sure: bool) -> None:
    found = smallest_mode(Need(total, largest, "file"), MODES[board])
    assert found is not None
    assert (found[0] if found[0] != "cpu_first" else "default", found[1] is Fit.FITS) == (mode, sure)


def test_no_mode_is_better_than_one_that_leaves_linux_nothing() -> None:
    assert smallest_mode(Need(8 << 30, 1 << 30, "file"), MODES["S100"], most=8 << 30) is None
    assert smallest_mode(Need(99 << 30, 1, "file"), MODES["S600"]) is None


@given(st.integers(1, 1 << 34), st.integers(1, 1 << 34), st.lists(st.integers(1, 1 << 33), min_size=1, max_size=4))
def test_more_memory_never_fits_less(total: int, largest: int, pools: list[int]) -> None:
    order = [Fit.TOO_LARGE, Fit.PERHAPS, Fit.FITS]
    need = Need(total, min(total, largest), "file")
    assert order.index(fit(need, [size * 2 for size in pools])) >= order.index(fit(need, pools))
    assert order.index(fit(need, [*pools, 1])) >= order.index(fit(need, pools))
