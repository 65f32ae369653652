"""The planner of the memory pools: for any memory map a plan is sound, or there is none."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bpu.board.errors import BoardError
from bpu.board.fdt import parse
from bpu.board.layout import parse_request
from bpu.board.modes import MODES, modes_for
from bpu.board.pools import ALIGNMENT, Plan, faults, plan
from bpu.board.regions import Fixed, Floating, MemoryMap, Pool, Span, holes, merge, read_map
from bpu.board.sizes import GIB, MIB
from tests.unit.board.device import Board

HEAPS = ("cma_reserved", "carveout", "ion_cma", "ion_uncache")
UNITS = st.integers(1, 40).map(lambda count: count * ALIGNMENT)


@st.composite
def maps(draw: st.DrawFn) -> MemoryMap:
    """Any sound map: one or two banks of RAM, up to four pools, regions of others anywhere, also unaligned."""
    ram = [Span(0x80000000, draw(st.integers(16, 200)) * ALIGNMENT)]
    if draw(st.booleans()):
        ram.append(Span(0x400000000, draw(st.integers(16, 400)) * ALIGNMENT))
    taken: list[Span] = []

    def place(size: int, alignment: int) -> Span | None:
        bank = draw(st.sampled_from(ram))
        if bank.size < size:
            return None
        start = bank.start + draw(st.integers(0, (bank.size - size) // alignment)) * alignment
        span = Span(start, size)
        return None if any(span.overlaps(other) for other in taken) else span

    pools = []
    for heap in HEAPS[: draw(st.integers(1, 4))]:
        span = place(draw(UNITS), draw(st.sampled_from([ALIGNMENT, 4096])))
        if span is not None:
            pools.append(Pool(f"ion_{heap}@0", heap, span))
            taken.append(span)
    fixed = []
    for number in range(draw(st.integers(0, 5))):
        span = place(draw(st.integers(1, 64 * 1024)) * 4096, 4096)
        if span is not None:
            fixed.append(Fixed(f"other{number}", span))
            taken.append(span)
    floating = []
    for number in range(draw(st.integers(0, 2))):
        within = (draw(st.sampled_from(ram)),) if draw(st.booleans()) else ()
        floating.append(Floating(f"cma{number}", draw(UNITS), ALIGNMENT, within))
    return MemoryMap(merge(ram), tuple(sorted(pools, key=lambda pool: pool.span)), tuple(fixed), tuple(floating))


def finds_a_hole(region: Floating, memory: MemoryMap) -> bool:
    """Whether the kernel could place it if it were the only one."""
    taken = [*(pool.span for pool in memory.pools), *(part.span for part in memory.fixed)]
    free = holes(region.within or memory.ram, taken)
    bases = [(-(-hole.start // region.alignment) * region.alignment, hole.end) for hole in free]
    return any(base + region.size <= end for base, end in bases)


@st.composite
def size_requests(draw: st.DrawFn, memory: MemoryMap) -> dict[str, int]:
    names = [pool.name for pool in memory.pools]
    return {name: draw(UNITS) for name in draw(st.lists(st.sampled_from(names), min_size=1, unique=True))}


def planned(memory: MemoryMap, sizes: dict[str, int]) -> Plan | None:
    try:
        return plan(memory, sizes, linux_room=8 * ALIGNMENT, kernel_room=4 * ALIGNMENT)
    except BoardError as error:
        if error.key not in ("ion.no_room", "ion.no_linux_room"):
            raise
        return None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_plan_is_sound(data: st.DataObject) -> None:
    memory = data.draw(maps())
    assume(memory.pools)
    sizes = data.draw(size_requests(memory))
    made = planned(memory, sizes)
    if made is None:
        return
    after = made.after
    # Nobody else's memory is moved, shrunk or touched, and no pool appears, disappears or changes its name.
    assert (after.ram, after.fixed, after.floating) == (memory.ram, memory.fixed, memory.floating)
    assert {pool.node for pool in after.pools} == {pool.node for pool in memory.pools}
    spans = [pool.span for pool in after.pools] + [region.span for region in after.fixed]
    new = [pool.span for pool in after.pools]
    for one, other in itertools.combinations(spans, 2):
        assert not (one.overlaps(other) and (one in new or other in new))
    for old in memory.pools:
        pool = after.pool(old.node)
        assert pool is not None
        assert any(bank.start <= pool.span.start and pool.span.end <= bank.end for bank in memory.ram)
        assert pool.span.size == sizes.get(old.name, old.span.size)
        assert pool == old or pool.span.start % ALIGNMENT == 0
    assert faults(after) == []
    # What the kernel places by itself finds a hole after the change if it found one before.
    assert all(finds_a_hole(region, after) for region in after.floating if finds_a_hole(region, memory))
    # Nothing moves for nothing.
    unchanged = all(sizes.get(pool.name, pool.span.size) == pool.span.size for pool in memory.pools)
    assert not (unchanged and made.changes)


def packs(sizes: list[int], memory: MemoryMap, taken: list[Span]) -> bool:
    """Whether there is any place for pools of these sizes: by brute force over every aligned address, low to high."""
    if not sizes:
        return True
    for index, size in enumerate(sizes):
        rest = sizes[:index] + sizes[index + 1 :]
        spots = (Span(base, size) for bank in memory.ram for base in range(bank.start, bank.end - size + 1, ALIGNMENT))
        free = next((span for span in spots if not any(span.overlaps(other) for other in taken)), None)
        if free is not None and packs(rest, memory, [*taken, free]):
            return True
    return False


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_where_there_is_a_place_a_plan_is_found(data: st.DataObject) -> None:
    memory = replace(data.draw(maps()), floating=())
    assume(memory.pools)
    sizes = data.draw(size_requests(memory))
    wanted = [sizes.get(pool.name, pool.span.size) for pool in memory.pools]
    assume(all(size % ALIGNMENT == 0 for size in wanted))
    room = packs(wanted, memory, [region.span for region in memory.fixed])
    try:
        plan(memory, sizes, linux_room=0, kernel_room=0)
    except BoardError:
        assert not room
    else:
        assert room or all(sizes[name] == memory.pool(name).span.size for name in sizes)  # type: ignore[union-attr]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_there_and_back_is_where_it_was_or_as_large(data: st.DataObject) -> None:
    memory = data.draw(maps())
    assume(memory.pools)
    made = planned(memory, data.draw(size_requests(memory)))
    assume(made is not None)
    assert made is not None
    back = planned(made.after, {pool.name: pool.span.size for pool in memory.pools})
    if back is not None:
        assert sorted((pool.node, pool.span.size) for pool in back.after.pools) == sorted(
            (pool.node, pool.span.size) for pool in memory.pools
        )


@settings(max_examples=100, deadline=None)
@given(maps())
def test_the_present_sizes_are_no_change(memory: MemoryMap) -> None:
    assume(memory.pools)
    made = planned(memory, {pool.name: pool.span.size for pool in memory.pools})
    assert made is None or made.changes == []


@pytest.fixture(params=["s100", "s600"])
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, MemoryMap]:
    tree = parse(Board(tmp_path, request.param).tree.read_bytes())
    return tree.root.text("model"), read_map(tree)


@pytest.mark.parametrize("name", MODES)
def test_every_mode_fits_the_boards(layout: tuple[str, MemoryMap], name: str) -> None:
    model, memory = layout
    if (mode := modes_for(model).get(name)) is None:
        assert (name, "S600" in model) == ("bpu_large", True)
        return
    after = plan(memory, mode.sizes).after
    assert {pool.name: pool.span.size for pool in after.pools} == mode.sizes
    assert faults(after) == []
    home = plan(after, modes_for(model)["default"].sizes).after
    assert home.total == memory.total


def test_bpu_first_is_3_75_gib_and_one_pool_holds_the_model(tmp_path: Path) -> None:
    memory = read_map(parse(Board(tmp_path).tree.read_bytes()))
    after = plan(memory, modes_for("D-Robotics RDK S100 V1P1")["bpu_first"].sizes).after
    assert after.total == 3840 * MIB
    # The model file of the facts: 2,234,994,104 bytes in one piece.
    assert max(pool.span.size for pool in after.pools) >= 2_234_994_104
    assert [(pool.name, pool.span.start) for pool in after.pools] == [
        ("ion_reserved", 0x400000000),
        ("ion_carveout", 0x440000000),
        ("ion_cma", 0x4D0000000),
    ]


def test_a_region_in_the_way_is_gone_round(tmp_path: Path) -> None:
    memory = read_map(parse(Board(tmp_path, "s600").tree.read_bytes()))
    after = plan(memory, {"ion_carveout": 3 * GIB}).after
    firmware = next(region.span for region in memory.fixed if region.name.startswith("firmware"))
    assert not any(pool.span.overlaps(firmware) for pool in after.pools)
    assert after.pool("ion_reserved") == memory.pool("ion_reserved")


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"ion_carveout": 11 * GIB}, "would leave Linux"),
        ({"ion_carveout": 5 * MIB}, "multiple of 4 MiB"),
        ({"ion_carveout": 0}, "more than nothing"),
        ({"ion_nothing": GIB}, "This board has: ion_reserved, ion_carveout, ion_cma"),
        ({"ion_carveout": 8704 * MIB, "ion_reserved": 1640 * MIB}, "no place"),
    ],
)
def test_what_cannot_be_is_said_with_its_numbers(tmp_path: Path, sizes: dict[str, int], words: str) -> None:
    memory = read_map(parse(Board(tmp_path).tree.read_bytes()))
    with pytest.raises(BoardError, match=words):
        plan(memory, sizes)


def test_a_region_without_a_place_now_is_no_obstacle(tmp_path: Path) -> None:
    """A kernel that cannot place a region boots all the same, so a plan must not fail for what it did not cause."""
    memory = read_map(parse(Board(tmp_path).tree.read_bytes()))
    nowhere = Floating("cma", GIB, MIB, (Span(0, 64 * MIB),))
    assert plan(replace(memory, floating=(nowhere,)), {"ion_carveout": GIB}).changes
    kept = Span(0x4_8000_0000, GIB)
    after = plan(replace(memory, floating=(Floating("cma", GIB, MIB, (kept,)),)), {"ion_carveout": GIB}).after
    assert not any(pool.span.overlaps(kept) for pool in after.pools)


def test_requests_are_modes_sizes_or_both() -> None:
    s100 = "D-Robotics RDK S100 V1P1"
    assert parse_request(["bpu_first"], s100).sizes["ion_carveout"] == 2304 * MIB
    assert parse_request(["carveout=1G", "ion_cma=256M"], "PC").sizes == {"carveout": GIB, "ion_cma": 256 * MIB}
    mixed = parse_request(["balanced", "ion_cma=512M"], s100)
    assert mixed.sizes == {"ion_reserved": 512 * MIB, "ion_carveout": 2304 * MIB, "ion_cma": 512 * MIB}
    # The vendor's switch knows modes alone.
    assert mixed.name == ""
    for words in (["much"], ["bpu_first", "much"], []):
        with pytest.raises(BoardError, match="neither a mode"):
            parse_request(words, s100)
    with pytest.raises(BoardError, match="No sizes of modes are known"):
        parse_request(["bpu_first"], "Somebody's board")
