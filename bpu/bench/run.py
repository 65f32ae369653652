"""One run from beginning to end: every measurement after the other, in a folder that is gone afterwards."""

from __future__ import annotations

import datetime
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from bpu import __version__
from bpu.bench import crowds, doors, growth, programs, speed
from bpu.bench.bench import Bench, Plan
from bpu.bench.figures import Row, Run

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


def measure(plan: Plan, names: list[str], *, note: Callable[[str], None] = lambda name: None) -> Run:
    """Measure what `names` say (all of `MEASUREMENTS` if empty); `note` hears what begins."""
    run = Run(machine())
    with tempfile.TemporaryDirectory(prefix="bpu-bench-") as folder:
        bench = Bench(plan, Path(folder), article=programs.article_possible(), series=run.series)
        for name, function in MEASUREMENTS.items():
            if name in names or not names:
                note(name)
                run.rows += list(function(bench))
    return run


def machine() -> dict[str, object]:
    """What the figures were measured on, without a name that would tell whose it is."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        "python": platform.python_version(),
        "gateway": __version__,
        **{name: version(name) for name in ("gunicorn", "gevent", "flask")},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return " ".join(value.split())
    return platform.machine()
