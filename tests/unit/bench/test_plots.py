"""Pictures of a run: what it has series of, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.plots import draw
from bpu.bench.figures import Series

SERIES: Series = {
    **{f"latency, {side}, ms": [0.3, 0.4, 0.5] for side in ("relay", "gateway", "process per request")},
    **{f"first token by turn, {way}, ms": [50.0, 60.0, 70.0] for way in ("continued", "sent again")},
    **{f"idle between jobs, {workers} workers, ms": [0.5, 0.6] for workers in (1, 4)},
    "jobs": [500.0, 1000.0],
    **{f"memory by job, {name}, MB": [30.0, 30.1] for name in ("worker", "keeper")},
}

pytest.importorskip("matplotlib")


def test_a_panel_for_each_series_that_is_there_and_equal_series_make_equal_files(tmp_path: Path) -> None:
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for path in files:
        draw(SERIES, path)
    one, two = (path.read_text() for path in files)
    assert one == two
    assert one.count('<g id="axes_') == 4


@pytest.mark.parametrize("name", ["run.png", "run.svg"])
def test_one_series_is_one_panel_and_none_is_an_empty_picture(tmp_path: Path, name: str) -> None:
    for series in ({"first token, gateway, ms": [20.0, 21.0]}, {}):
        path = tmp_path / name
        draw(series, path)
        assert path.stat().st_size > 500


def test_without_matplotlib_nothing_is_measured_and_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = CliRunner().invoke(main, ["--plot", str(tmp_path / "run.svg")], env={"LC_ALL": "C"})
    assert result.exit_code == 3
    assert "pip install -r requirements-dev.txt" in result.output
    assert "Measuring" not in result.output
