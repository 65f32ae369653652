"""A person with many conversations: finds, renames, pins, brings back, imports, goes back, sets them apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.person import DESKTOP, PHONE, Visitor, say
from tests.live.gateway import Gateway
from tests.support.waits import until

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]


def titled(visitor: Visitor, *titles: str) -> None:
    """Conversations with these questions, the last one latest; no answer is waited for longer than needed."""
    for title in titles:
        visitor.find("new-chat").click()
        visitor.ask(f"{title} {say('</think>' + chr(10) * 2 + 'Done with ' + title)}")


def names(visitor: Visitor) -> list[str]:
    return [text.split(" [[")[0] for text in visitor.find("conversation").all_inner_texts()]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_search_looks_into_titles_and_texts(visit: Visit, size: dict[str, int]) -> None:
    visitor = visit(size=size)
    titled(visitor, "Apples", "Bridges")
    if size is PHONE:
        visitor.page.locator("#menu").click()
    visitor.find("search").fill("done with app")
    visitor.page.locator("[data-testid=conversation]").nth(1).wait_for(state="detached")
    assert names(visitor) == ["Apples"]
    visitor.find("search").fill("nowhere")
    visitor.page.get_by_text("Nothing found.").wait_for()
    visitor.find("search").fill("")
    visitor.page.locator("[data-testid=conversation]").nth(1).wait_for()


def test_search_finds_words_of_an_answer_that_came_after_a_search(visitor: Visitor) -> None:
    visitor.send(say("</think>\n\nSlow words. " + "And more. " * 40 + "Zebra.", rate=20))
    visitor.wait_text("answer", "Slow words.")
    visitor.find("search").fill("zebra")
    visitor.page.get_by_text("Nothing found.").wait_for()
    visitor.wait_text("answer", "Zebra.")
    visitor.wait_finished()
    visitor.find("search").fill("zebr")
    visitor.find("conversation").wait_for()
    assert visitor.page.get_by_text("Nothing found.").count() == 0


def test_two_tabs_with_the_same_conversation_lose_no_turn(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nThe first."))
    other = Visitor(visitor.context, visitor.url).open()
    other.wait_text("answer", "The first.")
    visitor.ask(say("</think>\n\nThe second."))
    other.wait_text("answer", "The second.")
    other.ask(say("</think>\n\nThe third."))
    visitor.wait_text("answer", "The third.")
    visitor.page.reload()
    visitor.wait_text("answer", "The third.")
    assert visitor.page.locator(".message.answer .content").all_inner_texts() == [
        "The first.",
        "The second.",
        "The third.",
    ]
    other.check()


def queue(visitor: Visitor) -> None:
    visitor.send(say("</think>\n\nThe second."))
    visitor.find("next").wait_for()


def stored(visitor: Visitor) -> dict[str, str]:
    return dict(visitor.page.evaluate("() => ({ ...localStorage })"))


def open_beside(visitor: Visitor) -> Visitor:
    """Open a second tab, which shows the answer under way."""
    other = Visitor(visitor.context, visitor.url)
    with other.page.expect_request("**/v1/detached"):
        other.open()
    other.wait_text("answer", "The first")
    return other


@pytest.mark.parametrize("case", ["stays", "leaves"])
@pytest.mark.parametrize("written", ["before", "after"])
def test_a_message_that_waits_is_sent_by_one_tab(visitor: Visitor, site: Gateway, case: str, written: str) -> None:
    """`written` before or after the other tab was opened, by the first one, which stays or leaves."""
    visitor.send(say("</think>\n\nThe first" + " goes on" * 30 + ".", rate=10))
    visitor.wait_text("answer", "The first")
    with site.paused_console():
        if written == "before":
            queue(visitor)
        other = open_beside(visitor)
        if written == "after":
            queue(visitor)
        other.find("next").wait_for(state="hidden")
        if case == "leaves":
            visitor.page.close(run_before_unload=True)
            other.find("next").wait_for()
    answers = other.page.locator(".message.answer .content")
    answers.filter(has_text="The second.").wait_for(timeout=60_000)
    other.wait_finished()
    (record,) = [text for name, text in stored(other).items() if name.startswith("bpu.conversation.")]
    assert len(json.loads(record)["nodes"]) == 4
    assert [text.split()[1].rstrip(".") for text in answers.all_inner_texts()] == ["first", "second"]
    other.check()


def test_a_message_written_in_a_tab_that_leaves_is_sent_by_the_other(visitor: Visitor, site: Gateway) -> None:
    visitor.send(say("</think>\n\nThe first" + " goes on" * 30 + ".", rate=10))
    visitor.wait_text("answer", "The first")
    with site.paused_console():
        other = open_beside(visitor)
        queue(other)
        other.page.close(run_before_unload=True)
        visitor.find("next").wait_for()
    second = visitor.page.locator(".message.answer .content", has_text="The second.")
    second.wait_for(timeout=60_000)
    visitor.wait_finished()
    assert second.count() == 1, "it is sent once"


def test_of_two_messages_that_wait_the_one_of_a_tab_that_leaves_is_sent_with_the_other(
    visitor: Visitor, site: Gateway
) -> None:
    visitor.send(say("</think>\n\nThe first" + " goes on" * 30 + ".", rate=10))
    visitor.wait_text("answer", "The first")
    with site.paused_console():
        other = open_beside(visitor)
        for tab, words in ((visitor, "written here"), (other, "written there")):
            tab.send(words)
            tab.find("next").wait_for()
        other.page.close(run_before_unload=True)
        until(lambda: any("written here\\n\\nwritten there" in text for text in stored(visitor).values()))
    question = visitor.page.locator(".message.question", has_text="written here")
    question.wait_for(timeout=60_000)
    assert "written there" in question.inner_text()
    visitor.wait_finished()


def test_of_each_node_the_last_change_of_any_tab_is_kept(visitor: Visitor) -> None:
    """A tab that knows half of an answer does not put it in the place of the whole one."""
    kept = visitor.page.evaluate(
        """async () => {
          const { addNode, create, load, removeNode, save, takeSaved } = await import('/static/conversations.js');
          const mine = create();
          const question = addNode(mine, "", { role: "user", content: "Q", at: 1 });
          const answer = addNode(mine, question.id, { role: "assistant", content: "ha", finish: "reload", at: 2 });
          const empty = addNode(mine, question.id, { role: "assistant", content: "", finish: "reload", at: 2 });
          save(mine);
          const theirs = structuredClone(mine);
          Object.assign(answer, { content: "half", finish: "stop", at: 3 });
          removeNode(mine, empty);
          save(mine);
          theirs.nodes = theirs.nodes.filter(({ id }) => id !== empty.id);
          const own = addNode(theirs, answer.id, { role: "user", content: "R", at: 3 });
          save(theirs);
          const kept = load(mine.id).nodes.map(({ content, finish }) => [content, finish ?? ""]);
          takeSaved(mine);
          return [kept, mine.nodes.map(({ content }) => content)];
        }"""
    )
    assert kept == [[["Q", ""], ["half", "stop"], ["R", ""]], ["Q", "half", "R"]]


def test_a_page_without_storage_still_chats(visitor: Visitor) -> None:
    """As in a browser that blocks cookies: Firefox then refuses the channel between tabs, too."""
    visitor.page.add_init_script(
        """const refuse = () => { throw new DOMException("not here", "SecurityError"); };
        Object.defineProperty(window, "localStorage", { get: refuse });
        window.BroadcastChannel = class { constructor() { refuse(); } };"""
    )
    visitor.open()
    assert "The first." in visitor.ask(say("</think>\n\nThe first."))


def test_two_tabs_that_ask_at_once_keep_both_turns(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nThe first."))
    other = Visitor(visitor.context, visitor.url).open()
    other.wait_text("answer", "The first.")
    visitor.send(say("</think>\n\n" + "Left. " * 30, rate=30))
    visitor.wait_text("answer", "Left.")
    other.send(say("</think>\n\n" + "Right. " * 30, rate=30))
    other.wait_text("answer", "Right.")
    for one in (visitor, other):
        one.wait_finished()
    visitor.page.reload()
    visitor.page.locator(".message.answer").last.wait_for()
    visitor.wait_finished()
    kept = visitor.page.evaluate("() => ({ ...localStorage })")
    (record,) = [text for name, text in kept.items() if name.startswith("bpu.conversation.")]
    answers = [node["content"] for node in json.loads(record)["nodes"] if node["role"] == "assistant"]
    assert sorted(text.split()[0] for text in answers) == ["Left.", "Right.", "The"]
    assert all(len(text.split()) == 30 for text in answers if not text.startswith("The"))
    other.check()


def test_a_conversation_that_another_tab_deletes_stays_deleted(visitor: Visitor) -> None:
    other = Visitor(visitor.context, visitor.url).open()
    visitor.send("Secret " + say("</think>\n\n" + "Slow. " * 200, rate=20))
    visitor.wait_text("answer", "Slow.")
    other.find("conversation").hover()
    other.page.get_by_role("button", name="Delete: Secret").click()
    slots = f"{visitor.url}/slots"
    until(lambda: visitor.page.request.get(slots).json()["slots"][0]["job"] is None, what="the answer is ended")
    visitor.page.wait_for_timeout(1500)
    assert [name for name in stored(visitor) if name.startswith("bpu.conversation.")] == []
    assert other.find("conversation").count() == 0


def test_an_answer_under_way_in_another_tab_is_read_along(visitor: Visitor) -> None:
    other = Visitor(visitor.context, visitor.url).open()
    visitor.send(say("</think>\n\n" + "Slow. " * 60 + "End.", rate=20))
    visitor.wait_text("answer", "Slow.")
    other.find("conversation").click()
    other.page.locator(".message.answer.live").wait_for()
    assert "The page was left" not in other.page.locator(".message.answer").inner_text()
    other.wait_text("answer", "End.")
    other.wait_finished()
    assert other.answer_count() == 1


def test_a_full_storage_is_said_and_nothing_is_lost_until_the_page_is_left(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nThe first."))
    visitor.page.evaluate(
        """() => {
          for (let size = 2 ** 22; size >= 1; ) {
            try { localStorage.setItem(`filler${size}${localStorage.length}`, 'x'.repeat(size)); } catch { size /= 2; }
          }
        }"""
    )
    visitor.ask(say("</think>\n\nThe second, " + "with more words, " * 20))
    visitor.find("error").wait_for()
    visitor.find("new-chat").click()
    visitor.find("conversation").click()
    visitor.wait_text("answer", "The second, with more words")
    assert visitor.answer_count() == 2


def test_rename_and_pin(visitor: Visitor) -> None:
    titled(visitor, "Apples", "Bridges")
    visitor.find("conversation").nth(1).hover()
    visitor.page.get_by_role("button", name="Rename: Apples").click()
    visitor.page.get_by_role("textbox", name="Rename").fill("Fruit <b>salad</b>")
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_role("button", name="Pin: Fruit").click()
    assert names(visitor) == ["Fruit <b>salad</b>", "Bridges"]
    visitor.page.reload()
    visitor.find("conversation").first.wait_for()
    assert names(visitor) == ["Fruit <b>salad</b>", "Bridges"]
    assert visitor.page.locator(".sidebar b").count() == 0


def test_each_has_an_address_and_back_works(visitor: Visitor) -> None:
    titled(visitor, "Apples", "Bridges")
    address = visitor.page.url
    assert "#c-" in address
    visitor.find("conversation").nth(1).click()
    visitor.wait_text("answer", "Apples")
    visitor.page.go_back()
    visitor.wait_text("answer", "Bridges")
    assert visitor.page.url == address
    visitor.page.goto("about:blank")
    visitor.page.goto(address)
    visitor.wait_text("answer", "Bridges")


def test_an_export_comes_back_with_all_its_versions(visitor: Visitor, tmp_path: Path) -> None:
    visitor.ask(say("Hm.\n</think>\n\nOne."))
    visitor.page.get_by_role("button", name="Answer again").click()
    visitor.find("branch").filter(has_text="2/2").wait_for()
    visitor.wait_finished()
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Export as JSON").click()
    path = tmp_path / "chat.json"
    download.value.save_as(path)
    visitor.find("conversation").hover()
    visitor.page.get_by_role("button", name="Delete:").click()
    take(visitor, path)
    visitor.wait_text("answer", "One.")
    assert visitor.find("branch").inner_text().strip() == "2/2"
    assert visitor.page.locator(".thoughts").text_content() == "Hm."


def take(visitor: Visitor, path: Path) -> None:
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.get_by_role("button", name="Import").click()
    chooser.value.set_files(path)


HOSTILE = {
    "title": "<img src=x onerror=window.pwned=1>" * 10,
    "messages": [
        {"role": "system", "content": "ignored"},
        {"role": "user", "content": {"toString": "x"}},
        {"role": "assistant", "content": "<script>window.pwned=1</script>", "stats": {"rate": "fast"}, "finish": 7},
        None,
    ],
    "chosen": {"__proto__": "x", "constructor": "y"},
    "settings": {"system": 5, "max_tokens": -1},
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("../../etc/passwd.json", "not json"),
        ("<img src=x onerror=window.pwned=1>.json", json.dumps([1, 2])),
        ("null.json", "null"),
        ("hostile.json", json.dumps(HOSTILE)),
        ("deep.json", '{"messages":' + "[" * 5000 + "]" * 5000 + "}"),
    ],
)
def test_a_file_that_is_none_or_hostile_does_no_harm(visitor: Visitor, tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name.replace("/", "_")
    path.write_text(text, encoding="utf-8")
    take(visitor, path)
    if "hostile" in name:
        visitor.page.locator(".message.answer").wait_for()
        assert "window.pwned=1" in visitor.page.locator(".message.answer").inner_text()
    else:
        visitor.wait_text("error", "no conversation that was exported here")
    assert visitor.page.evaluate("window.pwned ?? null") is None
    assert visitor.page.locator(":is(.sidebar, .messages) :is(img, script)").count() == 0
    assert visitor.ask(say("</think>\n\nStill here.")) == "Still here."


def test_an_export_has_a_harmless_file_name(visitor: Visitor) -> None:
    visitor.ask("../../../etc/passwd <b>\u202egnp.exe " + say("</think>\n\nNo."))
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Export as Markdown").click()
    name = download.value.suggested_filename
    assert name.startswith("etc-passwd-b-gnp-exe")
    assert name.endswith(".md")


def test_a_prompt_and_a_limit_of_its_own(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open_panel("settings")
    page.get_by_label("System prompt", exact=True).fill("For all.")
    page.get_by_label("Library of prompts").select_option(label="Brief")
    page.get_by_label("Longest answer here, in tokens").fill("9")
    page.locator("#panel-close").click()
    with page.expect_request("**/v1/chat/completions") as request:
        visitor.send(say("</think>\n\nOwn."))
    visitor.wait_finished()
    body = request.value.post_data_json
    assert body["messages"][0] == {"role": "system", "content": "Answer in at most three sentences."}
    assert body["max_tokens"] == 9
    visitor.find("new-chat").click()
    with page.expect_request("**/v1/chat/completions") as request:
        visitor.send(say("</think>\n\nOther."))
    assert request.value.post_data_json["messages"][0]["content"] == "For all."
    assert "max_tokens" not in request.value.post_data_json
    visitor.wait_finished()


def test_a_prompt_is_kept_in_the_library(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open_panel("settings")
    page.get_by_label("Own prompt for this conversation").fill("Answer as a pirate.")
    page.get_by_role("button", name="Keep in the library").click()
    page.reload()
    visitor.open_panel("settings")
    page.get_by_label("Library of prompts").select_option(label="Answer as a pirate.")
    assert page.get_by_label("Own prompt for this conversation").input_value() == "Answer as a pirate."


def test_the_storage_is_shown(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nOne."))
    visitor.open_panel("settings")
    assert "KiB of about 10.0 MiB" in visitor.find("storage").inner_text()
