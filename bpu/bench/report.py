"""A run as a table, for terminal and Markdown alike, and what is worse than in the last published run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from unicodedata import east_asian_width

from bpu.bench.figures import Check, Row, Run
from bpu.messages import Language, say
from bpu.project import PROJECT

PUBLISHED = PROJECT / "docs" / "performance.json"
#: Runs of two days on the same machine differ by less; a change of the code that matters, by more.
TOLERANCE = 1.25
HEADS = ("figure", "gateway", "relay", "article", "aim")

Say = Callable[..., str]


def machine(run: Run) -> str:
    """What was measured on, in one line."""
    return ", ".join(f"{name}: {value}" for name, value in run.machine.items())


def table(run: Run, lang: Language | None = None, heads: Sequence[str] = HEADS) -> Iterator[str]:
    """A head, then a row for each figure, with the columns `heads`. The widths are those of the longest cells."""
    told = partial(say, lang=lang)
    lines = [[told(f"bench.head_{name}") for name in heads]]
    lines += [[_cell(told, row, name) for name in heads] for row in run.rows]
    widths = [max(_width(line[place]) for line in lines) for place in range(len(heads))]
    for line in (lines[0], ["-" * width for width in widths], *lines[1:]):
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        yield "| " + " | ".join(cells) + " |"


def _width(text: str) -> int:
    """In columns of a terminal, where a Chinese character takes two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _cell(told: Say, row: Row, head: str) -> str:
    if head == "figure":
        return told(f"bench.row_{row.key}")
    if head == "aim":
        return "; ".join(_aim(told, check) for check in row.checks)
    return figure({"gateway": row.ours, "relay": row.relay, "article": row.article}[head], row.unit)


def figure(value: float | None, unit: str) -> str:
    """`12,300 tokens/s`, `0.68 ms`; nothing for what was not measured."""
    if value is None:
        return ""
    return f"{_plain(value)} {unit}"


def _plain(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _aim(told: Say, check: Check) -> str:
    value = told(f"bench.check_{check.name}", value=_plain(check.value))
    limit = told("bench.at_least" if check.least else "bench.at_most", limit=f"{check.limit:g}")
    return f"{value} ({limit}): {told('bench.met' if check.met else 'bench.missed')}"


def published(path: Path = PUBLISHED) -> Run | None:
    """The last published run, if there is one."""
    try:
        return Run.of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def worse(run: Run, before: Run) -> Iterator[str]:
    """A warning for every ratio that is worse by more than `TOLERANCE` than in `before`.

    Only ratios: figures of another machine, or of a busy day, say nothing.
    """
    earlier = {(row.key, check.name): check.value for row in before.rows for check in row.checks}
    for row in run.rows:
        for check in row.checks:
            old = earlier.get((row.key, check.name))
            if check.ratio and old and _factor(check, old) > TOLERANCE:
                yield say(
                    "bench.worse",
                    figure=say(f"bench.row_{row.key}"),
                    now=say(f"bench.check_{check.name}", value=_plain(check.value)),
                    before=_plain(old),
                    date=before.machine["date"],
                )


def _factor(check: Check, old: float) -> float:
    return old / max(1e-9, check.value) if check.least else check.value / old
