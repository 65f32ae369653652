"""Describes the physical memory of a board: RAM, the ION pools and all other regions.

It is pure. Read from a device tree: `/memory*` and the children of `/reserved-memory` (Devicetree Specification 3.4,
3.5). Addresses and sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bpu.board.errors import BoardError
from bpu.board.fdt import Node, Tree

#: `compatible` of the ION pools in RAM, and the name of the heap that each feeds (console protocol; vendor's manual).
HEAPS = {
    "ion-pool": "cma_reserved",
    "ion-carveout": "carveout",
    "ion-cma": "ion_cma",
    "ion-uncache": "ion_uncache",
}


@dataclass(frozen=True, order=True)
class Span:
    """A range of addresses, the end not included."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """The first address after the span."""
        return self.start + self.size

    def overlaps(self, other: Span) -> bool:
        """Whether both have an address in common; spans that only touch have none."""
        return self.start < other.end and other.start < self.end

    def holds(self, other: Span) -> bool:
        """Whether all of `other` lies inside."""
        return self.start <= other.start and other.end <= self.end


@dataclass(frozen=True)
class Pool:
    """One ION pool.

    `node` is its node's name, `name` that without the unit address, `heap` the kernel's name. The unit address in a
    node's name is not the pool's address: on real boards the two differ.
    """

    node: str
    heap: str
    span: Span

    @property
    def name(self) -> str:
        """The node's name without the unit address."""
        return self.node.partition("@")[0]


@dataclass(frozen=True)
class Fixed:
    """A region with a fixed address that is not a pool and is never changed."""

    name: str
    span: Span


@dataclass(frozen=True)
class Floating:
    """A region that the kernel places itself at start.

    It needs free RAM of this size, inside `within` if given.
    """

    name: str
    size: int
    alignment: int
    within: tuple[Span, ...] = ()


@dataclass(frozen=True)
class MemoryMap:
    """RAM, pools and regions; `address_cells` and `size_cells` are those of `/reserved-memory`."""

    ram: tuple[Span, ...]
    pools: tuple[Pool, ...]
    fixed: tuple[Fixed, ...] = ()
    floating: tuple[Floating, ...] = ()
    address_cells: int = 2
    size_cells: int = 2

    def pool(self, name: str) -> Pool | None:
        """Find a pool by its name, its heap or its node's name."""
        return next((pool for pool in self.pools if name in (pool.name, pool.heap, pool.node)), None)

    @property
    def total(self) -> int:
        """Bytes in all pools together."""
        return sum(pool.span.size for pool in self.pools)


def read_map(tree: Tree, *, ram: Sequence[Span] = ()) -> MemoryMap:
    """Read the map from `tree`.

    `ram` replaces its `/memory` nodes, which boot loaders often fill in late. Raises `BoardError` if the reserved
    memory cannot be planned safely.
    """
    reserved = tree.root.child("reserved-memory")
    if reserved is None:
        raise BoardError("ion.no_reserved_memory")
    if reserved.properties.get("ranges"):
        raise BoardError("ion.translated")
    cells = reserved.number("#address-cells", 2), reserved.number("#size-cells", 1)
    pools = tuple(_pool(node, cells) for node in reserved.children if _is_pool(node))
    others = [node for node in reserved.children if not _is_pool(node)]
    fixed = [Fixed(node.name, span) for node in others for span in reg(node, cells)]
    fixed += [Fixed("/memreserve/", Span(*pair)) for pair in tree.reservations]
    floating = tuple(_floating(node, cells) for node in others if _is_floating(node))
    spans = merge(ram or read_ram(tree))
    return MemoryMap(spans, tuple(sorted(pools, key=lambda p: p.span)), tuple(fixed), floating, *cells)


def read_ram(tree: Tree) -> tuple[Span, ...]:
    """Read the RAM in the `/memory` nodes of `tree`, adjacent spans merged."""
    cells = tree.root.number("#address-cells", 2), tree.root.number("#size-cells", 1)
    nodes = [node for node in tree.root.children if node.name.partition("@")[0] == "memory"]
    return merge(span for node in nodes for span in reg(node, cells))


def reg(node: Node, cells: tuple[int, int]) -> list[Span]:
    """Read the spans of a node's `reg`; pairs of size 0 are left out."""
    numbers, (wide, long) = node.cells("reg"), cells
    step = wide + long
    pairs = [numbers[i : i + step] for i in range(0, len(numbers) - step + 1, step)]
    spans = [Span(join(pair[:wide]), join(pair[wide:])) for pair in pairs]
    return [span for span in spans if span.size]


def join(cells: Sequence[int]) -> int:
    """Join 32-bit cells to one number."""
    value = 0
    for cell in cells:
        value = value << 32 | cell
    return value


def split(value: int, cells: int) -> list[int]:
    """Split a number into `cells` cells of 32 bits; the reverse of `join`."""
    return [value >> 32 * i & 0xFFFFFFFF for i in reversed(range(cells))]


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort spans, and merge adjacent and overlapping ones."""
    result: list[Span] = []
    for span in sorted(span for span in spans if span.size):
        if result and span.start <= result[-1].end:
            last = result.pop()
            span = Span(last.start, max(last.end, span.end) - last.start)
        result.append(span)
    return tuple(result)


def holes(spans: Iterable[Span], taken: Iterable[Span]) -> tuple[Span, ...]:
    """Subtract `taken` from `spans`."""
    left = list(merge(spans))
    for span in merge(taken):
        left = [piece for whole in left for piece in _without(whole, span)]
    return tuple(left)


def _without(whole: Span, taken: Span) -> list[Span]:
    if not whole.overlaps(taken):
        return [whole]
    pieces = [Span(whole.start, taken.start - whole.start), Span(taken.end, whole.end - taken.end)]
    return [piece for piece in pieces if piece.size > 0]


def _heap(node: Node) -> str | None:
    names = node.properties.get("compatible", b"").decode("utf-8", "replace").split("\0")
    return next((HEAPS[name] for name in names if name in HEAPS), None)


def _is_pool(node: Node) -> bool:
    return _heap(node) is not None and node.text("status") in ("", "ok", "okay")


def _pool(node: Node, cells: tuple[int, int]) -> Pool:
    spans = reg(node, cells)
    if len(spans) != 1:
        raise BoardError("ion.pool_without_reg", node=node.name)
    return Pool(node.name, str(_heap(node)), spans[0])


def _is_floating(node: Node) -> bool:
    return "reg" not in node.properties and "size" in node.properties


def _floating(node: Node, cells: tuple[int, int]) -> Floating:
    ranges = Node(node.name, {"reg": node.properties.get("alloc-ranges", b"")})
    alignment = join(node.cells("alignment")) or 1
    return Floating(node.name, join(node.cells("size")), alignment, tuple(reg(ranges, cells)))
