"""A person changes their mind: versions of questions and answers, undo, going on, the next message, drafts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.person import DESKTOP, PHONE, Visitor, say

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
both_sizes = pytest.mark.parametrize(
    ("size", "lang"), [(DESKTOP, "en-US"), (PHONE, "zh-CN")], ids=["desktop", "phone-zh"]
)


def edit(visitor: Visitor, number: int, text: str) -> None:
    question = visitor.page.locator(".question").nth(number)
    question.hover()
    question.get_by_role("button", name=visitor.words("edit")).click()
    visitor.page.locator(".editing textarea").fill(text)
    visitor.page.get_by_role("button", name=visitor.words("save")).click()


@both_sizes
def test_an_edited_question_keeps_the_old_branch(visit: Visit, size: dict[str, int], lang: str) -> None:
    visitor = visit(size=size, lang=lang)
    visitor.ask(say("</think>\n\nOne."))
    visitor.ask(say("</think>\n\nTwo."))
    edit(visitor, 0, say("</think>\n\nThree."))
    visitor.wait_text("answer", "Three.")
    visitor.wait_finished()
    assert visitor.answer_count() == 1
    branch = visitor.find("branch").first
    assert branch.inner_text().strip() == "2/2"
    branch.get_by_role("button", name=visitor.words("version_before")).click()
    visitor.wait_text("answer", "Two.")
    assert visitor.answer_count() == 2
    visitor.page.reload()
    visitor.find("answer").wait_for()
    assert visitor.find("branch").first.inner_text().strip() == "1/2"
    visitor.find("branch").first.get_by_role("button", name=visitor.words("version_after")).click()
    visitor.wait_text("answer", "Three.")


def test_answer_again_adds_a_version(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nOne."))
    for number in (2, 3):
        visitor.page.get_by_role("button", name="Answer again").click()
        visitor.find("branch").filter(has_text=f"{number}/{number}").wait_for()
        visitor.wait_finished()
    assert visitor.answer_count() == 1
    assert visitor.find("answer").inner_text() == "One."
    visitor.find("branch").get_by_role("button", name="Version before").click()
    visitor.find("branch").filter(has_text="2/3").wait_for()


def test_only_the_chosen_branch_is_sent(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nOne."))
    edit(visitor, 0, say("</think>\n\nTwo."))
    visitor.wait_text("answer", "Two.")
    visitor.wait_finished()
    visitor.find("branch").first.get_by_role("button", name="Version before").click()
    visitor.wait_text("answer", "One.")
    with visitor.page.expect_request("**/v1/chat/completions") as request:
        visitor.send("And now?")
    contents = [message["content"] for message in request.value.post_data_json["messages"]]
    assert contents == [say("</think>\n\nOne."), "One.", "And now?"]
    visitor.wait_finished()


def test_a_deleted_conversation_comes_back(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nKept."))
    visitor.find("conversation").hover()
    visitor.page.get_by_role("button", name="Delete:").click()
    assert visitor.find("conversation").count() == 0
    visitor.find("undo").click()
    visitor.wait_text("answer", "Kept.")
    assert visitor.find("conversation").count() == 1


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "not-open"])
def test_a_deleted_conversation_comes_back_with_its_draft(visitor: Visitor, is_open: bool) -> None:
    visitor.ask(say("</think>\n\nKept."))
    visitor.find("prompt").fill("half a thought")
    if not is_open:
        visitor.find("new-chat").click()
    visitor.find("conversation").hover()
    visitor.page.get_by_role("button", name="Delete:").click()
    assert visitor.find("prompt").input_value() == ""
    visitor.find("undo").click()
    visitor.find("conversation").click()
    visitor.wait_text("answer", "Kept.")
    assert visitor.find("prompt").input_value() == "half a thought"


def test_a_message_that_waits_survives_the_deletion_of_its_conversation(visitor: Visitor) -> None:
    visitor.send(say("</think>\n\n" + "Slow. " * 60, rate=10))
    visitor.wait_text("answer", "Slow.")
    visitor.send("not yet sent")
    visitor.find("prompt").fill("half a thought")
    visitor.find("conversation").hover()
    visitor.page.get_by_role("button", name="Delete:").click()
    visitor.find("undo").click()
    visitor.wait_text("answer", "Slow.")
    assert visitor.find("prompt").input_value() == "not yet sent\n\nhalf a thought"


def test_all_conversations_come_back_too(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nKept."))
    visitor.open_panel("settings")
    for name in ("Delete all conversations", "Really delete all?"):
        visitor.page.get_by_role("button", name=name).click()
    visitor.page.locator("#panel-close").click()
    assert visitor.find("conversation").count() == 0
    visitor.find("undo").click()
    assert visitor.find("conversation").count() == 1


def test_an_answer_that_was_cut_by_its_limit_goes_on(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Settings").click()
    visitor.page.get_by_label("Longest answer, in tokens").fill("12")
    visitor.page.get_by_role("button", name="Close").click()
    first = visitor.ask(say("</think>\n\n" + " ".join(f"word{number}" for number in range(30))))
    assert first
    assert "Cut at the token limit" in visitor.page.locator(".message.answer").inner_text()
    visitor.page.get_by_role("button", name="Settings").click()
    visitor.page.get_by_label("Longest answer, in tokens").fill("")
    visitor.page.get_by_role("button", name="Close").click()
    with visitor.page.expect_request("**/v1/chat/completions") as request:
        visitor.find("continue").click()
    sent = request.value.post_data_json["messages"]
    assert (sent[-1]["role"], sent[-1]["content"]) == ("assistant", first)
    visitor.page.locator(".message.answer.live").wait_for(state="detached")
    visitor.wait_finished()
    whole = visitor.find("answer").inner_text()
    assert whole.startswith(first)
    assert len(whole) > len(first)
    assert visitor.answer_count() == 1


def test_the_next_message_waits_for_the_end_of_the_answer(visit: Visit) -> None:
    visitor = visit(size=PHONE)
    visitor.send(say("</think>\n\n" + "Slow. " * 20, rate=20))
    visitor.find("stop").wait_for()
    visitor.find("prompt").fill(say("</think>\n\nSecond."))
    visitor.find("queue-next").click()
    assert visitor.find("next").is_visible()
    visitor.wait_text("answer", "Second.")
    visitor.wait_finished()
    assert visitor.answer_count() == 2
    assert visitor.find("next").is_hidden()


def ask_otherwise(visitor: Visitor, text: str) -> None:
    """Send the question in another version, and see its answer begin."""
    visitor.page.locator(".question").hover()
    visitor.page.get_by_role("button", name="Edit").click()
    visitor.page.locator(".editing textarea").fill(text)
    visitor.page.get_by_role("button", name="Save and send").click()
    visitor.find("branch").filter(has_text="2/2").wait_for()
    visitor.wait_text("answer", "Other.")


def test_a_message_that_waits_is_asked_though_another_version_is_shown(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nOld."))
    ask_otherwise(visitor, say("</think>\n\n" + "Other. " * 60, rate=20))
    visitor.page.get_by_role("button", name="Version before").click()
    visitor.wait_text("answer", "Old.")
    with visitor.page.expect_request("**/v1/chat/completions") as request:
        visitor.send("Then this. " + say("</think>\n\nSecond."))
    asked = request.value.post_data_json["messages"]
    assert asked[-1]["content"].startswith("Then this."), asked
    visitor.wait_text("answer", "Second.")
    visitor.wait_finished()


def test_an_answer_that_is_continued_ends_the_one_under_way(visitor: Visitor) -> None:
    visitor.send(say("</think>\n\n" + "Slow. " * 60, rate=10))
    visitor.wait_text("answer", "Slow.")
    visitor.find("stop").click()
    ask_otherwise(visitor, say("</think>\n\n" + "Other. " * 60, rate=20))
    visitor.page.get_by_role("button", name="Version before").click()
    visitor.find("continue").click()
    visitor.wait_finished()
    visitor.page.get_by_role("button", name="Next version").click()
    visitor.wait_text("answer", "Other.")
    assert "Stopped by you." in visitor.page.locator(".message.answer").inner_text()


def test_a_second_message_that_waits_does_not_replace_the_first(visitor: Visitor) -> None:
    visitor.send(say("</think>\n\n" + "Slow. " * 30, rate=10))
    visitor.find("stop").wait_for()
    visitor.send("first thing")
    visitor.send("second thing " + say("</think>\n\nBoth."))
    with visitor.page.expect_request("**/v1/chat/completions") as request:
        visitor.wait_text("answer", "Both.")
    asked = request.value.post_data_json["messages"][-1]["content"]
    assert asked.startswith("first thing\n\nsecond thing")


def test_a_message_that_waits_survives_a_reload(visitor: Visitor) -> None:
    visitor.send(say("</think>\n\n" + "Slow. " * 60, rate=10))
    visitor.wait_text("answer", "Slow.")
    visitor.send("after it " + say("</think>\n\nSecond."))
    visitor.find("next").wait_for()
    visitor.page.reload()
    visitor.find("next").wait_for()
    visitor.wait_text("answer", "Second.")
    assert visitor.find("next").is_hidden()


def test_the_next_message_is_taken_back(visitor: Visitor) -> None:
    visitor.send(say("</think>\n\n" + "Slow. " * 60, rate=20))
    visitor.wait_text("answer", "Slow.")  # an answer without a word would be hidden after the reload
    visitor.find("prompt").fill("never mind")
    visitor.find("prompt").press("Enter")
    visitor.page.get_by_role("button", name="Take back").click()
    assert visitor.find("prompt").input_value() == "never mind"
    visitor.find("stop").click()
    assert visitor.answer_count() == 1
    visitor.page.reload()
    visitor.find("answer").wait_for()
    assert visitor.find("prompt").input_value() == "never mind"


def test_a_message_that_waited_for_a_stopped_answer_stands_before_what_is_typed(visitor: Visitor) -> None:
    visitor.send(say("</think>\n\n" + "Slow. " * 60, rate=20))
    visitor.wait_text("answer", "Slow.")
    visitor.send("waits")
    visitor.find("prompt").fill("typed since")
    visitor.find("stop").click()
    visitor.find("send").wait_for(state="visible")
    assert visitor.find("prompt").input_value() == "waits\n\ntyped since"
    visitor.page.reload()
    visitor.find("answer").wait_for()
    assert visitor.find("prompt").input_value() == "waits\n\ntyped since"


def test_each_conversation_keeps_its_draft(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nOne."))
    visitor.find("prompt").fill("half a thought")
    visitor.find("new-chat").click()
    assert visitor.find("prompt").input_value() == ""
    visitor.find("prompt").fill("another one")
    visitor.page.reload()
    visitor.find("conversation").click()
    assert visitor.find("prompt").input_value() == "half a thought"
    visitor.find("new-chat").click()
    assert visitor.find("prompt").input_value() == "another one"
