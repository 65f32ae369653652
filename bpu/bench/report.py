"""Formats a run as a table, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from unicodedata import east_asian_width

from bpu.bench.figures import Check, Row, Run

HEADS = ("figure", "gateway", "aim")

#: Gives the text of a name in the language of the table, with its placeholders filled.
MessageLookup = Callable[..., str]


def machine(run: Run) -> str:
    """The machine of the run in one line."""
    return ", ".join(f"{name}: {value}" for name, value in run.machine.items())


def table(run: Run, translate: MessageLookup, heads: Sequence[str] = HEADS) -> Iterator[str]:
    """A head and a row for each figure, with the columns `heads`."""
    lines = [[translate(f"head_{name}") for name in heads]]
    lines += [[_cell(translate, row, name) for name in heads] for row in run.rows]
    widths = [max(_width(line[place]) for line in lines) for place in range(len(heads))]
    for line in (lines[0], ["-" * width for width in widths], *lines[1:]):
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        yield "| " + " | ".join(cells) + " |"


def _width(text: str) -> int:
    """The width in columns of a terminal, where a Chinese character takes two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _cell(translate: MessageLookup, row: Row, head: str) -> str:
    if head == "figure":
        return translate(f"row_{row.key}")
    if head == "aim":
        return "; ".join(_aim(translate, check) for check in row.checks)
    return figure(row.sides()[head], row.unit)


def figure(value: float | None, unit: str) -> str:
    """`12,300 tokens/s`, `0.68 ms`; empty for a figure that was not measured."""
    return "" if value is None else f"{plain(value)} {unit}"


def plain(value: float) -> str:
    """A number with at most two decimals, and commas between thousands."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _aim(translate: MessageLookup, check: Check) -> str:
    value = translate(f"check_{check.name}", value=plain(check.value))
    limit = translate("at_least" if check.least else "at_most", limit=f"{check.limit:g}")
    return f"{value} ({limit}): {translate('met' if check.met else 'missed')}"
