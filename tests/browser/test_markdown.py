"""The page's own Markdown: what it shows, and that a model's words never become HTML or script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.person import Visitor, say
from tests.live.gateway import Gateway

pytestmark = pytest.mark.browser

ATTACKS = (
    "<script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 1'>",
    "<svg onload=window.pwned=1>",
    "<iframe srcdoc='<script>parent.pwned = 1</script>'></iframe>",
    "[press](javascript:window.pwned=1)",
    "[press](JaVaScRiPt:window.pwned=1)",
    "[press](java\tscript:window.pwned=1)",
    "[press](data:text/html,<script>parent.pwned=1</script>)",
    "[press](vbscript:x)",
    "<javascript:window.pwned=1>",
    "![x](javascript:window.pwned=1)",
    '[x](https://example.org/"onmouseover="window.pwned=1)',
    "&lt;script&gt;window.pwned = 1&lt;/script&gt;",
    "&#60;img src=x onerror=window.pwned=1&#62;",
    "```html\n<script>window.pwned = 1</script>\n```",
    '```"><script>window.pwned = 1</script>\nx\n```',
    "| <img src=x onerror=window.pwned=1> | b |\n|---|---|\n| <script>window.pwned=1</script> | d |",
    "# <img src=x onerror=window.pwned=1>",
    "$\\text{<img src=x onerror=window.pwned=1>}$",
    "$\\href{javascript:window.pwned=1}{x}$",
    "$\\includegraphics{https://example.org/spy.png}$",
    "$\\htmlData{onclick=window.pwned=1}{x} \\class{x}{y} \\id{prompt}{z} \\style{color:red}{w}$",
    "$\\class{panel}{y_1}$ $\\id{prompt}{z_1}$ $\\style{position:fixed}{w_1}$",
    "$\\begin{equation}\\label{prompt} x_1 \\end{equation}$ $\\ref{prompt} + x_1$",
    "$\\color{red;background:url(https://example.org/spy)} x_1$ $\\textcolor{url(https://example.org/spy)}{x_1}$",
    "$\\def\\a{\\a\\a}\\a$",
    "\\[ \\begin{array}{" + "c" * 500 + "} " + "a & " * 499 + "\\end{array} \\]",
    "$" + "{" * 400 + "x" + "}" * 400 + "$",
    "$x \\rule{99999em}{99999em} \\kern{-9999em} y$",
    "</div></li></ol><script>window.pwned = 1</script>",
    "<style>body { display: none }</style>",
    "<a href='https://example.org' onclick='window.pwned=1'>x</a>",
)


TASKS = (
    '<ul><li class="task"><input type="checkbox" disabled="" checked="" aria-label="Done">a</li>'
    '<li class="task"><input type="checkbox" disabled="" aria-label="Open">b</li></ul>'
)


def draw(visitor: Visitor, text: str) -> str:
    """The HTML that the renderer makes of `text`."""
    return str(
        visitor.page.evaluate(
            """async (text) => {
              const { render } = await import('/static/markdown.js');
              const box = document.createElement('div');
              render(box, text);
              for (const button of box.querySelectorAll('button')) button.remove();
              return box.innerHTML;
            }""",
            text,
        )
    )


@pytest.fixture(scope="module")
def reader(chromium: Any, site: Gateway) -> Iterator[Visitor]:
    """One page for all the renderings: nothing is asked of the model."""
    visitor = Visitor.open_window(chromium, site.url).open()
    yield visitor
    visitor.context.close()
    visitor.check()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Plain text.", "<p>Plain text.</p>"),
        ("One\ntwo", "<p>One<br>two</p>"),
        ("**bold** *slanted* ~~gone~~", "<p><strong>bold</strong> <em>slanted</em> <del>gone</del></p>"),
        ("***both***", "<p><em><strong>both</strong></em></p>"),
        ("中文**重点**文字", "<p>中文<strong>重点</strong>文字</p>"),
        ("snake_case_name stays", "<p>snake_case_name stays</p>"),
        ("2 * 3 * 4", "<p>2 * 3 * 4</p>"),
        ("**open", "<p>**open</p>"),
        ("`a < b` and ``a ` b``", "<p><code>a &lt; b</code> and <code>a ` b</code></p>"),
        ("`open", "<p>`open</p>"),
        (r"\*not slanted\*", "<p>*not slanted*</p>"),
        ("# One\n## Two", '<h3 class="h1">One</h3><h4 class="h2">Two</h4>'),
        ("---", "<hr>"),
        ("> quoted\n> more", "<blockquote><p>quoted<br>more</p></blockquote>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("- a\n  - b\n- c", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
        ("1. a\n   - b\n2. c", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"),
        ("1. a\n\n2. c", "<ol><li><p>a</p></li><li><p>c</p></li></ol>"),
        ("**注意：**请看**“引号”**。", "<p><strong>注意：</strong>请看<strong>“引号”</strong>。</p>"),
        ("- [x] a\n- [ ] b", TASKS),
        ("Text:\n- a", "<p>Text:</p><ul><li>a</li></ul>"),
        ("The year was\n1984. It was cold.", "<p>The year was<br>1984. It was cold.</p>"),
        ("100% of $5 and $10", "<p>100% of $5 and $10</p>"),
        ("a &amp; b &lt;i&gt; &#20013; &#x4e2d;", "<p>a &amp; b &lt;i&gt; 中 中</p>"),
        ("`&amp;` &unknown; &#0;", "<p><code>&amp;amp;</code> &amp;unknown; \ufffd</p>"),
    ],
)
def test_rendering(reader: Visitor, text: str, html: str) -> None:
    assert draw(reader, text) == html


def test_links_open_apart_and_tell_nothing(reader: Visitor) -> None:
    link = 'href="https://example.org/a_(b)" target="_blank" rel="noopener noreferrer nofollow"'
    assert draw(reader, "[x](https://example.org/a_(b))") == f"<p><a {link}>x</a></p>"
    assert "<a " in draw(reader, "see https://example.org/x.")
    assert "example.org/x</a>." in draw(reader, "see https://example.org/x.")
    assert "<img" not in draw(reader, "![a picture](https://example.org/spy.png)")


def test_tables_and_code(reader: Visitor) -> None:
    table = draw(reader, "| a | b |\n|:--|--:|\n| 1 | `x\\|y` |\n| 2 |")
    assert '<th class="left">a</th><th class="right">b</th>' in table
    assert '<td class="right"><code>x|y</code></td>' in table
    assert table.count("<tr>") == 3
    code = draw(reader, "```python\nif a < b:\n    pass\n```\nafter")
    assert '<span class="code-language">python</span>' in code
    assert "if a &lt; b:\n    pass</code>" in code
    assert code.endswith("<p>after</p>")
    assert "<code>still open</code>" in draw(reader, "```\nstill open")


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ("# Title\n\nFirst.\n\nSec", "# Title\n\nFirst.\n\nSecond.", "h3 p p"),
        ("a $x$ b **c** d", "a $x$ b **c** d e", "p span strong"),
        ("> a $x$ b **c** d", "> a $x$ b **c** d e", "blockquote p span strong"),
        ("- a\n\n  b `c` d", "- a\n\n  b `c` d e", "ul li p p code"),
        ("- [ ] a **c** d", "- [ ] a **c** d e", "ul li input strong"),
        ("Old\n", "Old\n===", ""),
    ],
)
def test_what_has_not_changed_keeps_its_node(reader: Visitor, before: str, after: str, kept: str) -> None:
    """A growing answer is drawn many times: what is drawn anew costs time, and loses a selection."""
    names = reader.page.evaluate(
        """async ([before, after]) => {
          const { render } = await import('/static/markdown.js');
          const box = document.createElement('div');
          render(box, before);
          const nodes = [...box.querySelectorAll('*')];
          render(box, after);
          return nodes.filter((node) => box.contains(node)).map((node) => node.localName);
        }""",
        [before, after],
    )
    assert " ".join(names) == kept
    assert reader.page.evaluate(SAME, [before, after])


#: Whether a text that is drawn in steps is drawn as at once.
SAME = """async (steps) => {
  const { render } = await import('/static/markdown.js');
  const [grown, whole] = [document.createElement('div'), document.createElement('div')];
  for (const step of steps) render(grown, step);
  render(whole, steps.at(-1));
  return grown.isEqualNode(whole);
}"""


def test_every_beginning_of_an_answer_is_drawn_like_the_whole(reader: Visitor) -> None:
    """A growing answer, drawn step by step into one box, ends up as one drawn at once."""
    text = (
        "# A\n\n- x\n  - **y**\n\n1. z\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```c\nint x;\n```\n\n"
        "> q $a_1$ *r*\n> s\n\n$$\nx\n$$\nend\n\n- [x] t `u`\n- [ ](https://example.org) v\n\n  w\n\n"
        "<b>\n\nTitle\n===\n\n***z***"
    )
    assert reader.page.evaluate(SAME, [text[:end] for end in range(len(text) + 1)])


@pytest.mark.parametrize(
    "text",
    [
        "*" * 20_000,
        "[" * 20_000,
        ">" * 20_000,
        "`" * 9_999 + " `" * 5_000,
        "- " * 10_000,
        "$" * 20_000,
        "_a" * 10_000,
        "|-" * 10_000,
    ],
    ids=["stars", "brackets", "quotes", "ticks", "items", "dollars", "lines", "pipes"],
)
def test_odd_text_does_not_stall_the_page(reader: Visitor, text: str) -> None:
    """It is drawn at all: a page that hangs runs into the time limit."""
    assert draw(reader, text)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_stays_text(reader: Visitor, attack: str) -> None:
    """Only elements that the renderer makes, only attributes that it sets, only links that are safe."""
    known = (
        "P H3 H4 H5 H6 HR UL OL LI A CODE PRE DIV SPAN STRONG EM DEL BR TABLE THEAD TBODY TR TH TD BLOCKQUOTE BUTTON"
        " INPUT svg path math semantics mrow mi mo mn mtext mfrac msqrt mroot msub msup msubsup munder mover munderover"
        " mtable mtr mtd mstyle mpadded mspace menclose mphantom"
    )
    found = reader.page.evaluate(
        """async (text) => {
          // The page's own module: a second copy of it may start no worker for formulas.
          const base = document.querySelector('script[type=module]').src.replace(/app\\.js$/, '');
          const { render } = await import(`${base}markdown.js`);
          const box = document.createElement('div');
          document.body.append(box);
          render(box, text);
          const isRead = () => [...box.querySelectorAll('.math')].every((node) => node.firstElementChild);
          for (let n = 0; n < 3000 && !isRead(); n += 1) await new Promise((resolve) => setTimeout(resolve, 10));
          const nodes = [...box.querySelectorAll('*')];
          const result = {
            tags: nodes.map((node) => node.tagName),
            attributes: nodes.flatMap((node) => [...node.attributes]).map((attribute) => attribute.name),
            links: nodes.filter((node) => node.tagName === 'A').map((node) => node.protocol),
            pwned: window.pwned ?? null,
            read: isRead(),
          };
          box.remove();
          return result;
        }""",
        attack,
    )
    assert found["read"], "a formula has its tree or is shown as its source"
    assert set(found["tags"]) <= set(known.split())
    assert not [name for name in found["attributes"] if name.startswith("on") or name == "id"]
    assert set(found["links"]) <= {"https:", "http:", "mailto:"}
    assert found["pwned"] is None


@pytest.mark.parametrize("part", range(4))
def test_attacks_through_the_whole_gateway(visitor: Visitor, part: int) -> None:
    """The model says it and thinks it: nothing runs, everything can be read, now and after a reload."""
    text = "\n\n".join(attack for attack in ATTACKS[part::4] if len(attack) < 300)
    answer = visitor.ask(say(f"{text}\n</think>\n\n{text}", rate=0))
    page = visitor.page
    for _ in range(2):
        assert "pwned" in answer
        assert page.evaluate("window.pwned ?? null") is None
        assert page.locator(".messages :is(script, iframe, img, style, [onclick], [onerror], [onload])").count() == 0
        page.reload()
        visitor.find("answer").wait_for()
        answer = visitor.find("answer").inner_text()


def test_an_attack_in_a_question_stays_text(visitor: Visitor) -> None:
    visitor.ask("<img src=x onerror=window.pwned=1>")
    assert visitor.page.evaluate("window.pwned ?? null") is None
    assert visitor.page.locator(":is(.sidebar, .messages) img").count() == 0
    assert visitor.page.locator(".bubble").inner_text() == "<img src=x onerror=window.pwned=1>"
