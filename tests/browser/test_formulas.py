"""What an R1 model writes most: sixty formulas, twenty tables, twenty blocks of code, on one page; and long answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.person import DESKTOP, PHONE, Visitor, say, sim
from tests.browser.stand_in import STREAM

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
