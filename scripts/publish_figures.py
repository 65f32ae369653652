"""Publish a run of the benchmark.

The run is kept in docs/performance.json; the tables and pictures of the pages are made from that file alone. `python
scripts/publish_figures.py RUN.json` takes the output of `python -m benchmarks --json`; without a file the pages are
written anew from the run that is published already. Nothing between a page's markers is typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))  # The project is run from its checkout.

from benchmarks import messages, plots  # noqa: E402
from benchmarks.published_run import load_published_run  # noqa: E402
from bpu.bench.figures import Run  # noqa: E402
from bpu.bench.report import machine, table  # noqa: E402
from bpu.messages import Language  # noqa: E402

DATA = PROJECT / "docs" / "performance.json"
PICTURE = PROJECT / "docs" / "images" / "performance.svg"
#: Pages with the whole table, and with the short one.
WHOLE: Mapping[str, Language] = {"docs/performance.md": "en", "docs/performance.zh-CN.md": "zh"}
SHORT: Mapping[str, Language] = {"README.md": "en", "README.zh-CN.md": "zh"}
#: The rows of the short table, and its columns: what aims mean is explained on the whole page.
ROWS = ("first_token", "first_token_cold", "latency", "throughput", "hand_over_1", "turns", "waiting_memory")
COLUMNS = ("figure", "gateway", "relay", "process_per_request")
_MARKED = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def full_table(run: Run, lang: Language) -> str:
    """Return the table of `docs/performance.md`, and below it the machine."""
    return "\n".join([*table(run, partial(messages.say, lang=lang), (*COLUMNS, "aim")), "", f"`{machine(run)}`"])


def short_table(run: Run, lang: Language) -> str:
    """Return the short table of the README."""
    rows = {row.key: row for row in run.rows}
    return "\n".join(table(Run(run.machine, [rows[key] for key in ROWS]), partial(messages.say, lang=lang), COLUMNS))


def render_pages(run: Run) -> dict[Path, str]:
    """Render every page with figures of `run`."""
    blocks = {PROJECT / name: full_table(run, lang) for name, lang in WHOLE.items()}
    blocks |= {PROJECT / name: short_table(run, lang) for name, lang in SHORT.items()}
    return {page: replace_marked(page.read_text(encoding="utf-8"), block) for page, block in blocks.items()}


def replace_marked(text: str, block: str) -> str:
    """Replace the text between the markers by `block`. Raises ValueError without markers."""
    found, count = _MARKED.subn(lambda match: f"{match[1]}{block}\n{match[2]}", text)
    if count != 1:
        raise ValueError("a page needs its markers, once")
    return found


def data(run: Run) -> str:
    """Return the text of `docs/performance.json`."""
    body = run.thinned().body()
    lists = {name: f"@{name}@" for name in body["series"]}
    text = json.dumps({**body, "series": lists}, indent=1, ensure_ascii=False)
    for name, place in lists.items():
        # A series is one line: a hundred would be a page of numbers.
        text = text.replace(f'"{place}"', json.dumps(body["series"][name]))
    return f"{text}\n"


def main() -> None:
    if len(sys.argv) > 1:
        given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        DATA.write_text(data(Run.of(given)), encoding="utf-8")
    run = load_published_run(DATA)
    if run is None:
        raise SystemExit(f"There is no {DATA}.")
    for page, text in render_pages(run).items():
        page.write_text(text, encoding="utf-8")
    plots.draw(run.series, PICTURE)


if __name__ == "__main__":
    main()
