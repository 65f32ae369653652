"""Loads the last published run, and compares another run with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.messages import say
from bpu.bench.figures import Check, Run
from bpu.bench.report import plain

PUBLISHED = Path(__file__).resolve().parents[1] / "docs" / "performance.json"
#: Runs of two days on one machine differ by less than this factor.
TOLERANCE = 1.25


def load_published_run(path: Path = PUBLISHED) -> Run | None:
    """Load the last published run; None if there is none."""
    try:
        return Run.of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def find_regressions(run: Run, before: Run) -> Iterator[str]:
    """Warn of every ratio that is worse by more than `TOLERANCE` than in `before`.

    Only ratios are compared, because figures of another machine or of a busy day say nothing.
    """
    earlier = {(row.key, check.name): check.value for row in before.rows for check in row.checks}
    for row in run.rows:
        for check in row.checks:
            old = earlier.get((row.key, check.name))
            if check.ratio and old and _factor(check, old) > TOLERANCE:
                yield say(
                    "worse",
                    figure=say(f"row_{row.key}"),
                    now=say(f"check_{check.name}", value=plain(check.value)),
                    before=plain(old),
                    date=before.machine["date"],
                )


def _factor(check: Check, old: float) -> float:
    return old / max(1e-9, check.value) if check.least else check.value / old
