"""How the page looks and what it costs: languages, sizes, themes, accessibility, policy, bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.person import DESKTOP, PHONE, Visitor, say
from tests.live.gateway import Gateway

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
WIDE = {"width": 1600, "height": 1000}
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
    """What axe finds that is serious or critical, as readable lines."""
    found = visitor.page.evaluate(axe + "\n;axe.run(document, {resultTypes: ['violations']})")
    bad = [item for item in found["violations"] if item["impact"] in {"serious", "critical"}]
    return [f"{item['id']}: {node['target']} {node['failureSummary']}" for item in bad for node in item["nodes"]]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("size", "lang"), [(DESKTOP, "en-US"), (PHONE, "zh-CN")], ids=["desktop-en", "phone-zh"])
def test_accessibility(visit: Visit, axe: str, size: dict[str, int], lang: str, dark: bool) -> None:
    visitor = visit(size=size, lang=lang, dark=dark)
    assert violations(visitor, axe) == [], "welcome"
    visitor.ask(TALK)
    visitor.find("reasoning").locator("summary").click()
    assert violations(visitor, axe) == [], "conversation"
    for panel in ("board", "connect", "settings"):
        visitor.panel(panel)
        assert violations(visitor, axe) == [], panel
        visitor.page.locator("#panel-close").click()
    if size is PHONE:
        visitor.page.locator("#menu").click()
        assert violations(visitor, axe) == [], "drawer"


@pytest.mark.parametrize("size", [{"width": 320, "height": 640}, PHONE, {"width": 820, "height": 1180}, DESKTOP, WIDE])
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
            visitor.panel(panel)
        sizes = visitor.page.evaluate(
            "[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth,"
            " document.getElementById('scroll').scrollWidth - document.getElementById('scroll').clientWidth]"
        )
        assert max(sizes[:2]) <= sizes[2], panel
        assert sizes[3] <= 0, panel
        if panel:
            visitor.page.locator("#panel-close").click()


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
    families = tuple(f"{name}_" for name in ("state", "phase", "cause", "theme", "end"))
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


def test_the_page_is_light_to_carry(visit: Visit) -> None:
    visitor = visit(go=False)
    sizes: dict[str, int] = {}

    def note(request: Any) -> None:
        if "/v1/" not in request.url:
            sizes[request.url] = sum(request.sizes()[part] for part in ("responseBodySize", "responseHeadersSize"))

    visitor.page.on("requestfinished", note)
    visitor.open()
    visitor.ready()
    assert len(sizes) > 10
    assert sum(sizes.values()) < 100_000, sizes


def test_the_policy_forbids_what_the_page_does_not_need(visitor: Visitor) -> None:
    response = visitor.page.request.get(f"{visitor.url}/")
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
