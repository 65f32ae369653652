"""What the processes of a gateway hold, counted from outside; and two such counts compared as a table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.live.gateway import Gateway
from tests.support.waits import until

#: Process and thing, to how many or how much (MiB).
Held = dict[tuple[str, str], float]
#: Anonymous memory may be this much more: allocators keep what they once had. Of everything else nothing may be more.
MEMORY_MIB = 4.0
MEMORY = "anonymous memory, MiB"


def count_held(gateway: Gateway, folder: Path) -> Held:
    """Count everything, once the gateway is at rest."""
    gateway.wait_for("ready", seconds=120)
    until(lambda: not gateway.slots()["waiting"] and gateway.slots()["slots"][0]["job"] is None)
    workers = sorted(process.pid for process in gateway.workers())
    inside = _worker_counts(gateway, workers)
    found: Held = {("all", "processes"): float(1 + len(workers) + len(gateway.keepers()) + len(gateway.consoles()))}
    names = {gateway.process.pid: "master", **{pid: f"worker {place}" for place, pid in enumerate(workers, 1)}}
    names.update({process.pid: "keeper" for process in gateway.keepers()})
    for pid, name in names.items():
        process = psutil.Process(pid)
        found[name, MEMORY] = _anonymous_mib(pid)
        found[name, "descriptors"] = process.num_fds()
        found[name, "threads"] = process.num_threads()
        for what in ("greenlets", "jobs"):
            if pid in inside:
                found[name, what] = inside[pid][what]
    found["all", "temporary files"] = sum(path.is_file() for path in folder.rglob("*"))
    return found


def wait_settled(gateway: Gateway, folder: Path) -> Held:
    """Count until two counts are alike: what is only passing has passed then."""
    last: Held = {}

    def same() -> Held | None:
        nonlocal last
        last, before = count_held(gateway, folder), last
        return last if growth(before, last, memory=False) == growth(last, before, memory=False) == [] else None

    found: Held = until(same, seconds=60, what="the gateway is at rest")
    return found


def wait_settled_below(before: Held, gateway: Gateway, folder: Path, *, memory: bool) -> Held:
    """Count until nothing is more than `before`; what stays more for twenty seconds is no longer passing."""
    deadline = time.monotonic() + 20
    while growth(before, after := wait_settled(gateway, folder), memory=memory) and time.monotonic() < deadline:
        continue
    return after


def _worker_counts(gateway: Gateway, workers: list[int]) -> dict[int, Mapping[str, int]]:
    """Every worker's own word; which one answers is the kernel's choice, so it is asked until all have."""
    counts: dict[int, Mapping[str, int]] = {}

    def ask() -> bool:
        answer = gateway.json("GET", "/soak/held")
        counts[answer["pid"]] = answer
        return counts.keys() >= set(workers)

    until(ask, what="every worker has told what it holds")
    return counts


def _anonymous_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1024
    raise LookupError("the kernel tells no anonymous memory")


def growth(before: Held, after: Held, *, memory: bool = True) -> list[str]:
    """What is more than it was, in words; `memory`: whether memory is judged too."""
    allowed = MEMORY_MIB if memory else float("inf")
    more = [key for key in after if after[key] > before.get(key, 0.0) + (allowed if key[1] == MEMORY else 0.0)]
    return [f"{who}: {what} {before.get((who, what), 0.0):g} -> {after[who, what]:g}" for who, what in more]


def table(before: Held, after: Held) -> str:
    """Both counts as Markdown, one row a process and thing."""
    lines = ["| process | what | warm | at the end |", "|---|---|---|---|"]
    lines += [
        f"| {who} | {what} | {_cell_text(before.get((who, what)))} | {_cell_text(after[who, what])} |"
        for who, what in after
    ]
    return "\n".join(lines)


def _cell_text(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
