"""A run as a table, for terminal and Markdown alike, and what is worse than in the last published run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bpu.bench.figures import Check, Row, Run
from bpu.messages import say

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "performance.json"
#: Runs of two days on the same machine differ by less; a change of the code that matters, by more.
TOLERANCE = 1.25


def table(run: Run) -> Iterator[str]:
    """The machine, then a row for each figure. The widths are those of the longest cells."""
    yield ", ".join(f"{name}: {value}" for name, value in run.machine.items())
    yield ""
    head = [say(f"bench.head_{name}") for name in ("figure", "gateway", "relay", "article", "aim")]
    rows = [_cells(row) for row in run.rows]
    widths = [max(len(line[place]) for line in [head, *rows]) for place in range(len(head))]
    for line in (head, ["-" * width for width in widths], *rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"


def _cells(row: Row) -> list[str]:
    figures = [figure(value, row.unit) for value in (row.ours, row.relay, row.article)]
    return [say(f"bench.row_{row.key}"), *figures, "; ".join(map(_aim, row.checks))]


def figure(value: float | None, unit: str) -> str:
    """`12,300 tokens/s`, `0.68 ms`; nothing for what was not measured."""
    if value is None:
        return ""
    return f"{_plain(value)} {unit}"


def _plain(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _aim(check: Check) -> str:
    told = say(f"bench.check_{check.name}", value=_plain(check.value))
    limit = say("bench.at_least" if check.least else "bench.at_most", limit=f"{check.limit:g}")
    return f"{told} ({limit}): {say('bench.met' if check.met else 'bench.missed')}"


def published(path: Path = PUBLISHED) -> dict[str, Any]:
    """The last published run; empty if there is none."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def worse(run: Run, before: Mapping[str, Any]) -> Iterator[str]:
    """A warning for every ratio that is worse by more than `TOLERANCE` than in `before`, a run's body.

    Only ratios: figures of another machine, or of a busy day, say nothing.
    """
    earlier = {(row["figure"], aim["name"]): aim["value"] for row in before.get("figures", []) for aim in row["aims"]}
    for row in run.rows:
        for check in row.checks:
            old = earlier.get((row.key, check.name))
            if check.ratio and old and _factor(check, old) > TOLERANCE:
                yield say(
                    "bench.worse",
                    figure=say(f"bench.row_{row.key}"),
                    now=say(f"bench.check_{check.name}", value=_plain(check.value)),
                    before=_plain(old),
                    date=before.get("machine", {}).get("date", "?"),
                )


def _factor(check: Check, old: float) -> float:
    return old / max(1e-9, check.value) if check.least else check.value / old
