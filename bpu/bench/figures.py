"""The result of a run: rows of figures, their aims, and series. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Check:
    """One aim of a row.

    `ratio`: it compares two figures of one run, so that runs of different days are comparable.
    """

    name: str
    value: float
    limit: float
    least: bool = False
    ratio: bool = False

    @property
    def met(self) -> bool:
        """Whether the value keeps its limit; the limit itself counts as met."""
        return self.value >= self.limit if self.least else self.value <= self.limit

    def body(self) -> dict[str, Any]:
        """Return the check as JSON values, rounded; `of` reads them."""
        aim = {"least" if self.least else "most": self.limit}
        return {"name": self.name, "value": rounded(self.value), **aim, "ratio": self.ratio, "met": self.met}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Check:
        """Make a check of what `body` returned."""
        least = "least" in body
        return cls(body["name"], body["value"], body["least" if least else "most"], least, body["ratio"])


@dataclass(frozen=True)
class Row:
    """One figure of the gateway, a relay and one process a request; None: not measured."""

    key: str
    unit: str
    gateway: float
    relay: float | None = None
    process_per_request: float | None = None
    checks: Sequence[Check] = ()

    def sides(self) -> dict[str, float | None]:
        """The figures by the name of their side."""
        return {"gateway": self.gateway, "relay": self.relay, "process_per_request": self.process_per_request}

    def body(self) -> dict[str, Any]:
        """Return the row as JSON values, rounded; `of` reads them."""
        figures = {name: None if value is None else rounded(value) for name, value in self.sides().items()}
        return {"figure": self.key, "unit": self.unit, **figures, "aims": [check.body() for check in self.checks]}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Row:
        """Make a row of what `body` returned."""
        figures = body["gateway"], body["relay"], body["process_per_request"]
        return cls(body["figure"], body["unit"], *figures, [Check.of(aim) for aim in body["aims"]])


#: Name to values: milliseconds by kind, megabytes by job, milliseconds by turn.
Series = dict[str, list[float]]
#: A longer series is published as this many quantiles, which are all that a picture shows.
QUANTILES = 100


@dataclass
class Run:
    """The result of one run. `machine` describes the machine and the duration."""

    machine: Mapping[str, Any]
    rows: list[Row] = field(default_factory=list)
    series: Series = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the run as JSON values, rounded."""
        series = {name: [rounded(value) for value in values] for name, values in self.series.items()}
        return {"machine": dict(self.machine), "figures": [row.body() for row in self.rows], "series": series}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Run:
        """The run that has this `body`, as `--json` prints it."""
        series = {name: list(values) for name, values in body["series"].items()}
        return cls(body["machine"], [Row.of(row) for row in body["figures"]], series)

    def thinned(self) -> Run:
        """Return the run with its long series reduced to `QUANTILES` quantiles, small enough to publish."""
        return Run(self.machine, self.rows, {name: _thinned(values) for name, values in self.series.items()})


def _thinned(values: list[float]) -> list[float]:
    if len(values) <= QUANTILES:
        return values
    return [quantile(values, (place + 1) / QUANTILES) for place in range(QUANTILES)]


def rounded(value: float) -> float:
    """Four significant digits: more is noise."""
    return float(f"{value:.4g}")


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that `part` (0 to 1) of `values` do not exceed.

    Raises `ValueError` without values.
    """
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered), max(1, math.ceil(len(ordered) * part))) - 1]


def median(values: Sequence[float]) -> float:
    """Return the median of `values`."""
    return quantile(values, 0.5)
