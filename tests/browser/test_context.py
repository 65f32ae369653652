"""A person comes to the end of the model's context: the gauge, the warning, the way on; and several models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.browser.conftest import Start
from tests.browser.person import DESKTOP, PHONE, Visitor, say

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
SHORT = say("</think>\n\nShort.")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_gauge_tells_what_is_used_and_left(visit: Visit, size: dict[str, int]) -> None:
    visitor = visit(size=size)
    assert visitor.find("context-gauge").is_hidden()
    visitor.ask(SHORT)
    body = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": SHORT}]}
    usage = visitor.page.request.post(f"{visitor.url}/v1/chat/completions", data=body).json()["usage"]
    thought = usage["completion_tokens_details"]["reasoning_tokens"]
    used = usage["prompt_tokens"] + usage["completion_tokens"] - thought
    label = visitor.find("context-gauge").get_attribute("aria-label")
    assert f"{used} of 4096 tokens used, {4096 - used} left" in label


def test_what_is_cached_is_said_of_the_conversation_that_is_cached_alone(visit: Visit, start: Start) -> None:
    """The console holds one conversation: another one, of this page or of another client, takes its place."""
    site = start(BPU_CONTINUE="always")
    visitor = visit(url=site.url)
    gauge = visitor.page.locator("[data-testid=context-gauge]")
    cached = visitor.page.locator("[data-testid=context-gauge][aria-label*='in the cache']")
    visitor.ask(f"One {SHORT}")
    cached.wait_for()
    visitor.find("new-chat").click()
    visitor.ask(f"Two {SHORT}")
    cached.wait_for()
    visitor.find("conversation").nth(1).click()
    visitor.wait_text("answer", "Short.")
    gauge.wait_for()
    assert "cache" not in gauge.get_attribute("aria-label")
    visitor.ask(f"One more {SHORT}")
    cached.wait_for()
    tokens = visitor.page.request.get(f"{site.url}/slots").json()["cache_tokens"]
    used, said = (int(number) for number in re.findall(r"(\d+) (?:of|in the cache)", gauge.get_attribute("aria-label")))
    assert said == min(used, tokens)
    visitor.page.reload()
    cached.wait_for()
    site.ask("Another client's question")
    cached.wait_for(state="detached")


def test_a_warning_comes_at_four_fifths(visitor: Visitor) -> None:
    visitor.ask("a " * 3400 + SHORT)
    visitor.page.locator("[data-testid=context-gauge][data-level=high]").wait_for()
    assert "nearly full" in visitor.page.locator("#context-warning").inner_text()
    visitor.find("new-chat").click()
    assert visitor.page.locator("#context-warning").is_hidden()


def test_at_the_end_it_goes_on_without_the_oldest_turns(visitor: Visitor) -> None:
    visitor.expected.append("400")
    for number in (1, 2):
        visitor.ask(f"turn {number} " + "a " * 1500 + SHORT)
    visitor.send("turn 3 " + "a " * 1300 + SHORT)
    visitor.wait_text("error", "does not fit the model's context")
    assert visitor.page.get_by_role("button", name="Try again").count() == 0
    with visitor.page.expect_request("**/v1/chat/completions") as request:
        visitor.page.get_by_role("button", name="Continue without the oldest turns").click()
    contents = [message["content"] for message in request.value.post_data_json["messages"]]
    assert not any("turn 1" in content for content in contents)
    assert "turn 3" in contents[-1]
    visitor.wait_finished()
    visitor.wait_text("answer", "Short.")
    visitor.page.get_by_text("The model no longer sees what is above this line.").wait_for()
    assert visitor.page.locator(".question").count() == 3


MODELS = [
    {"id": "deepseek-r1:1.5b", "object": "model", "context_length": 4096},
    {"id": "deepseek-r1:7b", "object": "model", "context_length": 2048},
]


def test_one_model_needs_no_menu(visitor: Visitor) -> None:
    visitor.wait_ready()
    assert visitor.find("model-menu").is_hidden()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_several_models_make_a_menu_with_their_state(visit: Visit, size: dict[str, int]) -> None:
    """The gateway of this test has one model: the list is a stand-in."""
    visitor = visit(size=size, go=False)
    body = json.dumps({"object": "list", "data": MODELS})
    visitor.page.route("**/v1/models", lambda route: route.fulfill(body=body, content_type="application/json"))
    visitor.open()
    menu = visitor.find("model-menu")
    menu.wait_for()
    menu.locator("option", has_text="deepseek-r1:1.5b (loaded)").wait_for(state="attached")
    assert "not loaded, about" in menu.inner_text()
    menu.select_option("deepseek-r1:7b")
    visitor.expected.append("404")
    with visitor.page.expect_request("**/v1/chat/completions") as request:
        visitor.send(SHORT)
    assert request.value.post_data_json["model"] == "deepseek-r1:7b"
    visitor.wait_text("error", "does not serve this model")
