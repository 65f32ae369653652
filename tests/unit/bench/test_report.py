"""The table in both languages, and the warnings of ratios that became worse."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from benchmarks.messages import say
from benchmarks.published_run import TOLERANCE, find_regressions, load_published_run
from bpu.bench.figures import Check, Row, Run
from bpu.bench.report import figure, machine, table
from bpu.messages import Language

ROWS = [
    Row("latency", "ms", 0.4, 0.3, 0.5, [Check("of_relay", 1.333, 1.25, ratio=True)]),
    Row("throughput", "tokens/s", 212_000.0, 402_300.0, None, [Check("of_relay", 0.527, 0.5, least=True, ratio=True)]),
    Row("hand_over_4", "ms", 0.5, checks=[Check("median_ms", 0.5, 4.0), Check("workers_that_served", 4, 4, True)]),
    Row("start_ready", "s", 2.5),
]
RUN = Run({"date": "2030-01-02", "cores": 2}, ROWS)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def lines(lang: Language) -> list[str]:
    """The table with all columns."""
    return list(table(RUN, partial(say, lang=lang), ("figure", "gateway", "relay", "process_per_request", "aim")))


def test_the_table_says_figure_sides_aim_and_whether_it_is_met() -> None:
    shown = lines("en")
    assert cells(shown[0]) == ["figure", "gateway", "bare relay", "one process a request", "aim"]
    assert set("".join(cells(shown[1]))) == {"-"}
    assert cells(shown[2]) == [
        "latency of a token at 50 tokens/s",
        "0.40 ms",
        "0.30 ms",
        "0.50 ms",
        "1.33 times the relay's (at most 1.25): missed",
    ]
    assert cells(shown[3])[1:] == [
        "212,000 tokens/s",
        "402,300 tokens/s",
        "",
        "0.53 times the relay's (at least 0.5): met",
    ]
    assert cells(shown[4])[4] == "median 0.50 ms (at most 4): met; 4 workers served (at least 4): met"
    assert cells(shown[5])[1:] == ["2.50 s", "", "", ""]
    assert len({len(line) for line in shown}) == 1


def test_the_table_in_chinese_has_the_same_figures() -> None:
    english, chinese = lines("en"), lines("zh")
    assert cells(chinese[0]) == ["指标", "网关", "裸转发", "每请求一进程", "目标"]
    assert [cells(line)[1:4] for line in chinese[2:]] == [cells(line)[1:4] for line in english[2:]]
    assert "未达到" in chinese[2]
    assert "达到" in chinese[3]
    columns = {len(line) + sum(ord(letter) > 0x2E80 for letter in line) for line in chinese}
    assert len(columns) == 1, "a Chinese character is as wide as two others"


def test_columns_can_be_chosen() -> None:
    assert cells(next(table(RUN, say, ("figure", "gateway")))) == ["figure", "gateway"]


def test_the_machine_is_one_line() -> None:
    assert machine(RUN) == "date: 2030-01-02, cores: 2"


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (0.0, "0 ms"), (2.0, "2 ms"), (0.678, "0.68 ms"), (12.34, "12.3 ms")]
)
def test_figures_are_short(value: float | None, text: str) -> None:
    assert figure(value, "ms") == text


def with_ratio(name: str, value: float, *, least: bool = False, ratio: bool = True) -> Run:
    return Run({"date": "2030-01-02"}, [Row("latency", "ms", 1.0, checks=[Check(name, value, 1.0, least, ratio)])])


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")


@pytest.mark.usefixtures("english")
def test_a_ratio_that_is_clearly_worse_is_warned_of_with_both_values_and_the_date() -> None:
    before, now = with_ratio("of_relay", 1.0), with_ratio("of_relay", TOLERANCE + 0.01)
    (warning,) = find_regressions(now, before)
    assert warning == (
        "Warning: latency of a token at 50 tokens/s: 1.26 times the relay's, was 1 in the published run of 2030-01-02."
    )


def test_a_ratio_of_which_more_is_better_is_worse_when_it_falls() -> None:
    before = with_ratio("of_relay", 0.6, least=True)
    assert list(find_regressions(with_ratio("of_relay", 0.6 / TOLERANCE - 0.01, least=True), before))
    assert not list(find_regressions(with_ratio("of_relay", 0.6 / TOLERANCE + 0.01, least=True), before))
    assert not list(find_regressions(with_ratio("of_relay", 6.0, least=True), before))


def test_noise_what_is_better_and_what_is_no_ratio_are_not_warned_of() -> None:
    before = with_ratio("of_relay", 1.0)
    assert not list(find_regressions(with_ratio("of_relay", TOLERANCE - 0.01), before))
    assert not list(find_regressions(with_ratio("of_relay", 0.1), before))
    assert not list(
        find_regressions(with_ratio("median_ms", 99.0, ratio=False), with_ratio("median_ms", 1.0, ratio=False))
    )


def test_a_figure_that_was_not_published_is_not_compared() -> None:
    assert not list(find_regressions(with_ratio("of_process_per_request", 99.0), with_ratio("of_relay", 1.0)))


def test_the_published_run_is_read_if_there_is_one(tmp_path: Path) -> None:
    assert load_published_run(tmp_path / "none.json") is None
    (tmp_path / "run.json").write_text(json.dumps(RUN.body()))
    found = load_published_run(tmp_path / "run.json")
    assert found is not None
    assert found.body() == RUN.body()
