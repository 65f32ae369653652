"""Plans the addresses of the ION pools: contiguous, aligned, inside RAM, without overlaps. Pure.

A plan changes only pools. It keeps pools where they are if it can, moves those that must make room, and refuses a
layout that may not boot, because that costs more than a model that does not load.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from bpu.board.errors import BoardError, InvalidPoolRequest
from bpu.board.regions import Floating, MemoryMap, Pool, Span, holes
from bpu.board.sizes import GIB, MIB, human
from bpu.messages import translate

#: Contiguous allocators of kernels with 4 KiB pages need a base and a size that are multiples of 4 MiB.
ALIGNMENT = 4 * MIB
#: Kernel, initial RAM disk and device tree are loaded low; no pool is moved into that range.
KERNEL_ROOM = 512 * MIB
#: What Linux must keep of the RAM.
LINUX_ROOM = 1 * GIB


@dataclass(frozen=True)
class Plan:
    """The memory map before and after; only the pools differ."""

    before: MemoryMap
    after: MemoryMap

    @property
    def changes(self) -> list[tuple[Pool, Pool]]:
        """(old, new) of each pool whose address or size changes."""
        return [(old, new) for old, new in zip(self.before.pools, self._after(), strict=True) if old != new]

    def _after(self) -> list[Pool]:
        by_node = {pool.node: pool for pool in self.after.pools}
        return [by_node[pool.node] for pool in self.before.pools]


@dataclass(frozen=True)
class SizeRequest:
    """A pool as it is, and its requested size in bytes."""

    pool: Pool
    size: int


def plan(
    memory: MemoryMap,
    sizes: Mapping[str, int],
    *,
    alignment: int = ALIGNMENT,
    linux_room: int = LINUX_ROOM,
    kernel_room: int = KERNEL_ROOM,
) -> Plan:
    """Plan the sizes in `sizes` (bytes by node or heap); other pools keep theirs.

    Raises `BoardError` if a pool does not exist, a size is not a multiple of `alignment`, or there is no room.
    """
    requests = _size_requests(memory, sizes, alignment)
    if all(requested.size == requested.pool.span.size for requested in requests):
        # No size changes, so no pool moves, whatever the present layout is.
        return Plan(memory, memory)
    _check_room(memory, requests, linux_room)
    placement = _Placement(memory, alignment, kernel_room)
    placed = placement.keep_order(requests) or placement.try_all_orders(requests)
    if placed is None:
        raise _no_room(memory, requests)
    after = replace(memory, pools=tuple(sorted(placed, key=lambda pool: pool.span)))
    return Plan(memory, after)


def faults(memory: MemoryMap) -> list[str]:
    """Describe pools outside RAM and overlaps; empty if there are none.

    It verifies a plan independently.
    """
    taken = [(region.name, region.span) for region in memory.fixed]
    found = []
    for index, pool in enumerate(memory.pools):
        if not any(span.holds(pool.span) for span in memory.ram):
            found.append(translate("ion.fault_outside", name=pool.name))
        others = taken + [(other.name, other.span) for other in memory.pools[index + 1 :]]
        found += [
            translate("ion.fault_overlap", name=pool.name, other=name)
            for name, span in others
            if span.overlaps(pool.span)
        ]
    return found


def _size_requests(memory: MemoryMap, sizes: Mapping[str, int], alignment: int) -> list[SizeRequest]:
    """List the requests by address, so that pools keep their order if they can."""
    by_node = {pool.node: pool.span.size for pool in memory.pools}
    for name, size in sizes.items():
        pool = memory.pool(name)
        if pool is None:
            names = ", ".join(pool.name for pool in memory.pools) or "-"
            raise InvalidPoolRequest("ion.no_such_pool", name=name, names=names)
        if size <= 0 or (size % alignment and size != pool.span.size):
            raise InvalidPoolRequest("ion.unaligned_size", name=name, size=human(size), alignment=human(alignment))
        by_node[pool.node] = size
    return [SizeRequest(pool, by_node[pool.node]) for pool in sorted(memory.pools, key=lambda p: p.span)]


def _check_room(memory: MemoryMap, requests: Iterable[SizeRequest], linux_room: int) -> None:
    """Refuse a plan that leaves Linux too little RAM, unless it shrinks the pools."""
    free = sum(span.size for span in holes(memory.ram, (region.span for region in memory.fixed)))
    total = sum(requested.size for requested in requests)
    left = free - total - sum(region.size for region in memory.floating)
    if left < linux_room and total > memory.total:
        raise BoardError("ion.no_linux_room", left=human(max(left, 0)), needed=human(linux_room), total=human(total))


def _no_room(memory: MemoryMap, requests: Iterable[SizeRequest]) -> BoardError:
    free = holes(memory.ram, (region.span for region in memory.fixed))
    largest = max((span.size for span in free), default=0)
    total = sum(requested.size for requested in requests)
    return BoardError("ion.no_room", total=human(total), largest=human(largest))


class _Placement:
    """Places pools in one memory map: free RAM, alignment, and lowest addresses."""

    def __init__(self, memory: MemoryMap, alignment: int, kernel_room: int) -> None:
        self._alignment = alignment
        limit = Span(0, 1 << 32 * memory.address_cells)
        self._ram = [span for span in memory.ram if limit.holds(span)]
        self._fixed = [region.span for region in memory.fixed]
        self._floating = memory.floating
        bases = [pool.span.start for pool in memory.pools]
        low = min((span.start for span in self._ram), default=0) + kernel_room
        #: The lowest address for a pool that must move.
        self._floor = min([low, *bases])
        self._lowest_base = min(bases, default=low)
        self._unplaced = self._regions_without_hole(memory.pools)

    def keep_order(self, requests: Sequence[SizeRequest]) -> list[Pool] | None:
        """Place the pools in order.

        Each stays, follows the pool that it touched, or moves up to free RAM.
        """
        placed: list[Pool] = []
        before: tuple[Pool, Pool] | None = None
        for requested in requests:
            span = requested.pool.span
            touched = before is not None and before[0].span.end == span.start
            start = before[1].span.end if touched and before is not None else span.start
            place = self._place(requested, start, placed)
            if place is None:
                return None
            placed.append(place)
            before = requested.pool, place
        return placed if self._leaves_room(placed) else None

    def try_all_orders(self, requests: Sequence[SizeRequest]) -> list[Pool] | None:
        """Try every order from the lowest free address; None only if no such packing exists."""
        for start in (self._lowest_base, self._floor):
            for order in permutations(requests):
                placed: list[Pool] = []
                for requested in order:
                    place = self._lowest(requested, start, placed)
                    if place is None:
                        break
                    placed.append(place)
                if len(placed) == len(order) and self._leaves_room(placed):
                    return placed
        return None

    def _place(self, requested: SizeRequest, start: int, placed: list[Pool]) -> Pool | None:
        stays = requested.size == requested.pool.span.size and start == requested.pool.span.start
        if stays and self._is_free(requested.pool.span, placed):
            # It stays, even at an address that no plan would choose.
            return requested.pool
        return self._lowest(requested, start, placed)

    def _lowest(self, requested: SizeRequest, start: int, placed: list[Pool]) -> Pool | None:
        taken = [*self._fixed, *(pool.span for pool in placed)]
        span = lowest(self._ram, taken, requested.size, start, self._alignment)
        return None if span is None else replace(requested.pool, span=span)

    def _is_free(self, span: Span, placed: list[Pool]) -> bool:
        taken = [*self._fixed, *(pool.span for pool in placed)]
        return any(ram.holds(span) for ram in self._ram) and not any(span.overlaps(other) for other in taken)

    def _leaves_room(self, placed: Sequence[Pool]) -> bool:
        """Whether every region that the kernel places itself still fits, if it fits now."""
        return self._regions_without_hole(placed) <= self._unplaced

    def _regions_without_hole(self, pools: Sequence[Pool]) -> set[str]:
        """List the regions that find no free place, largest first.

        The kernel is taken to place them by size.
        """
        taken = [*self._fixed, *(pool.span for pool in pools)]
        unplaced = set()
        for region in sorted(self._floating, key=lambda region: -region.size):
            hole = _hole(self._ram, taken, region)
            if hole is None:
                unplaced.add(region.name)
            else:
                taken.append(hole)
        return unplaced


def _hole(ram: Sequence[Span], taken: Sequence[Span], region: Floating) -> Span | None:
    spans = [_common(span, limit) for span in ram for limit in region.within] if region.within else list(ram)
    return lowest([span for span in spans if span.size > 0], taken, region.size, 0, region.alignment)


def _common(one: Span, other: Span) -> Span:
    start = max(one.start, other.start)
    return Span(start, min(one.end, other.end) - start)


def lowest(ram: Iterable[Span], taken: Iterable[Span], size: int, start: int, alignment: int) -> Span | None:
    """Return the lowest aligned span of `size` bytes at or above `start` in free `ram`.

    Return None if there is none.
    """
    for hole in holes(ram, taken):
        base = -(-max(hole.start, start) // alignment) * alignment
        if base + size <= hole.end:
            return Span(base, size)
    return None
