"""Answers go on while a person looks elsewhere, and a reload finds them again; only Stop stops."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.browser.conftest import CONSOLE, Start
from tests.browser.person import DESKTOP, PHONE, Visitor, say
from tests.browser.tabs import Tab, Tabs
from tests.live.gateway import Gateway
from tests.support.waits import until

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
WORDS = [f"Paragraph number {number}." for number in range(1, 16)]
LONG = say("</think>\n\n" + "\n\n".join(WORDS), rate=20)
ENDLESS = say("</think>\n\n" + "\n\n".join(WORDS * 9), rate=20)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_answer_goes_on_while_another_conversation_is_open(visit: Visit, size: dict[str, int]) -> None:
    visitor = visit(size=size)
    visitor.send(LONG)
    visitor.wait_text("answer", "Paragraph number 1.")
    visitor.find("new-chat").click()
    assert visitor.answer_count() == 0
    if size is PHONE:
        visitor.page.locator("#menu").click()
    visitor.page.locator("[data-activity=running]").wait_for()
    visitor.page.locator("[data-activity=unread]").wait_for(timeout=60_000)
    visitor.find("conversation").click()
    visitor.wait_text("answer", WORDS[-1])
    assert visitor.find("send").is_visible()
    assert visitor.page.locator("[data-activity]").count() == 0


def test_several_wait_in_the_queue_and_each_gets_its_answer(visitor: Visitor) -> None:
    for name in ("Alpha", "Beta", "Gamma", "Delta"):
        visitor.find("new-chat").click()
        visitor.send(say(f"</think>\n\n{name} " * 8, rate=20))
        visitor.page.locator(".message.answer").wait_for()
    until(
        lambda: visitor.page.locator("[data-activity=running]").count() == 0, seconds=90, what="all have their answers"
    )
    for number, name in enumerate(("Delta", "Gamma", "Beta", "Alpha")):
        visitor.find("conversation").nth(number).click()
        visitor.wait_text("answer", name)  # the open conversation has no mark in the list while it waits or runs
        assert visitor.answer_count() == 1


def test_a_reload_finds_the_answer_again(visitor: Visitor) -> None:
    visitor.send(LONG)
    visitor.wait_text("answer", "Paragraph number 2.")
    visitor.page.reload()
    visitor.wait_text("answer", WORDS[-1])
    visitor.wait_finished()
    text = visitor.find("answer").inner_text()
    assert [text.count(words) for words in WORDS] == [1] * len(WORDS)
    assert visitor.answer_count() == 1


def test_a_reload_after_the_end_finds_it_too(visitor: Visitor) -> None:
    visitor.send(LONG)
    visitor.wait_text("answer", "Paragraph number 2.")
    visitor.page.goto("about:blank")
    slots = f"{visitor.url}/slots"
    until(lambda: visitor.page.request.get(slots).json()["slots"][0]["job"] is None, seconds=60, what="it has ended")
    visitor.open()
    visitor.wait_text("answer", WORDS[-1])
    visitor.wait_finished()
    assert visitor.answer_count() == 1


def test_stop_frees_the_board_at_once(visitor: Visitor) -> None:
    visitor.send(ENDLESS)
    visitor.wait_text("answer", "Paragraph number 1.")
    visitor.find("stop").click()
    slots = f"{visitor.url}/slots"
    until(lambda: visitor.page.request.get(slots).json()["slots"][0]["job"] is None, what="the board is free")
    assert "Stopped by you." in visitor.page.locator(".message.answer").inner_text()
    visitor.page.reload()
    visitor.find("answer").wait_for()
    assert "Stopped by you." in visitor.page.locator(".message.answer").inner_text()


def test_what_is_lost_is_said(visit: Visit, start: Start) -> None:
    """The board was switched off while the page was away, and with it the folder in memory."""
    site = start(BPU_CONSOLE_ARGS=CONSOLE)
    visitor = visit(url=site.url)
    visitor.expected += ["404", "ERR_", "cancel"]
    visitor.send(ENDLESS)
    visitor.wait_text("answer", "Paragraph number 1.")
    visitor.page.goto("about:blank")
    site.stop()
    shutil.rmtree(site.state_dir / "detached")
    site.start()
    site.wait_for("ready")
    visitor.open()
    visitor.page.get_by_text("what is not here is lost").wait_for()
    assert "Paragraph number 1." in visitor.find("answer").inner_text()


#: Notes each notice. Phones refuse the constructor, as `refused` has it, and let a service worker show one.
NOTICES = """(() => {
  window.notices = [];
  window.Notification = class extends EventTarget {
    static permission = 'granted';
    static requestPermission = async () => 'granted';
    constructor(words, { body }) {
      super();
      if (REFUSED) throw new TypeError('Illegal constructor');
      window.notices.push([words, body]);
    }
  };
  ServiceWorkerRegistration.prototype.showNotification = async (words, { body }) => window.notices.push([words, body]);
})()"""


@pytest.mark.parametrize("refused", [False, True], ids=["desktop", "phone"])
def test_a_notice_comes_at_the_end_if_wished(visit: Visit, refused: bool) -> None:
    visitor = visit(go=False)
    visitor.page.add_init_script(NOTICES.replace("REFUSED", str(refused).lower()))
    visitor.open()
    visitor.open_panel("settings")
    visitor.page.get_by_label("Notify me").check()
    visitor.page.locator("#panel-close").click()
    visitor.send("Apples " + say("</think>\n\nSome words. " * 9, rate=40))
    visitor.wait_text("answer", "Some words.")
    visitor.find("new-chat").click()
    visitor.page.locator("[data-activity=unread]").wait_for(timeout=60_000)
    until(lambda: visitor.page.evaluate("window.notices.length"), what="the notice has come")
    (notice,) = visitor.page.evaluate("window.notices")
    assert notice[0] == visitor.words("notice_done")
    assert notice[1].startswith("Apples")


class Network:
    """What is between the browser and a gateway: passes bytes on until it is broken."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def break_connections(self) -> None:
        """End every connection; new ones are passed on again."""
        for one in self._sockets[:]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.break_connections()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def network(site: Gateway, visit: Visit) -> Iterator[Network]:
    network = Network(site.port)
    yield network
    network.close()


def test_an_answer_whose_connection_breaks_is_taken_up_again(visit: Visit, network: Network) -> None:
    """As by a phone that was locked, a laptop that slept, or another Wi-Fi."""
    visitor = visit(url=network.url)
    visitor.expected += ["ERR_", "cancel"]
    visitor.send(LONG)
    visitor.wait_text("answer", "Paragraph number 2.")
    network.break_connections()
    visitor.wait_text("answer", WORDS[-1])
    visitor.wait_finished()
    text = visitor.find("answer").inner_text()
    assert [text.count(words) for words in WORDS] == [1] * len(WORDS)
    assert visitor.find("error").is_hidden()
    assert visitor.answer_count() == 1


def test_a_reload_finds_the_answer_again_though_another_tab_has_asked(visitor: Visitor, site: Gateway) -> None:
    other = Visitor(visitor.context, visitor.url).open()
    visitor.send(LONG)
    visitor.wait_text("answer", "Paragraph number 2.")
    with site.paused_console():
        visitor.send("after it " + say("</think>\n\nSecond."))
        visitor.find("next").wait_for()
        with other.page.expect_response("**/v1/chat/completions"):
            other.send(say("</think>\n\nElsewhere."))
        until(lambda: other.page.evaluate("localStorage['bpu.unfinished'].length > 9"), what="the other is noted")
        visitor.page.reload()
        visitor.find("next").wait_for()
    visitor.page.locator(".message.answer .content", has_text=WORDS[-1]).wait_for(timeout=60_000)
    visitor.page.locator(".message.answer .content", has_text="Second.").wait_for(timeout=60_000)


@pytest.fixture
def tabs(chromium: Any) -> Iterator[Tabs]:
    opened = Tabs(chromium)
    yield opened
    opened.close()


def ask_and_hide(tabs: Tabs, url: str, question: str) -> Tab:
    """The page with an answer under way, behind another tab: browsers draw no frames of it."""
    page = tabs.open(f"{url}/")
    page.wait_for("document.querySelector('[data-testid=engine-state][data-state=ready]')")
    page.send(question)
    page.wait_for("document.querySelector('[data-testid=answer]')?.textContent")
    tabs.open("about:blank")
    page.wait_for("document.hidden")
    return page


def test_a_hidden_page_still_gets_its_answer(tabs: Tabs, site: Gateway) -> None:
    page = ask_and_hide(tabs, site.url, LONG)
    page.wait_for(f"document.querySelector('[data-testid=answer]').textContent.includes({WORDS[-1]!r})")
    page.wait_for("!document.querySelector('#messages [aria-busy]')")
    assert page.value("document.hidden")
    assert page.value("document.querySelectorAll('.message.answer').length") == 1


def test_a_hidden_page_still_gets_its_formulas(tabs: Tabs, site: Gateway) -> None:
    """They are drawn while it is hidden, the first one of the page too: a program may read them, or print the page."""
    formulas = [f"$x_{{{number}}}^2$ and\n\n$$\\frac{{{number}}}{{y}}$$" for number in range(1, 13)]
    page = ask_and_hide(tabs, site.url, say("</think>\n\nFirst words.\n\n" + "\n\n".join(formulas), rate=30))
    assert page.value("document.querySelectorAll('.answer math').length") == 0
    page.wait_for("document.querySelectorAll('.answer math').length === 24")
    page.wait_for("!document.querySelector('#messages [aria-busy]')")
    assert page.value("document.hidden")
    page.show()
    page.wait_for("!document.hidden")
    assert page.value("document.querySelectorAll('.answer .math-source').length") == 0


def test_a_hidden_page_learns_that_the_gateway_was_restarted(tabs: Tabs, start: Start) -> None:
    site = start()
    page = tabs.open(f"{site.url}/")
    page.wait_for("document.querySelector('[data-testid=engine-state][data-state=ready]')")
    assert page.value("document.getElementById('bodies').hidden")
    tabs.open("about:blank")
    page.wait_for("document.hidden")
    site.stop()
    site._env["BPU_ACTIVITY"] = "bodies"
    site.start()
    site.wait_for("ready")
    page.show()
    page.wait_for("!document.getElementById('bodies').hidden", seconds=20)
