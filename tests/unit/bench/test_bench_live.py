"""The short benchmark on real programs: every figure is there and plausible."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.messages import say
from benchmarks.programs import environment
from bpu.bench.figures import Run
from bpu.bench.report import table
from bpu.board import tools
from bpu.board.tools import Result
from tests.live.gateway import FAST, ROOT, Gateway, running

pytestmark = pytest.mark.live

FIGURES = {
    *("first_token", "first_token_cold", "latency", "cpu", "throughput"),
    *("hand_over_1", "hand_over_4", "turns", "turns_sent_again"),
    *("waiting_cpu", "waiting_memory", "waiting_health"),
    *("memory_worker", "memory_keeper", "growth_worker", "growth_keeper"),
    *("start", "start_ready", "length", "body_large", "body_small"),
}
#: The figures beside which those of the relay and of one process a request stand.
RELAY = {"first_token", "latency", "cpu", "throughput", "hand_over_1", "hand_over_4"}
PER_REQUEST = RELAY - {"first_token"} | {"first_token_cold"}
#: Differences, which noise may turn.
MAY_BE_NONE = {"growth_worker", "growth_keeper", "waiting_memory", "waiting_cpu", "length"}


def python(*words: str, **env: str) -> Result:
    command = [sys.executable, "-m", *words]
    return tools.run(command, timeout=580, cwd=ROOT, env=environment({"LC_ALL": "C", **env}))


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench") / "run.png"


@pytest.fixture(scope="module")
def run(picture: Path) -> dict[str, Any]:
    result = python("benchmarks", "--short", "--json", "--plot", str(picture))
    assert result.ok, result.err
    return dict(json.loads(result.out))


@pytest.mark.system
@pytest.mark.timeout(600)
def test_a_short_run_has_every_figure_and_each_can_be_true(run: dict[str, Any], picture: Path) -> None:
    figures = {row["figure"]: row for row in run["figures"]}
    assert set(figures) == FIGURES
    for name, row in figures.items():
        assert math.isfinite(row["gateway"])
        assert row["gateway"] > 0 or name in MAY_BE_NONE, name
        assert (row["relay"] is not None) is (name in RELAY), name
        assert (row["process_per_request"] is not None) is (name in PER_REQUEST), name
        assert all(math.isfinite(aim["value"]) for aim in row["aims"])
    assert all(value > 0 for values in run["series"].values() for value in values)
    assert {"date", "processor", "cores", "system", "python"} <= set(run["machine"])
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.system
@pytest.mark.timeout(600)
def test_a_short_run_has_a_table_in_both_languages(run: dict[str, Any]) -> None:
    for lang in ("en", "zh"):
        assert len(list(table(Run.of(run), partial(say, lang=lang)))) == len(FIGURES) + 2


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    env = {"BPU_CONSOLE_ARGS": f"{FAST} --prefill-rate 1000 --decode-rate 200", "BPU_API_KEYS": "secret"}
    with running(tmp_path_factory.mktemp("gateway"), env=env) as started:
        yield started


def test_a_running_gateway_is_measured_over_http(gateway: Gateway) -> None:
    result = python("bpu", "bench", "--url", f"{gateway.url}/v1", "--key", "secret", "--short", "--json")
    assert result.ok, result.err
    figures = {row["figure"]: row["gateway"] for row in json.loads(result.out)["figures"]}
    assert set(figures) == {
        *("remote_first_token", "remote_added", "remote_throughput", "remote_console", "remote_health")
    }
    assert all(figures[name] > 0 for name in set(figures) - {"remote_added"})


def test_the_cause_is_reported_when_nothing_can_be_measured(gateway: Gateway) -> None:
    refused = python("bpu", "bench", "--url", gateway.url, "--short")
    assert (refused.code, "API key" in refused.err) == (3, True), refused
    away = python("bpu", "bench", "--url", "http://127.0.0.1:9", "--short")
    assert (away.code, "cannot be reached" in away.err) == (3, True), away
    wrong = python("bpu", "bench", "--url", "https://board", "--short")
    assert (wrong.code, "http://HOST:PORT" in wrong.err) == (2, True), wrong


def test_a_running_gateway_has_a_table_and_needs_its_address(gateway: Gateway) -> None:
    shown = python("bpu", "bench", "--url", gateway.url, "--short", OPENAI_API_KEY="secret")
    assert shown.ok, shown.err
    assert "what the gateway adds to it" in shown.out
    missing = python("bpu", "bench")
    assert (missing.code, "--url" in missing.err) == (2, True), missing
