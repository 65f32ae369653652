"""A person looks at the figures: of an answer, of the last requests of everybody, and at whose jobs they may end."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.conftest import CONSOLE, Start
from tests.browser.person import DESKTOP, PHONE, Visitor, say, sim

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]


def test_an_answer_has_its_figures(visitor: Visitor) -> None:
    visitor.wait_ready()
    visitor.ask(sim(tokens=60, think=5, rate=20, prefill=1))
    stats = visitor.page.locator(".stats").inner_text()
    assert re.fullmatch(r"prompt \d+( \(\d+ cached\))?, 60 tokens, \d\d\.\d tokens/s, first token \d\.\d s", stats), (
        stats
    )


def test_a_wait_is_told_apart_from_the_first_token(visit: Visit) -> None:
    first, second = visit(), visit()
    first.wait_ready()
    first.send(sim(tokens=120, rate=30))
    first.page.locator(".message.answer").wait_for()
    second.ask(sim(tokens=20, rate=20))
    stats = second.page.locator(".stats").inner_text()
    assert re.search(r"waited \d", stats), stats
    first.wait_finished()


def test_no_figure_is_absurd(visit: Visit, start: Start) -> None:
    """A console that is faster than a clock."""
    visitor = visit(url=start(BPU_CONSOLE_ARGS="--speed max --load-seconds 0").url)
    visitor.ask(say("Quick.\n</think>\n\nDone."))
    text = visitor.page.locator(".message.answer").inner_text()
    assert "tokens/s" not in text
    assert "0.0 s" not in text
    assert "Thought for" not in text


@pytest.mark.parametrize(("size", "lang"), [(DESKTOP, "en-US"), (PHONE, "zh-CN")], ids=["desktop", "phone-zh"])
def test_the_last_requests_are_a_table(visit: Visit, size: dict[str, int], lang: str, tmp_path: Path) -> None:
    visitor = visit(size=size, lang=lang)
    visitor.ask(f"Tell nobody of Zephyrine. {say('</think>' + chr(10) * 2 + 'Secretly.')}")
    visitor.open_panel("board")
    activity = visitor.find("activity")
    row = activity.locator("tbody tr").first
    row.wait_for()
    assert "deepseek-r1:1.5b" in row.inner_text()
    assert "stop" in row.inner_text()
    assert "Zephyrine" not in activity.inner_text()
    assert "Secretly" not in activity.inner_text()
    activity.get_by_role("searchbox").fill("no such thing")
    assert activity.locator("tbody tr").count() == 0
    activity.get_by_role("searchbox").fill("deepseek")
    with visitor.page.expect_download() as download:
        activity.get_by_role("button", name=visitor.words("activity_csv")).click()
    path = tmp_path / "activity.csv"
    download.value.save_as(path)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert rows[0]["client"] == "127.0.0.1"
    assert int(rows[0]["tokens"]) > 0


def test_words_that_are_kept_are_announced(visit: Visit, start: Start) -> None:
    visitor = visit(url=start(BPU_ACTIVITY="bodies", BPU_CONSOLE_ARGS=CONSOLE).url)
    visitor.find("bodies").get_by_text("are kept on this board for 24 hours").wait_for()
    visitor.ask(say("</think>\n\n<img src=x onerror=window.pwned=1>"))
    visitor.open_panel("board")
    words = visitor.find("activity").locator("details").first
    words.locator("summary").click()
    assert "onerror" in words.inner_text()
    assert visitor.page.evaluate("window.pwned ?? null") is None


def test_nothing_is_kept_where_nothing_shall_be(visit: Visit, start: Start) -> None:
    visitor = visit(url=start(BPU_ACTIVITY="0", BPU_CONSOLE_ARGS=CONSOLE).url)
    visitor.ask(say("</think>\n\nOne."))
    visitor.open_panel("board")
    visitor.find("activity").get_by_text("Activity is not recorded").wait_for()
    assert visitor.find("activity").locator("tbody tr").count() == 0


def test_a_cell_is_no_formula_for_a_spreadsheet(visitor: Visitor) -> None:
    row = {"time": 0, "client": "=1+1", "model": 'a,"b"', "rate": -1}
    lines = visitor.page.evaluate("(row) => import('/static/activity.js').then(({ csv }) => csv([row]))", row)
    assert "'=1+1" in lines
    assert '"a,""b"""' in lines
    assert ",-1," in lines


def test_somebody_elses_job_asks_before_it_is_cancelled(visit: Visit) -> None:
    first, second = visit(), visit()
    first.wait_ready()
    first.send(sim(tokens=900, rate=20))
    first.page.locator(".message.answer").wait_for()
    second.send(say("</think>\n\nMine."))
    second.wait_text("queue", "Place 1")
    second.open_panel("board")
    own = second.page.locator(".jobs li").filter(has_text="yours")
    other = second.page.locator(".jobs li").filter(has_text="another client's")
    assert (own.count(), other.count()) == (1, 1)
    other.get_by_role("button", name="Cancel this job").click()
    assert first.find("stop").is_visible()
    second.page.locator(".jobs").get_by_role("button", name="Really cancel another client's job?").click()
    first.expected.append("cancelled")
    first.wait_text("error", "The job was cancelled")
    second.wait_text("answer", "Mine.")
    second.wait_finished()
