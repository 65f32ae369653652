"""What the pages say of the published run is what docs/performance.json holds, to the letter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.plots import PANELS
from benchmarks.published_run import load_published_run
from bpu.bench.figures import QUANTILES, Row, Run
from scripts.publish_figures import DATA, PICTURE, data, render_pages, replace_marked
from tests.unit.bench.test_bench_live import FIGURES


@pytest.fixture(scope="module")
def run() -> Run:
    found = load_published_run(DATA)
    assert found is not None
    return found


def test_every_page_has_the_figures_of_the_published_run(run: Run) -> None:
    written = render_pages(run)
    assert len(written) == 4
    for page, text in written.items():
        assert page.read_text(encoding="utf-8") == text, f"{page.name}: python scripts/publish_figures.py"


def test_another_run_would_make_other_pages(run: Run) -> None:
    other = Run(run.machine, [replace(row, gateway=row.gateway + 1) for row in run.rows], run.series)
    for page, text in render_pages(other).items():
        assert page.read_text(encoding="utf-8") != text


def test_the_published_run_is_whole_and_small(run: Run) -> None:
    assert {row.key for row in run.rows} == FIGURES
    assert {"date", "processor", "cores", "system", "python"} <= set(run.machine)
    assert all(0 < len(values) <= QUANTILES for values in run.series.values())
    assert all(any(name.startswith(beginning) for name in run.series) for beginning in PANELS)
    assert DATA.stat().st_size < 40_000
    assert PICTURE.stat().st_size < 120_000


def test_the_published_run_is_written_as_the_script_writes_it(run: Run) -> None:
    assert DATA.read_text(encoding="utf-8") == data(run)


def test_a_long_series_is_published_as_one_short_line() -> None:
    text = data(Run({"date": "2030-01-02"}, [Row("start", "s", 1.0)], {"x, ms": [float(n) for n in range(1000)]}))
    (line,) = (line for line in text.splitlines() if '"x, ms"' in line)
    assert line.count(",") == QUANTILES
    assert '"gateway": 1.0' in text


def test_only_what_is_between_the_markers_is_written() -> None:
    page = "before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n"
    assert replace_marked(page, "new") == "before\n<!-- figures -->\nnew\n<!-- end of figures -->\nafter\n"
    assert replace_marked(replace_marked(page, "new"), r"\1") == page.replace("old", r"\1")
    with pytest.raises(ValueError, match="markers"):
        replace_marked("a page", "new")


def test_both_pages_show_the_picture() -> None:
    for name in ("performance.md", "performance.zh-CN.md"):
        assert f"(images/{PICTURE.name})" in (DATA.parent / name).read_text(encoding="utf-8")
