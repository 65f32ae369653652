"""Runs every measurement after the other, in a temporary folder."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import concurrency, images, model, programs, scaling, speed, startup
from benchmarks.plan import Benchmark, Plan
from bpu.bench.figures import Row, Run
from bpu.bench.machine import machine

#: In this order; each is a few rows. Names are those of `--only`.
MEASUREMENTS: Mapping[str, Callable[[Benchmark], Iterator[Row]]] = {
    "first-token": speed.first_token,
    "paced": speed.paced,
    "throughput": speed.throughput,
    "hand-over": concurrency.hand_over,
    "turns": scaling.turns,
    "waiting": concurrency.waiting,
    "memory": scaling.memory,
    "start": startup.start,
    "length": scaling.length,
    "bodies": startup.bodies,
}
#: Measured only when `--only` names them, because they need more than the project itself, or a quiet machine.
EXTRA: Mapping[str, Callable[[Benchmark], Iterator[Row]]] = {
    "model": model.model,
    "full-speed": speed.full_speed,
    "images": images.images,
}


def measure(plan: Plan, names: list[str], *, on_start: Callable[[str], None] = lambda name: None) -> Run:
    """Run the measurements `names` (empty: all of `MEASUREMENTS`); `on_start` is called with each name."""
    run, began = Run(machine()), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bpu-bench-") as folder:
        bench = Benchmark(
            plan, Path(folder), process_per_request=programs.can_run_process_per_request(), series=run.series
        )
        for name, function in {**MEASUREMENTS, **EXTRA}.items():
            if name in names or (not names and name in MEASUREMENTS):
                on_start(name)
                run.rows += list(function(bench))
    run.machine = {**run.machine, "seconds": round(time.monotonic() - began)}
    return run
