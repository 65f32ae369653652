"""Reads memory, BPU load and temperatures from small kernel files. It never raises.

Values that a board does not have are left out. It starts no program and needs only the right to read.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from bpu.board.regions import HEAPS

Reading = dict[str, Any]
HEAPS_FOLDER = "sys/kernel/debug/ion/heaps"
#: Node name of a pool in the device tree: name of its heap in debugfs.
HEAP_OF = dict(zip(("ion_reserved", "ion_carveout", "ion_cma", "ion_uncache"), HEAPS.values(), strict=True))
_MOST_TEMPERATURES = 8


def readings(root: Path = Path("/")) -> Reading:
    """Return `{"memory": [{"name", "used", "total"}], "bpu_percent": [n], "temperatures": [{"name", "celsius"}]}`.

    Sizes are bytes; `used` is None if only root may read it.
    """
    return {
        "memory": [*system_memory(root), *ion_pools(root)],
        "bpu_percent": _bpu_ratios(root),
        "temperatures": _temperatures(root),
    }


def system_memory(root: Path = Path("/")) -> list[Reading]:
    """Read RAM and CMA.

    CMA is left out if `CmaTotal` is 0, as on some boards that have CMA memory.
    """
    sizes = meminfo(root)
    wanted = (("RAM", "MemTotal", "MemAvailable"), ("CMA", "CmaTotal", "CmaFree"))
    return [
        {"name": name, "used": sizes[total] - sizes[free], "total": sizes[total]}
        for name, total, free in wanted
        if sizes.get(total) and free in sizes
    ]


def meminfo(root: Path = Path("/")) -> dict[str, int]:
    """Read the numbers of `/proc/meminfo` in bytes."""
    pairs = [line.split(":", 1) for line in text_of(root / "proc/meminfo").splitlines() if ":" in line]
    words = {name: rest.split() for name, rest in pairs}
    return {name: int(rest[0]) * 1024 for name, rest in words.items() if rest and _is_number(rest[0])}


def ion_pools(root: Path = Path("/")) -> list[Reading]:
    """Read the pools of this kernel, and how much of each is used."""
    pools = []
    for node in _entries(root / "proc/device-tree/reserved-memory", "ion*"):
        name = node.name.partition("@")[0]
        if total := _reg_size(node / "reg"):
            used = _ion_used(root / HEAPS_FOLDER / HEAP_OF.get(name, name))
            pools.append({"name": name, "used": used, "total": total})
    return pools


def heap_rows(text: str) -> list[tuple[str, int, int]]:
    """Parse the (client, pid, bytes) rows of a heap's table in debugfs.

    Heads, sums and rules are left out.
    """
    rows = [line.rsplit(None, 2) for line in text.splitlines()]
    return [
        (row[0].strip(), int(row[1]), int(row[2]))
        for row in rows
        if len(row) == 3 and _is_number(row[1]) and _is_number(row[2])
    ]


def text_of(path: Path) -> str:
    """Read a small kernel file; "" if it is missing or unreadable."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _ion_used(heap: Path) -> int | None:
    text = text_of(heap)
    return sum(size for _, _, size in heap_rows(text)) if text else None


def _reg_size(path: Path) -> int:
    """Read the size in a `reg` of two big-endian 64-bit values, address and size.

    0 if there is none.
    """
    try:
        return int(struct.unpack(">QQ", path.read_bytes()[:16])[1])
    except (OSError, struct.error):
        return 0


def _bpu_ratios(root: Path) -> list[int]:
    base = root / "sys/devices/system/bpu"
    texts = [text_of(path / "ratio").strip() for path in _entries(base, "bpu[0-9]*")] or [
        text_of(base / "ratio").strip()
    ]
    return [int(text) for text in texts if _is_number(text)]


def _temperatures(root: Path) -> list[Reading]:
    zones = _entries(root / "sys/class/thermal", "thermal_zone*")
    values = [(text_of(zone / "type").strip() or zone.name, text_of(zone / "temp").strip()) for zone in zones]
    return [
        {"name": name, "celsius": round(int(text) / 1000)}
        for name, text in values
        if _is_number(text.removeprefix("-"))
    ][:_MOST_TEMPERATURES]


def _entries(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _is_number(text: str) -> bool:
    # Not str.isdigit alone: it takes superscripts, which int() refuses.
    return text.isascii() and text.isdigit()
