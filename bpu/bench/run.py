"""One run from beginning to end: every measurement after the other, in a folder that is gone afterwards."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bpu.bench import crowds, doors, growth, model, programs, speed
from bpu.bench.bench import Bench, Plan
from bpu.bench.figures import Row, Run
from bpu.bench.machine import machine

#: In this order; each is a few rows. Names are those of `--only`.
MEASUREMENTS: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "first-token": speed.first_token,
    "paced": speed.paced,
    "throughput": speed.throughput,
    "hand-over": crowds.hand_over,
    "turns": growth.turns,
    "waiting": crowds.waiting,
    "memory": growth.memory,
    "start": doors.start,
    "length": growth.length,
    "bodies": doors.bodies,
}
#: Measured when they are named alone: they need more than the project itself, and are published by hand.
EXTRA: Mapping[str, Callable[[Bench], Iterator[Row]]] = {"model": model.model}


def measure(plan: Plan, names: list[str], *, note: Callable[[str], None] = lambda name: None) -> Run:
    """Measure what `names` say (all of `MEASUREMENTS` if empty, none of `EXTRA`); `note` hears what begins."""
    run, began = Run(machine()), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bpu-bench-") as folder:
        bench = Bench(plan, Path(folder), article=programs.article_possible(), series=run.series)
        for name, function in {**MEASUREMENTS, **EXTRA}.items():
            if name in names or (not names and name in MEASUREMENTS):
                note(name)
                run.rows += list(function(bench))
    run.machine = {**run.machine, "seconds": round(time.monotonic() - began)}
    return run
