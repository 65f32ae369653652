"""The map of a board's memory: spans, holes, and what a device tree says of RAM, pools and other regions."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.board.errors import BoardError
from bpu.board.fdt import Tree, parse
from bpu.board.regions import Floating, Span, holes, join, merge, read_map, split
from tests.unit.board.device import compile_tree


@given(st.integers(0, 2**64 - 1))
def test_cells_are_split_and_joined(value: int) -> None:
    assert join(split(value, 2)) == value


SPANS = st.lists(st.builds(Span, st.integers(0, 60), st.integers(0, 20)), max_size=6)


def addresses(spans: Iterable[Span]) -> set[int]:
    return {address for span in spans for address in range(span.start, span.end)}


@given(SPANS)
def test_merged_spans_hold_the_same_addresses_sorted_and_apart(spans: list[Span]) -> None:
    merged = merge(spans)
    assert addresses(merged) == addresses(spans)
    assert all(one.end < other.start for one, other in pairwise(merged)), "spans that touch are one"


@given(SPANS, SPANS)
def test_holes_are_what_is_left(spans: list[Span], taken: list[Span]) -> None:
    assert addresses(holes(spans, taken)) == addresses(spans) - addresses(taken)


@given(st.builds(Span, st.integers(0, 9), st.integers(1, 9)), st.builds(Span, st.integers(0, 9), st.integers(1, 9)))
def test_spans_overlap_and_hold_each_other_by_their_addresses(one: Span, other: Span) -> None:
    assert one.overlaps(other) is bool(addresses([one]) & addresses([other]))
    assert one.holds(other) is (addresses([other]) <= addresses([one]))


TREE = """\
/dts-v1/;
/memreserve/ 0x90000000 0x1000;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    memory@80000000 { reg = <0x0 0x80000000 0x0 0x10000000>, <0x0 0x90000000 0x0 0x10000000>; };
    reserved-memory {
        #address-cells = <2>;
        #size-cells = <2>;
        ranges;
        ion_carveout@1 { compatible = "ion-carveout"; reg = <0x0 0x98000000 0x0 0x1000000>; };
        ion_cma@0 { compatible = "ion-cma"; reg = <0x0 0x84000000 0x0 0x2000000>; };
        ion_off@2 { compatible = "ion-pool"; status = "disabled"; reg = <0x0 0x86000000 0x0 0x1000000>; };
        firmware@3 { reg = <0x0 0x8a000000 0x0 0x1000>, <0x0 0x8b000000 0x0 0x0>; };
        linux,cma { size = <0x0 0x400000>; alignment = <0x0 0x200000>; alloc-ranges = <0x0 0x80000000 0x0 0x8000000>; };
    };
};
"""


def tree(folder: Path, text: str = TREE) -> Tree:
    return parse(compile_tree(text, folder / "board.dtb").read_bytes())


def test_the_map_of_a_tree_has_ram_pools_fixed_and_floating_regions(tmp_path: Path) -> None:
    memory = read_map(tree(tmp_path))
    assert memory.ram == (Span(0x80000000, 0x20000000),), "two spans that touch are one"
    assert [(pool.name, pool.heap, pool.span.start) for pool in memory.pools] == [
        ("ion_cma", "ion_cma", 0x84000000),
        ("ion_carveout", "carveout", 0x98000000),
    ], "by address, and without the one that is disabled"
    assert memory.total == 0x3000000
    assert {(one.name, one.span) for one in memory.fixed} == {
        ("ion_off@2", Span(0x86000000, 0x1000000)),
        ("firmware@3", Span(0x8A000000, 0x1000)),
        ("/memreserve/", Span(0x90000000, 0x1000)),
    }
    assert memory.floating == (Floating("linux,cma", 0x400000, 0x200000, (Span(0x80000000, 0x8000000),)),)


@pytest.mark.parametrize("name", ["ion_cma", "ion_cma@0", "carveout", "ion_carveout"])
def test_a_pool_is_found_by_its_name_its_node_and_its_heap(tmp_path: Path, name: str) -> None:
    found = read_map(tree(tmp_path)).pool(name)
    assert found is not None
    assert name in (found.name, found.node, found.heap)


def test_ram_that_the_boot_loader_filled_in_replaces_the_tree_s(tmp_path: Path) -> None:
    ram = (Span(0x80000000, 0x40000000),)
    assert read_map(tree(tmp_path), ram=ram).ram == ram


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("reserved-memory {", "other-memory {", "ion.no_reserved_memory"),
        ("        ranges;", "        ranges = <0x0 0x0 0x0 0x0 0x0 0x1000>;", "ion.translated"),
        ("reg = <0x0 0x84000000 0x0 0x2000000>", "reg = <0x0 0x84000000 0x0 0x0>", "ion.pool_without_reg"),
    ],
)
def test_memory_that_cannot_be_planned_safely_is_refused(tmp_path: Path, old: str, new: str, key: str) -> None:
    with pytest.raises(BoardError) as caught:
        read_map(tree(tmp_path, TREE.replace(old, new)))
    assert caught.value.key == key
