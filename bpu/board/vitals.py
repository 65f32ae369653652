"""How the board is right now: memory, BPU load, temperature; small kernel files, read at most every two seconds.

What a board does not tell is left out. It starts no program and needs no right but to read.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Vital = dict[str, Any]


class Vitals:
    """Calling it gives the latest reading, from memory when it is younger than `period_s`."""

    def __init__(
        self, root: Path = Path("/"), *, period_s: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._root = root
        self._period_s = period_s
        self._clock = clock
        self._read_at: float | None = None
        self._latest: Vital = {}

    def __call__(self) -> Vital:
        now = self._clock()
        if self._read_at is None or now - self._read_at >= self._period_s:
            self._latest, self._read_at = read_vitals(self._root), now
        return self._latest


def read_vitals(root: Path = Path("/")) -> Vital:
    """`{"memory": [{"name", "used", "total"}], "bpu_percent": [n], "temperatures": [{"name", "celsius"}]}`.

    Sizes are bytes; `used` is None where only root may see it.
    """
    return {
        "memory": [*_meminfo(root), *_ion_pools(root)],
        "bpu_percent": _bpu_ratios(root),
        "temperatures": _temperatures(root),
    }


def _meminfo(root: Path) -> list[Vital]:
    pairs = (line.split(":", 1) for line in _text(root / "proc/meminfo").splitlines() if ":" in line)
    sizes = {name: int(rest.split()[0]) * 1024 for name, rest in pairs if rest.split()}
    wanted = (("RAM", "MemTotal", "MemAvailable"), ("CMA", "CmaTotal", "CmaFree"))
    # CmaTotal is 0 on some boards that have plenty: a kernel that does not tell is not a full one.
    return [
        {"name": name, "used": sizes[total] - sizes[free], "total": sizes[total]}
        for name, total, free in wanted
        if sizes.get(total) and free in sizes
    ]


#: Device tree node and the name of its heap in debugfs.
_HEAPS = {
    "ion_reserved": "cma_reserved",
    "ion_carveout": "carveout",
    "ion_cma": "ion_cma",
    "ion_uncache": "ion_uncache",
}


def _ion_pools(root: Path) -> list[Vital]:
    pools = []
    for node in sorted((root / "proc/device-tree/reserved-memory").glob("ion*")):
        name = node.name.partition("@")[0]
        if total := _reg_size(node / "reg"):
            used = _ion_used(root / "sys/kernel/debug/ion/heaps" / _HEAPS.get(name, name))
            pools.append({"name": name, "used": used, "total": total})
    return pools


def _reg_size(path: Path) -> int:
    """The size in a `reg` of two big-endian 64-bit values, address and size; 0 when there is none."""
    try:
        return int(struct.unpack(">QQ", path.read_bytes()[:16])[1])
    except (OSError, struct.error):
        return 0


def _ion_used(heap: Path) -> int | None:
    """The sum of a heap's rows `<client> <pid> <bytes>`; None when it cannot be read."""
    text = _text(heap)
    rows = [line.split() for line in text.splitlines()]
    sizes = [int(row[2]) for row in rows if len(row) == 3 and row[1].isdigit() and row[2].isdigit()]
    return sum(sizes) if text else None


def _bpu_ratios(root: Path) -> list[int]:
    base = root / "sys/devices/system/bpu"
    texts = [_text(path).strip() for path in (sorted(base.glob("bpu[0-9]*/ratio")) or [base / "ratio"])]
    return [int(text) for text in texts if text.isdigit()]


def _temperatures(root: Path) -> list[Vital]:
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    readings = [(_text(zone / "type").strip() or zone.name, _text(zone / "temp").strip()) for zone in zones]
    return [
        {"name": name, "celsius": round(int(text) / 1000)} for name, text in readings if text.lstrip("-").isdigit()
    ][:8]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
