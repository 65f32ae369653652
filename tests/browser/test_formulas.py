"""What an R1 model writes most: sixty formulas, twenty tables, twenty blocks of code, on one page; and long answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.person import DESKTOP, PHONE, Visitor, say, sim
from tests.browser.stand_in import STREAM
from tests.live.gateway import Gateway
from tests.support.waits import until

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
ANSWER = (Path(__file__).parent / "fixtures/r1_answers.md").read_text(encoding="utf-8")
UNREADABLE = [r"\undefinedcommand{x}", r"\frac{1", r"\href{javascript:window.pwned=1}{x}"]
#: Counts the elements that are put into messages.
COUNT = """() => {
  window.made = 0;
  const size = (node) => (node.nodeType === 1 ? 1 + node.getElementsByTagName('*').length : 0);
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) window.made += size(node);
  }).observe(document.getElementById('messages'), { childList: true, subtree: true });
}"""
DRAW = """async (text) => {
  const base = document.querySelector('script[type=module]').src.replace(/app\\.js$/, '');
  const { render } = await import(`${base}markdown.js`);
  const box = document.createElement('div');
  box.className = 'content prose';
  box.id = 'fixture';
  document.getElementById('welcome').hidden = true;
  document.getElementById('messages').replaceChildren(box);
  render(box, text);
}"""


def shown(visitor: Visitor, text: str) -> str:
    """The MathML or the source that a formula becomes."""
    visitor.page.evaluate(DRAW, text)
    visitor.page.locator("#fixture :is(math, .math-source)").first.wait_for()
    return str(visitor.page.locator("#fixture .math").first.evaluate("(node) => node.innerHTML"))


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop", "phone-dark"])
def test_everything_is_set_and_nothing_sticks_out(visit: Visit, size: dict[str, int], dark: bool) -> None:
    visitor = visit(size=size, dark=dark)
    page = visitor.page
    page.evaluate(DRAW, ANSWER)
    page.locator("#fixture math").nth(59).wait_for()
    page.locator("#fixture .hl-keyword").nth(20).wait_for()
    assert page.locator("#fixture math").count() >= 60
    assert page.locator("#fixture table").count() == 20
    assert page.locator("#fixture .code").count() == 21
    assert page.locator("#fixture .math-source").all_inner_texts() == UNREADABLE
    assert "$5 and later $10, or US$5/month" in page.locator("#fixture").inner_text()
    wide = page.evaluate(
        """() => {
          const box = document.getElementById('scroll');
          const scrolls = (node) => node.closest('.table, .code pre, .math.display');
          const out = [...document.querySelectorAll('#fixture *')].filter((node) =>
            !scrolls(node) && node.getBoundingClientRect().right > box.getBoundingClientRect().right + 1);
          return [box.scrollWidth - box.clientWidth, out.map((node) => node.outerHTML.slice(0, 80))];
        }"""
    )
    assert wide == [0, []]


def test_a_word_in_a_table_is_never_broken(visit: Visit) -> None:
    visitor = visit(size=PHONE)
    visitor.page.evaluate(DRAW, ANSWER)
    cell = visitor.page.locator("#fixture td", has_text="internationalization")
    lines = (
        "(node) => { const r = document.createRange(); r.selectNodeContents(node); return r.getClientRects().length; }"
    )
    assert cell.evaluate(lines) == 1
    table = visitor.page.locator("#fixture .table").filter(has_text="internationalization")
    assert table.evaluate("(node) => node.scrollWidth > node.clientWidth"), "it scrolls instead"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("$x^2$", ["<msup>"]),
        (r"\(\frac{a}{b}\)", ["<mfrac>"]),
        (r"\[ \boxed{42} \]", ["42"]),
        ("$$\nE = mc^2\n$$", ['display="block"', "<msup>"]),
        ("$$\n\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}\n$$", ["<mtable"]),
        (r"\(\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}\)", ["<mtable", "("]),
        (r"$\sum_{i=1}^n i$", ["∑"]),
        (r"$\sqrt[3]{27}$", ["<mroot>"]),
        (r"$\overline{AB} \to \vec{v}$", ["→"]),
        (r"$\text{总价} \times 2$", ["总价", "×"]),
    ],
)
def test_formulas(visitor: Visitor, text: str, parts: list[str]) -> None:
    markup = shown(visitor, text)
    for part in parts:
        assert part in markup


def test_the_same_formula_in_a_line_and_as_a_display(visitor: Visitor) -> None:
    """Each has its own node, and a second one of the same kind is drawn like the first."""
    visitor.page.evaluate(DRAW, "$x_1$ $x_1$\n\n$$x_1$$\n\n$$x_1$$")
    visitor.page.locator("#fixture math").nth(3).wait_for()
    displays = "(nodes) => nodes.map((node) => node.getAttribute('display'))"
    assert visitor.page.locator("#fixture math").evaluate_all(displays) == [None, None, "block", "block"]


def test_styles_of_a_formula_are_set(visitor: Visitor) -> None:
    """The policy forbids the attribute `style`, which the library writes here; the properties may be set."""
    assert "font-weight: bold" in shown(visitor, r"$\pmb{x_1}$")


@pytest.mark.parametrize(
    "source",
    [
        r"\sqrt{" * 850 + "x" + "}" * 850,
        r"\def\b{" + "x" * 5300 + "}" + r"\b" * 200,
        r"\def\a{\a\a}\a",
        "x_1" * 2001,
        "x_1 \ud800",
        r"\class{panel}{x}",
        r"\id{prompt}{x}",
        r"\style{position:fixed}{x}",
        r"\includegraphics{https://example.org/spy.png}",
        r"\ref{prompt}",
    ],
    ids=["deep", "macro", "endless", "long", "surrogate", "class", "id", "style", "picture", "anchor"],
)
def test_what_cannot_be_shown_as_a_formula_is_its_source(visitor: Visitor, source: str) -> None:
    """The page's function gets it, because Markdown takes no formula that is as long."""
    found = visitor.page.evaluate(
        """async (source) => {
          const base = document.querySelector('script[type=module]').src.replace(/app\\.js$/, '');
          const { mathNode } = await import(`${base}math.js`);
          const nodes = [mathNode(source, true), mathNode('x^2', true)];
          document.getElementById('messages').replaceChildren(...nodes);
          const pause = () => new Promise((resolve) => setTimeout(resolve, 10));
          for (let n = 0; n < 3000 && !nodes.every((node) => node.firstElementChild); n += 1) await pause();
          const textOf = ({ textContent }) => (textContent.isWellFormed() ? textContent : '');
          return nodes.map((node) => [node.firstElementChild?.localName, textOf(node)]);
        }""",
        source,
    )
    assert found[0] == ["code", "" if "\ud800" in source else source]
    assert found[1] == ["math", "x2"]


def test_a_tree_becomes_nothing_but_a_formula(visitor: Visitor) -> None:
    """Whatever the library would make: only names, attributes, classes and styles of formulas become nodes."""
    made = visitor.page.evaluate(
        """async () => {
          const { nodeOf } = await import('/static/math.js');
          const tree = (name, attributes = {}, style = {}, children = ['x']) => ({ name, attributes, style, children });
          const attributes = {
            onclick: 'window.pwned=1', href: 'javascript:1', id: 'prompt', style: 'color:red', class: 'panel tml-right',
            width: '1em', src: 'x', xmlns: 'x',
          };
          const style = {
            backgroundImage: 'url(https://example.org)', cssText: 'inset: 0', padding: '1em',
            position: 'fixed; inset: 0',
          };
          const names = ['a', 'img', 'script', 'maction', 'annotation-xml', 'svg', 'mglyph', 'style', 'DIV'];
          const refused = names.filter((name) => {
            try { return !nodeOf(tree('math', {}, {}, [tree(name)])); } catch { return true; }
          });
          const markup = (...part) => nodeOf(tree(...part)).outerHTML;
          return [markup('mpadded', attributes, style), markup('span', {}, {}, ['<b>']), refused.length];
        }"""
    )
    assert made == [
        '<mpadded width="1em" class="tml-right" style="padding: 1em;">x</mpadded>',
        "<span>&lt;b&gt;</span>",
        9,
    ]


#: In the place of the library: it never ends, ends the worker, says where it runs, or makes a formula of the source.
STAND_IN = """const tree = (text) => ({ type: 'math', attributes: {}, style: {}, classes: [], children: [{ text }] });
export default { __renderToMathMLTree(source) {
  while (source === 'x_{never}') continue;
  if (source === 'x_{lost}') { setTimeout(() => { throw new Error('lost'); }); throw new Error('lost'); }
  return tree(source === 'x_{where}' ? self.constructor.name : source);
} };"""


@pytest.fixture
def alone(chromium: Any, site: Gateway) -> Iterator[Visitor]:
    """A person whose files come from the gateway or from this test: no service worker fetches them."""
    visitor = Visitor(chromium.new_context(service_workers="block"), site.url).open()
    visitor.expected.append("Service Worker registration blocked")
    yield visitor
    visitor.context.close()
    visitor.check()


def test_the_library_runs_in_a_worker_alone(alone: Visitor) -> None:
    """Neither its evaluation nor a long formula takes time of the page's own thread."""
    alone.page.route("**/vendor/temml.js", lambda route: route.fulfill(body=STAND_IN, content_type="text/javascript"))
    alone.page.evaluate(DRAW, "$x_{where}$")
    assert alone.page.locator("#fixture math").text_content() == "DedicatedWorkerGlobalScope"
    assert [worker.url.rpartition("/")[2] for worker in alone.page.workers] == ["formula_worker.js"]


def test_a_formula_that_never_ends_stops_no_other(alone: Visitor) -> None:
    alone.page.route("**/vendor/temml.js", lambda route: route.fulfill(body=STAND_IN, content_type="text/javascript"))
    alone.page.evaluate(DRAW, "$x_1$ $x_{never}$ $x_2$ $x_{never}$ $x_3$")
    alone.page.locator("#fixture math").nth(2).wait_for()
    texts = alone.page.locator("#fixture .math > *").evaluate_all(
        "(nodes) => nodes.map((node) => [node.localName, node.textContent])"
    )
    never = ["code", "x_{never}"]
    assert texts == [["math", "x_1"], never, ["math", "x_2"], never, ["math", "x_3"]]
    until(lambda: alone.page.evaluate("1") == len(alone.page.workers), what="those that never end are ended")


def test_a_worker_that_is_lost_is_replaced(alone: Visitor) -> None:
    alone.expected.append("lost")
    alone.page.route("**/vendor/temml.js", lambda route: route.fulfill(body=STAND_IN, content_type="text/javascript"))
    alone.page.evaluate(DRAW, "$x_1$ $x_{lost}$ $x_2$")
    alone.page.locator("#fixture math").nth(1).wait_for()
    alone.page.evaluate(DRAW, "$x_4$")
    alone.page.locator("#fixture math", has_text="x_4").wait_for()
    alone.page.evaluate(DRAW, "$x_1$ $x_2$ $x_3$")
    alone.page.locator("#fixture math").nth(2).wait_for()
    assert alone.page.locator("#fixture math").all_text_contents() == ["x_1", "x_2", "x_3"]


def test_without_its_worker_the_sources_can_be_read_and_the_next_formula_tries_again(alone: Visitor) -> None:
    alone.expected.append("Failed to load resource")
    alone.page.route("**/formula_worker.js", lambda route: route.abort())
    with alone.page.expect_event("requestfailed"):
        alone.page.evaluate(DRAW, "$x_1$ and $y_1$")
    assert alone.page.locator("#fixture .math").all_inner_texts() == ["x_1", "y_1"]
    assert alone.page.locator("#fixture math").count() == 0
    alone.page.unroute("**/formula_worker.js")
    alone.page.evaluate(DRAW, "$x_1$ and $y_1$ and $z_1$")
    alone.page.locator("#fixture math").nth(2).wait_for()
    assert alone.page.locator("#fixture .math").count() == 3


def test_a_printed_page_has_its_formulas(visitor: Visitor) -> None:
    visitor.page.evaluate(DRAW, "$x^2$")
    visitor.page.locator("#fixture msup").wait_for()
    visitor.page.emulate_media(media="print")
    assert visitor.page.locator("#fixture msup").is_visible()


def test_a_formula_that_comes_in_pieces_is_never_torn(visitor: Visitor) -> None:
    """While it grows, its source is shown; no other rule of Markdown takes a part of it."""
    answer = visitor.ask(say("</think>\n\nThen\n\n\\[\na_1 * b\n= c * d_2\n- e\n\\]\n\nand done.", rate=40))
    assert "and done." in answer
    assert visitor.page.locator(".answer math").count() == 1
    assert visitor.page.locator(".answer :is(em, ul, h3, h4)").count() == 0


def test_code_wraps_is_copied_and_saved(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\n```python\nprint('" + "x" * 300 + "')\n```"))
    block = visitor.page.locator(".answer .code")
    wide = "(node) => node.scrollWidth > node.clientWidth"
    assert block.locator("pre").evaluate(wide)
    block.get_by_role("button", name="Wrap long lines").click()
    assert not block.locator("pre").evaluate(wide)
    with visitor.page.expect_download() as download:
        block.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "code.py"
    visitor.page.reload()
    visitor.find("answer").wait_for()
    assert not visitor.page.locator(".answer .code pre").evaluate(wide), "the choice is kept"


LONG = {
    "prose": "\n\n".join(f"Paragraph {n} with **bold** words and `code` in it, and some more." for n in range(200)),
    "list": "\n".join(f"{n}. item with **bold** words and `code` in it" for n in range(1, 260)),
    "formulas": "\n".join(f"- for $n = {n}$: $\\frac{{{n}}}{{x_{{{n}}}}} + {n}^2$" for n in range(150)),
    "code": "```python\n" + "\n".join(f"value_{n} = compute({n}, 'text')  # line" for n in range(230)) + "\n```",
}


@pytest.mark.parametrize("kind", sorted(LONG))
def test_a_long_answer_costs_little_for_each_token(visitor: Visitor, kind: str) -> None:
    """3,000 pieces: the nodes that are made on the way are a few times those of the end, not their square."""
    visitor.wait_ready()
    visitor.page.evaluate(STREAM, [LONG[kind], 300])
    visitor.page.evaluate(COUNT)
    visitor.send("Write a long answer.")
    visitor.page.locator(".message.answer").wait_for()
    visitor.wait_finished()
    made, left = visitor.page.evaluate(
        "() => [window.made, document.querySelectorAll('[data-testid=answer] *').length]"
    )
    assert left > 400
    assert made < 20 * left


#: Reports the most elements that were put into messages in one step of the page.
STEPS = """() => {
  window.most = 0;
  window.all = 0;
  const size = (node) => (node.nodeType === 1 ? 1 + node.getElementsByTagName('*').length : 0);
  new MutationObserver((changes) => {
    const made = changes.flatMap(({ addedNodes }) => [...addedNodes]).reduce((sum, node) => sum + size(node), 0);
    window.all += made;
    window.most = Math.max(window.most, made);
  }).observe(document.getElementById('messages'), { childList: true, subtree: true });
}"""


def test_an_old_long_conversation_is_drawn_in_steps(visitor: Visitor, tmp_path: Path) -> None:
    messages = [{"role": role, "content": ANSWER} for _ in range(12) for role in ("user", "assistant")]
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"title": "Old", "messages": messages}))
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.get_by_role("button", name="Import").click()
    chooser.value.set_files(path)
    visitor.page.locator(".message.answer").nth(11).wait_for()
    visitor.find("new-chat").click()
    visitor.page.evaluate(STEPS)
    visitor.find("conversation").first.click()
    visitor.page.locator(".message.answer").nth(11).wait_for()
    visitor.wait_finished()
    assert visitor.page.locator(".answer table").count() == 12 * 20
    most, made = visitor.page.evaluate("() => [window.most, window.all]")
    assert most < made / 4


def test_many_events_that_come_at_once_leave_the_page_free_in_between(visitor: Visitor) -> None:
    """A resumed answer is such a stream. The reader of this test works a millisecond for each event."""
    count = visitor.page.evaluate(
        """async () => {
          const base = document.querySelector('script[type=module]').src.replace(/app\\.js$/, '');
          const { events } = await import(`${base}stream.js`);
          const { port1, port2 } = new MessageChannel();
          let others = 0;
          port1.onmessage = () => { others += 1; port2.postMessage(null); };
          port2.postMessage(null);
          const until = (end) => { while (performance.now() < end); };
          let before = null;
          for await (const data of events(new Blob(['data: x\\n\\n'.repeat(100)]).stream())) {
            before ??= others;
            until(performance.now() + 1);
          }
          port1.close();
          return others - before;
        }"""
    )
    assert count >= 1


def test_a_new_answer_leaves_the_earlier_ones_alone(visitor: Visitor) -> None:
    visitor.ask(say("</think>\n\nThe **first**."))
    visitor.find("answer").evaluate("(node) => node.firstChild.classList.add('kept')")
    visitor.ask(say("</think>\n\nThe second."))
    assert visitor.page.locator(".answer .kept").inner_text() == "The first."


def test_thinking_alone_is_drawn_once_folded(visitor: Visitor) -> None:
    visitor.ask(sim(tokens=50, think=30))
    assert visitor.find("reasoning").get_attribute("open") is None
