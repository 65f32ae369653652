"""Device trees: what dtc made is read as it was written, what is broken is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpu.board.errors import BoardError
from bpu.board.fdt import live_tree, parse
from bpu.board.layout import live_map, next_layout
from bpu.board.regions import Span, read_map, read_ram
from bpu.board.sizes import GIB, MIB
from tests.unit.board.device import Board, compile_tree


@pytest.fixture
def blob(tmp_path: Path) -> bytes:
    return Board(tmp_path).tree.read_bytes()


def test_reads_what_dtc_wrote(blob: bytes) -> None:
    tree = parse(blob)
    assert tree.root.text("model") == "D-Robotics RDK S100 V1P1"
    assert tree.root.number("#address-cells", 0) == 2
    assert tree.reservations == ((0x80000000, 0x10000),)
    reserved = tree.root.child("reserved-memory")
    assert reserved is not None
    carveout = reserved.child("ion_carveout")
    assert carveout is not None
    assert carveout.cells("reg") == [4, 0x40000000, 0, 0x20000000]
    assert carveout.name == "ion_carveout@3BE00000"
    assert read_ram(tree) == (Span(0x80000000, 2 * GIB), Span(0x400000000, 10 * GIB))


def test_the_map_separates_pools_from_other_regions(blob: bytes) -> None:
    memory = read_map(parse(blob))
    assert [(pool.name, pool.heap, pool.span.start, pool.span.size) for pool in memory.pools] == [
        ("ion_reserved", "cma_reserved", 0x400000000, GIB),
        ("ion_carveout", "carveout", 0x440000000, 512 * MIB),
        ("ion_cma", "ion_cma", 0x460000000, 512 * MIB),
    ]
    # A region of two stretches is two regions; what the kernel places by itself has only a size.
    assert [region.name for region in memory.fixed].count("rpmsg@a0000000") == 2
    assert [(region.name, region.size) for region in memory.floating] == [("linux,cma", 128 * MIB)]
    assert memory.total == 2 * GIB


def test_the_kernels_live_tree_says_the_same_as_the_file(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.boots()
    live, written = live_map(tmp_path), read_map(parse(board.tree.read_bytes()))
    assert live is not None
    assert (live.ram, live.pools, live.floating) == (written.ram, written.pools, written.floating)
    # The folder of a live tree has no order, and reservations outside of nodes are not in it.
    assert {*live.fixed} == {region for region in written.fixed if region.name != "/memreserve/"}
    assert live_map(tmp_path / "nowhere") is None
    with pytest.raises(BoardError):
        live_tree(tmp_path / "nowhere")


def test_ram_is_taken_from_the_running_system_of_the_same_board_only(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.boots()
    board.file("proc/device-tree/memory@80000000/reg", (0x80000000).to_bytes(8, "big") + (16 * GIB).to_bytes(8, "big"))
    assert next_layout(board.tree, tmp_path).memory.ram == (Span(0x80000000, 16 * GIB),)
    board.file("proc/device-tree/model", b"Somebody's PC\0")
    assert len(next_layout(board.tree, tmp_path).memory.ram) == 2


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_tree_is_refused_or_read_but_never_a_crash(data: st.DataObject) -> None:
    blob = bytearray(DAMAGED)
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(blob)))
    for candidate in (bytes(blob), bytes(blob[:cut])):
        try:
            read = read_map(parse(candidate))
        except BoardError:
            continue
        assert all(span.size > 0 for span in read.ram)


def _small_tree() -> bytes:
    import tempfile

    text = """/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; memory@0 { reg = <0 0x1000>; };
    reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges; p@0 { compatible = "ion-cma"; reg = <0 16>; };
    }; };"""
    with tempfile.TemporaryDirectory() as folder:
        return compile_tree(text, Path(folder) / "small.dtb").read_bytes()


DAMAGED = _small_tree()


@pytest.mark.parametrize("blob", [b"", b"\xd0\x0d\xfe\xed", b"not a tree" * 20], ids=["empty", "magic only", "text"])
def test_what_is_no_tree_says_so(blob: bytes) -> None:
    with pytest.raises(BoardError, match="not a device tree"):
        parse(blob)


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("", "reserves no memory"),
        ("reserved-memory { ranges = <0 1 2 3>; };", "translated"),
        ('reserved-memory { ranges; p { compatible = "ion-cma"; size = <0 1>; }; };', "exactly one address"),
    ],
)
def test_what_cannot_be_planned_safely_is_refused(tmp_path: Path, inside: str, words: str) -> None:
    blob = compile_tree(f"/dts-v1/; / {{ {inside} }};", tmp_path / "a.dtb").read_bytes()
    with pytest.raises(BoardError, match=words):
        read_map(parse(blob))
