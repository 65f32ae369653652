"""Quantiles, aims, and a run that survives the way through JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.bench.figures import QUANTILES, Check, Row, Run, median, quantile, rounded

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=300)


def test_a_quantile_is_a_value_that_was_measured() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(range(1, 101), 0.99) == 99
    assert quantile(range(1, 101), 1.0) == 100
    assert quantile([7], 0.0) == 7
    assert median([4, 1, 3, 2]) == 2


@given(VALUES, st.floats(0, 1))
def test_so_many_are_not_above_it(values: list[float], part: float) -> None:
    found = quantile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values) - 1e-6


def test_nothing_has_no_median() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        median([])


@pytest.mark.parametrize(
    ("check", "met"),
    [
        (Check("median_ms", 2.0, 2.0), True),
        (Check("median_ms", 2.1, 2.0), False),
        (Check("of_relay", 0.5, 0.5, least=True), True),
        (Check("of_relay", 0.49, 0.5, least=True), False),
    ],
)
def test_an_aim_is_met_at_its_limit(check: Check, met: bool) -> None:
    assert check.met is met
    assert check.body()["met"] is met


def test_four_digits_are_kept() -> None:
    assert rounded(123456.0) == 123500
    assert rounded(0.00123456) == 0.001235


RUN = Run(
    {"date": "2030-01-02", "cores": 2},
    [
        Row("latency", "ms", 0.4, 0.3, 0.5, [Check("of_relay", 1.333, 1.25, ratio=True)]),
        Row("throughput", "tokens/s", 200.0, 300.0, None, [Check("of_relay", 0.667, 0.5, least=True, ratio=True)]),
        Row("start_ready", "s", 2.5),
    ],
    {"latency, gateway, ms": [0.4, 0.5]},
)


def test_a_run_comes_back_from_its_json() -> None:
    assert Run.of(json.loads(json.dumps(RUN.body()))).body() == RUN.body()
    (latency, throughput, ready) = RUN.body()["figures"]
    assert latency["aims"][0] == {"name": "of_relay", "value": 1.333, "most": 1.25, "ratio": True, "met": False}
    assert throughput["aims"][0]["least"] == 0.5
    assert ready == {
        "figure": "start_ready",
        "unit": "s",
        "gateway": 2.5,
        "relay": None,
        "process_per_request": None,
        "aims": [],
    }


@given(VALUES)
def test_thinning_keeps_the_distribution(values: list[float]) -> None:
    kept = Run({}, [], {"x": values}).thinned().series["x"]
    assert len(kept) <= QUANTILES
    for part in (0.25, 0.5, 0.99, 1.0):
        assert quantile(kept, part) == quantile(values, part)
