"""A person watches the board: state, queue, speed, memory, log; cancels, unloads and loads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import CONSOLE, Start
from tests.browser.person import DESKTOP, PHONE, Visitor, say, sim

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
SLOW = sim(tokens=900, think=3, rate=20)


def card(visitor: Visitor, name: str) -> Any:
    return visitor.page.locator(".card").filter(has=visitor.page.get_by_role("heading", name=name, exact=True))


def test_the_state_of_the_engine_and_the_simulator_are_plain(visitor: Visitor) -> None:
    visitor.wait_ready()
    assert "Simulated" in visitor.find("simulated").inner_text()
    assert "deepseek-r1:1.5b" in visitor.find("engine-state").inner_text()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_board_is_seen_while_it_answers(visit: Visit, size: dict[str, int]) -> None:
    visitor = visit(size=size)
    visitor.wait_ready()
    visitor.send(SLOW)
    visitor.wait_text("answer", "the simulator")
    visitor.open_panel("board")
    card(visitor, "Queue").get_by_text("decoding").wait_for()
    card(visitor, "Tokens per second").get_by_role("img").wait_for()
    visitor.wait_text("tokens-per-second", "tokens/s")
    assert "GiB" in card(visitor, "Memory").inner_text()
    card(visitor, "Queue").get_by_role("button", name="Cancel this job").click()
    card(visitor, "Queue").get_by_text("No job waits or runs.").wait_for()
    visitor.wait_finished()
    visitor.page.locator("#panel-close").click()
    visitor.wait_text("error", "cancelled")


def test_a_button_that_is_pressed_slowly_is_pressed(visitor: Visitor) -> None:
    visitor.wait_ready()
    visitor.open_panel("board")
    button = visitor.page.get_by_role("button", name="Unload", exact=True)
    button.hover()
    visitor.page.mouse.down()
    visitor.page.wait_for_timeout(1500)  # The card tells how long the state lasts, to the second.
    with visitor.page.expect_request("**/v1/engine/unload"):
        visitor.page.mouse.up()
    visitor.wait_state("stopped")
    visitor.page.get_by_role("button", name="Load", exact=True).click()
    visitor.wait_ready()


def test_first_tokens_are_drawn_as_the_jobs_come(visitor: Visitor) -> None:
    visitor.wait_ready()
    visitor.open_panel("board")
    for number in (1, 2):
        visitor.ask(sim(tokens=40, rate=20, prefill=1))
        card(visitor, "First token after").locator("svg rect").nth(number - 1).wait_for()
    (seconds, highest) = map(float, re.findall(r"\d+\.\d+", card(visitor, "First token after").inner_text()))
    assert 1 <= seconds <= highest


def one_behind_the_other(visit: Visit) -> tuple[Visitor, Visitor]:
    """Two people: one is being answered, the other has asked and must wait."""
    first, second = visit(), visit()
    first.wait_ready()
    first.send(SLOW)
    first.wait_text("answer", "the simulator")
    second.send(say("</think>\n\nMine."))
    return first, second


def test_two_people_see_their_places(visit: Visit) -> None:
    first, second = one_behind_the_other(visit)
    second.page.get_by_text("Number 1 in the queue").wait_for()
    second.wait_text("queue", "Place 1")
    first.wait_text("queue", "1 waiting")
    first.find("stop").click()
    second.wait_text("answer", "Mine.")
    second.wait_finished()
    assert (first.answer_count(), second.answer_count()) == (1, 1)


def test_somebody_elses_job_is_cancelled_in_the_queue(visit: Visit) -> None:
    first, second = one_behind_the_other(visit)
    second.wait_text("queue", "Place 1")
    first.open_panel("board")
    row = card(first, "Queue").get_by_role("listitem").filter(has_text="place 1")
    row.get_by_role("button", name="Cancel this job").click()
    row.get_by_role("button", name="Really cancel another client's job?").click()
    second.wait_text("error", "cancelled")
    assert first.find("stop").is_visible()


def test_reading_the_question_is_seen(visitor: Visitor) -> None:
    visitor.wait_ready()
    visitor.send(sim(prefill=60))
    visitor.page.get_by_text("Reading the question (prefill)").wait_for()
    visitor.find("stop").click()
    assert "Stopped by you." in visitor.page.locator(".message.answer").inner_text()


def test_the_model_is_unloaded_and_loaded(visitor: Visitor) -> None:
    visitor.wait_ready()
    visitor.open_panel("board")
    visitor.page.get_by_role("button", name="Unload").click()
    visitor.wait_state("stopped")
    visitor.page.get_by_role("button", name="Load", exact=True).click()
    visitor.wait_ready()
    assert "Load" in card(visitor, "Engine").inner_text()


def test_loading_shows_how_far_it_is_and_a_question_waits_for_it(visit: Visit, start: Start) -> None:
    site = start(BPU_CONSOLE_ARGS=CONSOLE.replace("--load-seconds 0.2", "--load-seconds 6"))
    visitor = visit(url=site.url)
    visitor.open_panel("board")
    visitor.page.get_by_role("button", name="Unload").click()
    visitor.wait_state("stopped")
    visitor.send(say("</think>\n\nLoaded."))
    visitor.wait_state("starting")
    visitor.page.locator(".waiting").get_by_text("Loading the model").wait_for()
    share = visitor.page.get_by_role("progressbar", name="Loading the model")
    assert 0 <= float(share.get_attribute("value")) <= 0.97
    visitor.wait_text("answer", "Loaded.")
    visitor.wait_finished()


def test_a_failure_is_shown_with_its_cause_and_its_log(visit: Visit, start: Start) -> None:
    site = start(ready="failed", BPU_CONSOLE_ARGS=f"{CONSOLE} --fault no-memory")
    visitor = visit(url=site.url)
    visitor.wait_state("failed")
    visitor.open_panel("board")
    assert "memory" in card(visitor, "Engine").locator(".note.bad").inner_text()
    assert "Cannot malloc bpu memory" in card(visitor, "Console log").inner_text()


def test_a_crash_is_counted_and_the_log_holds_nobodys_words(visit: Visit, start: Start) -> None:
    site = start()
    visitor = visit(url=site.url)
    visitor.open_panel("board")
    visitor.send(f"Tell nobody of Zephyrine. {sim(tokens=50, nonce='Quixote', rate=50, fault='signal', after=10)}")
    visitor.wait_text("error", "")
    card(visitor, "Engine").get_by_text("crash").wait_for()
    visitor.wait_ready()
    board = visitor.page.locator("#panel-board").inner_text()
    assert "Zephyrine" not in board
    assert "Quixote" not in board


def test_load_and_temperature_of_a_board(visit: Visit) -> None:
    """The one thing that no machine but a board can show: here the board's part of the event is a stand-in."""
    pools = [
        {"name": "RAM", "used": 3 << 30, "total": 8 << 30},
        {"name": "ion_cma", "used": None, "total": 512 << 20},
    ]
    board = {"memory": pools, "bpu_percent": [73], "temperatures": [{"name": "bpu", "celsius": 57}]}
    visitor = visit(go=False)
    facts = visitor.page.request.get(f"{visitor.url}/slots").json()
    engine = {"state": "ready", "since_s": 3.0, "cache_tokens": 1024, "running": None, "waiting": facts["waiting"]}
    body = f"data: {json.dumps({'engine': engine, 'board': board})}\n\n"
    visitor.page.route("**/v1/events", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    visitor.open()
    visitor.open_panel("board")
    memory = card(visitor, "Memory").inner_text()
    assert "3.0 GiB of 8.0 GiB" in memory
    assert "512 MiB, use visible to root only" in memory
    heat = card(visitor, "Temperature").inner_text()
    assert "73 %" in heat
    assert "57 °C" in heat
    assert visitor.page.locator("#panel-board .card:visible").count() == 9
    assert "1024" in card(visitor, "Resident conversation").inner_text()
    assert visitor.find("simulated").is_hidden()
