"""Formats memory maps and plans for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bpu.board.pools import Plan
from bpu.board.regions import MemoryMap, Span, holes
from bpu.board.sizes import address, human
from bpu.messages import translate

BAR = 32
_MARKS = {"pool": "#", "other": "=", "linux": "."}
_NAMES_SHOWN = 3


@dataclass(frozen=True)
class Row:
    """One range of memory: `kind` is pool, other or linux."""

    kind: str
    span: Span
    text: str


def rows(memory: MemoryMap) -> list[Row]:
    """List all memory by address; adjacent regions that are not pools are one row."""
    pools = [Row("pool", pool.span, translate("ion.row_pool", name=pool.name, heap=pool.heap)) for pool in memory.pools]
    taken = [pool.span for pool in memory.pools] + [region.span for region in memory.fixed]
    linux = [Row("linux", span, translate("ion.row_linux")) for span in holes(memory.ram, taken)]
    return sorted([*pools, *_others(memory), *linux], key=lambda row: row.span)


def _others(memory: MemoryMap) -> Iterator[Row]:
    group: list[tuple[Span, str]] = []
    for region in sorted(memory.fixed, key=lambda region: region.span):
        if group and region.span.start > max(span.end for span, _ in group):
            yield _other(group)
            group = []
        group.append((region.span, region.name))
    if group:
        yield _other(group)


def _other(group: list[tuple[Span, str]]) -> Row:
    start, end = group[0][0].start, max(span.end for span, _ in group)
    names = [name.partition("@")[0] for _, name in group]
    more = f" +{len(names) - _NAMES_SHOWN}" if len(names) > _NAMES_SHOWN else ""
    return Row("other", Span(start, end - start), ", ".join(names[:_NAMES_SHOWN]) + more)


def memory_map_text(memory: MemoryMap) -> str:
    """Format one line for each range: address, a bar of its share, size, text."""
    found = rows(memory)
    largest = max((row.span.size for row in found), default=1)
    return "\n".join(
        f"  {address(row.span.start):>14}  {_bar(row, largest):<{BAR}}  {human(row.span.size):>10}  {row.text}"
        for row in found
    )


def _bar(row: Row, largest: int) -> str:
    return _MARKS[row.kind] * max(1, row.span.size * BAR // largest)


def difference(plan: Plan) -> str:
    """Format the changes of each pool as a diff; "" if nothing changes."""
    lines = []
    for old, new in plan.changes:
        lines.append(f"- {old.name:<14} {human(old.span.size):>10}  @ {address(old.span.start)}")
        lines.append(f"+ {new.name:<14} {human(new.span.size):>10}  @ {address(new.span.start)}")
    if not lines:
        return ""
    total = translate("ion.total", before=human(plan.before.total), after=human(plan.after.total))
    return "\n".join([*lines, total])
