"""How the page looks and what it costs: languages, sizes, themes, accessibility, policy, bytes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Start
from tests.browser.person import ARGUMENTS, CHROMIUM, DESKTOP, PHONE, Visitor, say
from tests.live.gateway import Gateway

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
SMALL = {"width": 1024, "height": 768}
WIDE = {"width": 1600, "height": 1000}
SIZES = [{"width": 320, "height": 640}, PHONE, {"width": 820, "height": 1180}, SMALL, DESKTOP, WIDE]
TALK = say(
    "Hm, $x^2$.\n</think>\n\n# Title\n\nText with `code` and a [link](https://example.org).\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n```c\nint x;\n```\n\n- item\n\n> quote"
)


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's source, which `npm ci` has put beside this file."""
    source = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
    if not source.exists():
        pytest.skip("axe-core is not installed (npm ci --prefix tests/browser)")
    return source.read_text(encoding="utf-8")


def violations(visitor: Visitor, axe: str) -> list[str]:
    """What axe finds, as readable lines."""
    found = visitor.page.evaluate(axe + "\n;axe.run(document, {resultTypes: ['violations']})")
    nodes = [(item["id"], node) for item in found["violations"] for node in item["nodes"]]
    return [f"{rule}: {node['target']} {node['failureSummary']}" for rule, node in nodes]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("size", "lang"), [(DESKTOP, "en-US"), (PHONE, "zh-CN")], ids=["desktop-en", "phone-zh"])
def test_accessibility(visit: Visit, axe: str, size: dict[str, int], lang: str, dark: bool) -> None:
    visitor = visit(size=size, lang=lang, dark=dark)
    assert violations(visitor, axe) == [], "welcome"
    visitor.ask(TALK)
    visitor.find("reasoning").locator("summary").click()
    assert violations(visitor, axe) == [], "conversation"
    for panel in ("board", "connect", "settings"):
        visitor.open_panel(panel)
        assert violations(visitor, axe) == [], panel
        visitor.page.locator("#panel-close").click()
    visitor.page.get_by_role("button", name=visitor.words("regenerate")).click()
    visitor.find("branch").wait_for()
    visitor.wait_finished()
    assert violations(visitor, axe) == [], "versions"
    if size is PHONE:
        visitor.page.locator("#menu").click()
        assert violations(visitor, axe) == [], "drawer"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lang", ["en-US", "zh-CN"])
def test_nothing_sticks_out_at_any_size(visit: Visit, size: dict[str, int], lang: str) -> None:
    visitor = visit(size=size, lang=lang)
    visitor.ask(
        say(
            "</think>\n\n" + "W" * 300 + "\n\n```\n" + "x" * 300 + "\n```\n\n| " + "a | " * 30 + "\n|" + "-|" * 30,
            rate=0,
        )
    )
    for panel in ("", "board", "connect", "settings"):
        if panel:
            visitor.open_panel(panel)
        sizes = visitor.page.evaluate(
            "[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth,"
            " document.getElementById('scroll').scrollWidth - document.getElementById('scroll').clientWidth]"
        )
        assert max(sizes[:2]) <= sizes[2], panel
        assert sizes[3] <= 0, panel
        if panel:
            visitor.page.locator("#panel-close").click()


@pytest.mark.parametrize("size", [SMALL, {"width": 900, "height": 700}, PHONE], ids=["1024", "900", "phone"])
def test_send_can_be_reached_beside_an_open_panel(visit: Visit, size: dict[str, int]) -> None:
    """Where the panel lies over the chat, the chat is inert and the panel closes; else Send is in sight."""
    visitor = visit(size=size)
    visitor.open_panel("board")
    visitor.find("prompt").evaluate("(node) => { node.value = 'x'; node.dispatchEvent(new Event('input')); }")
    covered = visitor.page.evaluate(
        """() => {
          const send = document.getElementById('send').getBoundingClientRect();
          return !document.getElementById('send').contains(document.elementFromPoint(send.x + 19, send.y + 19));
        }"""
    )
    assert covered == (size["width"] < 700)


def test_headings_are_in_order(visitor: Visitor) -> None:
    visitor.ask(TALK)
    visitor.open_panel("settings")
    levels = visitor.page.evaluate(
        """() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter((node) => node.checkVisibility())
          .map((node) => Number(node.localName[1]))"""
    )
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels


def test_nothing_moves_for_those_who_want_it_still(chromium: Any, site: Gateway) -> None:
    visitor = Visitor(chromium.new_context(reduced_motion="reduce"), site.url).open()
    # What moves once, under the pointer say, would be among them too.
    running = "document.getAnimations().map((one) => one.animationName ?? one.transitionProperty)"
    visitor.page.locator(".idea").first.hover()
    assert visitor.page.evaluate(running) == []
    visitor.send(say("</think>\n\nSlow " * 30, rate=20))
    visitor.page.locator(".message.answer").wait_for()
    assert visitor.page.evaluate(running) == []
    visitor.find("stop").click()
    visitor.context.close()


def test_keyboard_shortcuts_and_their_sheet(visitor: Visitor) -> None:
    page = visitor.page
    page.locator("body").click(position={"x": 640, "y": 400})
    page.keyboard.press("?")
    assert page.locator("#help-sheet").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help-sheet").is_hidden()
    page.keyboard.press("/")
    page.keyboard.type("one?")
    assert visitor.find("prompt").input_value() == "one?"
    visitor.find("prompt").fill("")
    visitor.ask("First " + say("</think>\n\nOne."))
    page.keyboard.press("Alt+n")
    assert visitor.answer_count() == 0
    visitor.ask("Second " + say("</think>\n\nTwo."))
    page.keyboard.press("Alt+ArrowDown")
    visitor.wait_text("answer", "One.")
    page.keyboard.press("Alt+k")
    assert page.evaluate("document.activeElement.id") == "search"


def test_it_can_be_installed_and_keeps_only_its_own_files(visitor: Visitor) -> None:
    page = visitor.page
    manifest = page.request.get(f"{visitor.url}/static/manifest.webmanifest")
    assert manifest.headers["content-type"].startswith("application/manifest+json")
    for icon in manifest.json()["icons"]:
        assert page.request.get(f"{visitor.url}/static/{icon['src']}").headers["content-type"] == "image/png"
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    visitor.wait_ready()
    visitor.ask(say("</think>\n\n$x$"))
    page.locator(".answer math").wait_for()
    kept = page.evaluate(
        "async () => (await (await caches.open('page')).keys()).map(({ url }) => new URL(url).pathname)"
    )
    assert kept
    assert all(re.match(r"/static/[0-9a-f]{12}/", path) for path in kept), kept
    assert {"formula_worker.js", "temml.js"} <= {path.rpartition("/")[2] for path in kept}
    assert page.evaluate("navigator.serviceWorker.controller !== null")


def test_where_it_cannot_be_installed_nothing_of_it_is_offered(chromium: Any, start: Start) -> None:
    """A board in the network without TLS is no secure context: localhost under another name is none either."""
    site = start(BPU_ALLOWED_HOSTS="board.lan")
    path = next(found for name in CHROMIUM if (found := shutil.which(name)))
    port = site.url.rpartition(":")[2]
    rule = f"--host-resolver-rules=MAP board.lan 127.0.0.1:{port}"
    browser = chromium.browser_type.launch(executable_path=path, args=[*ARGUMENTS, rule])
    try:
        visitor = Visitor(browser.new_context(), f"http://board.lan:{port}").open()
        assert visitor.page.evaluate("isSecureContext") is False
        visitor.open_panel("settings")
        assert visitor.page.get_by_label("Notify me").count() == 0
        visitor.page.locator("#panel-close").click()
        visitor.ask(say("</think>\n\nWorks."))
        visitor.check()
    finally:
        browser.close()


def test_the_browsers_language_is_spoken_until_one_is_chosen(visit: Visit) -> None:
    visitor = visit(lang="zh-CN")
    visitor.wait_text("new-chat", "新对话")
    assert visitor.page.evaluate("document.documentElement.lang") == "zh-CN"
    visitor.find("language").click()
    visitor.wait_text("new-chat", "New chat")
    visitor.page.reload()
    visitor.wait_text("new-chat", "New chat")
    assert visitor.find("prompt").get_attribute("placeholder") == "Write a message"
    assert visit(lang="fr-FR").find("prompt").get_attribute("placeholder") == "Write a message"


def test_both_languages_have_every_word_with_the_same_blanks(visitor: Visitor) -> None:
    words = visitor.page.evaluate("import('/static/strings.js').then(({ STRINGS }) => STRINGS)")
    assert set(words) == {"en", "zh"}
    assert set(words["en"]) == set(words["zh"])
    for key, text in words["en"].items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", words["zh"][key])), key


def test_no_word_is_written_for_nothing() -> None:
    """Each name is somewhere in the page, whole, or as one of a family that is put together (`state_ready`)."""
    folder = Path(__file__).parents[2] / "bpu/web"
    words = (folder / "static/strings.js").read_text(encoding="utf-8").split("const zh")[0]
    files = [path for path in (folder / "static").glob("*.js") if path.name != "strings.js"]
    page = "".join(path.read_text(encoding="utf-8") for path in [*files, folder / "templates/index.html"])
    families = ("state_", "phase_", "cause_", "theme_", "end_", "code_", "remedy_", "conversation_", "library_")
    names = [name for name in re.findall(r'(\w+): "', words) if not name.startswith(families)]
    assert len(names) > 100
    assert [name for name in names if not re.search(rf"""["'`]{name}["'`]""", page)] == []


def test_every_word_that_is_asked_for_exists(visitor: Visitor) -> None:
    keys = visitor.page.evaluate("import('/static/strings.js').then(({ STRINGS }) => Object.keys(STRINGS.en))")
    asked = visitor.page.evaluate(
        """[...document.querySelectorAll('[data-word], [data-label], [data-placeholder]')].flatMap(
             ({ dataset }) => [dataset.word, dataset.label, dataset.placeholder].filter(Boolean))"""
    )
    assert set(asked) <= set(keys)


def test_light_and_dark(visit: Visit) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = visit(), visit(dark=True)
    colours = [light.page.evaluate(ground), dark.page.evaluate(ground)]
    assert colours[0] != colours[1]
    light.page.locator("#theme").click()
    light.page.locator("#theme").click()
    assert light.page.evaluate(ground) == colours[1]
    light.page.reload()
    assert light.page.evaluate(ground) == colours[1]


def test_the_page_is_light_to_carry(chromium: Any, site: Gateway) -> None:
    # A service worker would fetch once more what the page already has.
    context = chromium.new_context(service_workers="block")
    visitor = Visitor(context, site.url)
    sizes: dict[str, int] = {}

    def note(request: Any) -> None:
        if "/v1/" not in request.url and request.url not in sizes:
            sizes[request.url] = sum(request.sizes()[part] for part in ("responseBodySize", "responseHeadersSize"))

    visitor.page.on("requestfinished", note)
    visitor.open()
    visitor.wait_ready()
    assert len(sizes) > 10
    first = sum(sizes.values())
    assert first < 145_000, sizes
    visitor.ask(say("</think>\n\n$x^2$\n\n```python\nx = 1\n```\n\n```cpp\nint x;\n```\n\n```bash\nls\n```"))
    visitor.page.locator(".answer math").wait_for()
    visitor.page.locator(".answer .hl-number").first.wait_for()
    print(first, sum(sizes.values()))
    late = {url.rpartition("/")[2]: size for url, size in sizes.items()}
    assert {"formula_worker.js", "highlight.js"} <= set(late)
    assert late["temml.js"] > 50_000, "what the worker imports is counted"
    assert first < sum(sizes.values()) < 212_000, sizes
    context.close()


def test_the_policy_forbids_what_the_page_does_not_need(visitor: Visitor) -> None:
    response = visitor.page.request.get(f"{visitor.url}/", headers={"Accept": "text/html"})
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    blocked = visitor.page.evaluate(
        """() => {
          try { document.createElement('div').innerHTML = '<b>x</b>'; return false; } catch { return true; }
        }"""
    )
    assert blocked, "text could become HTML"
    visitor.expected.append("TrustedHTML")


def test_without_script_the_page_says_so(chromium: Any, site: Gateway) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/")
    assert page.locator(".noscript").is_visible()
    context.close()
