"""When things go wrong, the page says what and offers the way on; it comes back by itself."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CONSOLE, Start
from tests.browser.person import Visitor, say, sim
from tests.live.gateway import Gateway
from tests.support.waits import until

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
#: What the browser's console says of a gateway that is away.
AWAY = ("ERR_CONNECTION", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE", "ERR_SOCKET")
RESTED = say("</think>\n\nAt last.")


@pytest.fixture
def crowded(start: Start) -> Iterator[tuple[Gateway, Callable[[], None]]]:
    """A gateway that answers somebody, with one more in its queue of one; and what makes both leave."""
    site = start(BPU_QUEUE_LIMIT="1")
    site.ask(sim(tokens=4))
    streams = [site.stream(sim(tokens=2000, rate=20)).until_text(), site.stream(sim(tokens=5))]

    def leave() -> None:
        for stream in streams:
            stream.close()

    yield site, leave
    leave()


def test_a_full_queue_is_asked_again_by_itself(visit: Visit, crowded: tuple[Gateway, Callable[[], None]]) -> None:
    site, leave = crowded
    visitor = visit(url=site.url)
    visitor.expected.append("429")
    visitor.send(RESTED)
    visitor.wait_text("error", "The queue is full.")
    leave()
    visitor.wait_text("answer", "At last.")
    visitor.wait_finished()
    assert visitor.find("error").is_hidden()
    assert visitor.answer_count() == 1


def test_what_a_person_must_put_right_is_said_with_the_consoles_words(
    visit: Visit, start: Start, tmp_path: Path
) -> None:
    """The first load fails, the second does not: somebody has put it right."""
    once = f"{CONSOLE} --fault no-memory --fault-once {tmp_path / 'failed'}"
    visitor = visit(url=start(ready="failed", BPU_CONSOLE_ARGS=once).url)
    visitor.expected.append("424")
    visitor.send(say("</think>\n\nNow."))
    visitor.wait_text("error", "Cannot malloc bpu memory")
    visitor.open_panel("board")
    visitor.page.get_by_role("button", name="Load", exact=True).click()
    visitor.wait_ready()
    visitor.page.locator("#panel-close").click()
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.wait_text("answer", "Now.")
    visitor.wait_finished()
    assert visitor.find("error").is_hidden()


def test_too_long_a_conversation_offers_a_new_one(visitor: Visitor) -> None:
    visitor.expected.append("400")
    visitor.send("word " * 6000)
    visitor.wait_text("error", "Start a new chat")
    visitor.wait_text("error", "4096")
    visitor.find("new-chat").click()
    assert visitor.find("error").is_hidden()


def test_an_error_inside_the_stream_keeps_what_has_come(visitor: Visitor) -> None:
    visitor.wait_ready()
    visitor.send(sim(tokens=60, think=2, rate=60, fault="signal", after=30))
    visitor.wait_text("error", "")
    visitor.find("error").locator("#error-text").filter(has_text=".").wait_for()
    visitor.wait_finished()
    assert "the simulator" in visitor.find("answer").inner_text()
    assert "Ended by an error" in visitor.page.locator(".message.answer").inner_text()


def test_a_stream_that_just_ends_is_not_taken_for_an_answer(visit: Visit, start: Start) -> None:
    """Its worker is killed in the middle; another takes the next question."""
    site = start()
    visitor = visit(url=site.url)
    visitor.expected += [*AWAY, "404"]  # The page asks another worker for the rest.
    visitor.send(sim(tokens=900, think=2, rate=20))
    visitor.wait_text("answer", "the simulator")
    for worker in site.workers():
        worker.send_signal(signal.SIGKILL)
    visitor.wait_text("error", "The connection broke")
    visitor.wait_finished()
    assert "The connection broke here." in visitor.page.locator(".message.answer").inner_text()
    visitor.page.locator(".question").hover()
    visitor.page.get_by_role("button", name="Edit").click()
    visitor.page.locator(".editing textarea").fill(say("</think>\n\nWhole."))
    visitor.page.get_by_role("button", name="Save and send").click()
    visitor.wait_text("answer", "Whole.")
    visitor.wait_finished()
    assert visitor.answer_count() == 1


def test_a_failure_in_another_conversation_is_said_there(visitor: Visitor) -> None:
    visitor.expected.append("503")
    refuse: list[Any] = []
    visitor.page.route("**/v1/chat/completions", lambda route: refuse.append(route), times=1)
    visitor.send("Refused " + say("</think>\n\nNow."))
    visitor.find("new-chat").click()
    until(lambda: refuse, what="it is asked")
    error = {"error": {"message": "No.", "code": "engine_unavailable"}}
    refuse[0].fulfill(status=503, json=error)
    visitor.page.locator("[data-activity=unread]").wait_for()
    visitor.find("conversation").click()
    visitor.wait_text("error", "The engine cannot answer now.")
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.wait_text("answer", "Now.")


def test_a_lost_network_comes_back(visitor: Visitor) -> None:
    visitor.expected += ["ERR_INTERNET_DISCONNECTED", "ERR_NETWORK", *AWAY]
    visitor.context.set_offline(True)
    visitor.send(say("</think>\n\nBack."))
    visitor.wait_text("error", "cannot be reached")
    visitor.wait_finished()
    visitor.context.set_offline(False)
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.wait_text("answer", "Back.")
    visitor.wait_finished()
    visitor.wait_ready()
    assert visitor.find("error").is_hidden()


def test_a_key_is_asked_for_and_used(visit: Visit, start: Start) -> None:
    visitor = visit(url=start(BPU_API_KEYS="open-sesame").url)
    visitor.expected.append("401")
    visitor.wait_state("locked")
    visitor.send(say("</think>\n\nInside."))
    visitor.wait_text("error", "wants an API key")
    visitor.open_panel("settings")
    visitor.page.get_by_label("API key").fill("open-sesame")
    visitor.page.get_by_label("API key").press("Tab")
    visitor.wait_ready()
    visitor.page.locator("#panel-close").click()
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.wait_text("answer", "Inside.")
    visitor.wait_finished()
    assert visitor.find("error").is_hidden()


def test_the_page_survives_a_restart_of_the_gateway(visit: Visit, start: Start) -> None:
    site = start()
    visitor = visit(url=site.url)
    visitor.expected += AWAY
    visitor.wait_ready()
    assert visitor.ask(say("</think>\n\nBefore.")) == "Before."
    site.stop()
    visitor.wait_state("offline")
    visitor.send(say("</think>\n\nAfter."))
    visitor.wait_text("error", "cannot be reached")
    site.start()
    visitor.wait_ready()
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.wait_text("answer", "After.")
    visitor.wait_finished()


def test_an_open_page_never_delays_a_shutdown(visit: Visit, start: Start) -> None:
    """The graceful time is an hour: only a gateway that lets the page's event stream go ends within the limit."""
    site = start(BPU_GRACEFUL_S="3600")
    visitor = visit(url=site.url)
    visitor.expected += AWAY
    visitor.wait_ready()
    site.process.terminate()
    assert site.process.wait(30) == 0


def test_a_browser_without_room_says_so_and_goes_on(visitor: Visitor) -> None:
    visitor.page.evaluate(
        "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"
    )
    assert visitor.ask(say("</think>\n\nStill here.")) == "Still here."
    visitor.wait_text("error", "no room")


def test_the_welcome_page_says_that_the_engine_has_failed_and_why(visit: Visit, start: Start) -> None:
    visitor = visit(url=start(ready="failed", BPU_CONSOLE_ARGS=f"{CONSOLE} --fault no-memory").url)
    trouble = visitor.page.locator("#trouble")
    trouble.get_by_text("The engine has failed").wait_for()
    assert not trouble.get_by_text("Cannot malloc").is_visible()
    trouble.locator("summary").click()
    assert "memory" in trouble.inner_text()


@pytest.mark.parametrize(("lang", "words"), [("en-US", "wants an API key"), ("zh-CN", "需要 API 密钥")])
def test_with_a_key_the_page_still_knows_that_it_is_the_simulator(
    visit: Visit, start: Start, lang: str, words: str
) -> None:
    visitor = visit(url=start(BPU_API_KEYS="open-sesame").url, lang=lang)
    visitor.expected.append("401")
    visitor.wait_state("locked")
    visitor.find("simulated").wait_for()
    visitor.page.locator("#trouble").get_by_text(words).wait_for()
    assert visitor.find("simulated").inner_text().strip()


@pytest.mark.parametrize(
    ("lang", "sentence"), [("en-US", "The engine cannot answer now."), ("zh-CN", "引擎现在无法回答。")]
)
def test_an_error_is_one_sentence_and_its_details_are_folded(
    visit: Visit, start: Start, lang: str, sentence: str
) -> None:
    visitor = visit(url=start(ready="failed", BPU_CONSOLE_ARGS=f"{CONSOLE} --fault no-memory").url, lang=lang)
    visitor.expected.append("424")
    visitor.send("Hello")
    visitor.wait_text("error", sentence)
    message = visitor.page.locator("#error-message")
    assert not message.is_visible()
    visitor.page.locator("#error-details summary").click()
    assert "Cannot malloc bpu memory" in message.inner_text()
    assert visitor.page.get_by_text(sentence).count() == 1


@pytest.mark.parametrize(
    ("code", "sentence"), [("invalid_value", "网关无法处理这个请求。"), ("of_another_version", "操作没有成功。")]
)
def test_the_gateways_english_words_are_details(visit: Visit, code: str, sentence: str) -> None:
    visitor = visit(lang="zh-CN")
    visitor.expected.append("400")
    visitor.wait_ready()
    body = json.dumps({"error": {"message": "`x` must be a number.", "code": code}})
    visitor.page.route("**/chat/completions", lambda route: route.fulfill(status=400, body=body))
    visitor.send("你好")
    visitor.wait_text("error", sentence)
    assert not visitor.page.get_by_text("must be a number").is_visible()
    visitor.page.locator("#error-details summary").click()
    assert visitor.page.locator("#error-message").inner_text() == "`x` must be a number."


def test_a_console_that_is_examined_is_said_to_be(visit: Visit) -> None:
    """The state of an engine that examines its console; here the stream of events is a stand-in."""
    engine = {"state": "checking", "since_s": 3.0, "loads": 1, "running": None, "waiting": [], "log": []}
    engine["examination"] = {"answers": 2, "of": 5, "rest_s": None}
    visitor = visit(go=False)
    visitor.context.add_init_script(
        f"const engine = {json.dumps(engine)};"
        """(() => {
          const real = window.fetch;
          const text = 'data: ' + JSON.stringify({ engine, board: {} }) + '\\n\\n';
          const start = (controller) => controller.enqueue(new TextEncoder().encode(text));
          window.fetch = (path, options) =>
            path === '/v1/events' ? Promise.resolve(new Response(new ReadableStream({ start }))) : real(path, options);
        })()"""
    )
    visitor.open()
    visitor.wait_state("checking")
    assert "Checking" in visitor.find("engine-state").inner_text()
    assert visitor.find("checking").is_visible()
    assert "2 of 5 answers" in (visitor.find("checking").get_attribute("title") or "")
