"""A person chats: asks, reads, folds the thinking, stops, asks again, edits, comes back later."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.conftest import Start
from tests.browser.person import DESKTOP, PHONE, Visitor, say

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
#: Comes for half a minute, unless somebody stops it.
LONG = say("</think>\n\n" + "\n\n".join(f"Paragraph number {number}." for number in range(1, 60)), rate=10)


@pytest.mark.parametrize(("size", "lang"), [(DESKTOP, "en-US"), (PHONE, "zh-CN")], ids=["desktop-en", "phone-zh"])
def test_a_question_is_answered(visit: Visit, size: dict[str, int], lang: str) -> None:
    visitor = visit(size=size, lang=lang)
    visitor.find("prompt").fill("Why is the sky blue?")
    visitor.find("send").click()
    visitor.wait_finished()
    assert visitor.find("answer").inner_text().strip()
    assert visitor.find("prompt").input_value() == ""
    assert visitor.find("answer").count() == 1


def test_the_thinking_is_apart_and_folds_when_the_answer_begins(visitor: Visitor) -> None:
    answer = visitor.ask(say("I weigh it up, and then once more, slowly.\n</think>\n\nForty-two.", rate=10))
    assert answer == "Forty-two."
    reasoning = visitor.find("reasoning")
    assert reasoning.get_attribute("open") is None
    assert "Thought for" in reasoning.locator("summary").inner_text()
    reasoning.locator("summary").click()
    assert reasoning.get_attribute("open") is not None
    assert "I weigh it up" in reasoning.inner_text()


def test_stop_keeps_what_has_come_and_frees_the_page(visitor: Visitor) -> None:
    visitor.send(LONG)
    visitor.wait_text("answer", "Paragraph number 1")
    visitor.find("stop").click()
    visitor.find("send").wait_for(state="visible")
    assert "Paragraph number 59" not in visitor.find("answer").inner_text()
    assert "Stopped by you." in visitor.page.locator(".message.answer").inner_text()
    assert visitor.ask(say("</think>\n\nNext.")) == "Next."


def test_everything_works_from_the_keyboard(visitor: Visitor) -> None:
    keyboard = visitor.page.keyboard
    visitor.find("prompt").focus()
    keyboard.type("first line")
    keyboard.press("Shift+Enter")
    keyboard.type("second line")
    assert visitor.find("prompt").input_value() == "first line\nsecond line"
    visitor.find("prompt").fill(LONG)
    keyboard.press("Enter")
    visitor.wait_text("answer", "Paragraph number 1")
    keyboard.press("Escape")
    visitor.find("send").wait_for(state="visible")
    keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.tagName") == "BUTTON"


def test_the_skip_link_is_the_first_stop_and_leads_to_the_prompt(visit: Visit) -> None:
    """On a phone, where the prompt does not take the focus (and call the keyboard up) by itself."""
    visitor = visit(size=PHONE)
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.className") == "skip"
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.type("x")
    assert visitor.find("prompt").input_value() == "x"


@pytest.mark.parametrize("composing", [{"isComposing": True}, {"keyCode": 229}], ids=["isComposing", "keyCode-229"])
def test_enter_of_an_input_method_never_sends(visitor: Visitor, composing: dict[str, object]) -> None:
    visitor.find("prompt").fill("nihao")
    visitor.page.evaluate(
        "(how) => document.getElementById('prompt').dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true, ...how}))",
        composing,
    )
    assert visitor.find("prompt").input_value() == "nihao"
    assert visitor.find("stop").is_hidden()


def test_enter_right_after_a_composition_never_sends(visitor: Visitor) -> None:
    """Some browsers report the Enter that ended a composition only after its end."""
    visitor.page.evaluate(
        """() => {
          const prompt = document.getElementById('prompt');
          prompt.value = '你好';
          prompt.dispatchEvent(new CompositionEvent('compositionstart', {bubbles: true}));
          prompt.dispatchEvent(new CompositionEvent('compositionend', {bubbles: true, data: '你好'}));
          prompt.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true}));
        }"""
    )
    assert visitor.find("prompt").input_value() == "你好"
    visitor.find("prompt").press("Enter")
    visitor.page.locator(".message.answer").wait_for()
    visitor.wait_finished()


def test_only_the_newest_answer_carries_the_name(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nOne."))
    assert visitor.ask(say("</think>\n\nTwo.")) == "Two."
    assert visitor.find("answer").count() == 1
    assert visitor.answer_count() == 2


def test_conversations_stay_in_the_browser(visitor: Visitor) -> None:
    visitor.ask("The first conversation")
    visitor.find("new-chat").click()
    assert visitor.answer_count() == 0
    visitor.ask(say("</think>\n\nSecond."))
    visitor.page.reload()
    visitor.find("answer").wait_for()
    assert visitor.find("answer").inner_text() == "Second."
    visitor.page.get_by_role("button", name="The first conversation", exact=True).click()
    assert "The first conversation" in visitor.page.locator(".bubble").inner_text()
    visitor.page.get_by_role("button", name="Delete: The first conversation").click()
    assert visitor.page.get_by_role("button", name="The first conversation", exact=True).count() == 0


@pytest.mark.parametrize("kind", ["Markdown", "JSON"])
def test_a_conversation_is_exported(visitor: Visitor, kind: str, tmp_path: Path) -> None:
    visitor.ask(say("Hm.\n</think>\n\nAn **answer**."))
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name=f"Export as {kind}").click()
    path = tmp_path / "export"
    download.value.save_as(path)
    text = path.read_text(encoding="utf-8")
    if kind == "JSON":
        [question, answer] = json.loads(text)["messages"]
        assert (question["role"], answer["content"], answer["reasoning"].strip()) == ("user", "An **answer**.", "Hm.")
    else:
        assert "## You" in text
        assert "> Hm." in text
        assert "An **answer**." in text
    assert download.value.suggested_filename.endswith((".md", ".json"))


def test_settings_go_into_the_request(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("System prompt").fill("Answer in Latin.")
    page.get_by_label("Longest answer, in tokens").fill("6")
    page.get_by_label("API key").fill("a-key")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Think", exact=True).click()
    with page.expect_request("**/v1/chat/completions") as request:
        visitor.send(LONG)
    body = request.value.post_data_json
    assert body["messages"][0] == {"role": "system", "content": "Answer in Latin."}
    assert body["max_tokens"] == 6
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert request.value.headers["authorization"] == "Bearer a-key"
    visitor.wait_finished()
    assert "Cut at the token limit" in page.locator(".message.answer").inner_text()


def test_earlier_thinking_is_not_sent_back(visitor: Visitor) -> None:
    visitor.ask(say("Secret musing.\n</think>\n\nOne."))
    with visitor.page.expect_request("**/v1/chat/completions") as request:
        visitor.send("And now?")
    assert "Secret musing" not in request.value.post_data.replace(say("Secret musing.\n</think>\n\nOne."), "")
    assert [message["role"] for message in request.value.post_data_json["messages"]] == ["user", "assistant", "user"]
    visitor.wait_finished()


def test_the_screen_reader_hears_the_answer(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nFirst sentence. Second sentence."))
    heard = visitor.page.locator("#announcer").inner_text()
    assert "First sentence." in heard
    assert "The answer is complete." in heard


def test_thinking_inside_the_text_is_shown_apart_too(visit: Visit, start: Start) -> None:
    visitor = visit(url=start(BPU_REASONING="think-tags").url)
    assert visitor.ask(say("I weigh it up.\n</think>\n\nForty-two < 43.")) == "Forty-two < 43."
    visitor.find("reasoning").locator("summary").click()
    assert visitor.page.locator(".thoughts").inner_text() == "I weigh it up."


@pytest.mark.parametrize(
    ("pieces", "parts"),
    [
        (["\n<th", "ink>a<", "/thi", "nk>\n\nb"], {"reasoning": "a", "content": "b"}),
        (["<think>a </th b"], {"reasoning": "a </th b"}),
        (["<think>a</thin"], {"reasoning": "a</thin"}),
        (["<thin"], {"content": "<thin"}),
        (["a <think>b</think>"], {"content": "a <think>b</think>"}),
        (["<think></think>b"], {"content": "b"}),
        (["<think>a `</think>", "` b</think>\n", "\nc"], {"reasoning": "a `</think>` b", "content": "c"}),
    ],
)
def test_thinking_is_split_wherever_the_pieces_end(visitor: Visitor, pieces: list[str], parts: dict[str, str]) -> None:
    found = visitor.page.evaluate(
        """async (pieces) => {
          const { ThinkSplitter } = await import('/static/reasoning_view.js');
          const splitter = new ThinkSplitter();
          const parts = {};
          for (const [kind, text] of [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()]) {
            parts[kind] = (parts[kind] ?? '') + text;
          }
          return parts;
        }""",
        pieces,
    )
    assert found == parts
