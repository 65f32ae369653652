"""Takes pictures of the page for the documentation, from the real gateway with the simulator.

`make screenshots`. Each scene is what a person would see and do; no picture is changed afterwards. Only the address is
a board's, which the browser resolves to this machine.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.person import ARGUMENTS, CHROMIUM, DESKTOP, PHONE, Visitor, say  # noqa: E402
from tests.live.gateway import running  # noqa: E402

#: About the speeds of an RDK S100, without its time to load.
CONSOLE = "--prefill-rate 600 --decode-rate 24 --load-seconds 1"
#: What a board is called in its network; the browser is led to this machine instead.
BOARD = "192.168.127.10:8000"
BOARD_WIDE = {"width": 1440, "height": 900}
ENGLISH, CHINESE = "en-US", "zh-CN"
SOLUTION = r"""I subtract 5, then divide by 3.
</think>

**Step 1.** Subtract 5 and divide by 3:

\[
\begin{aligned}
3x + 5 &= 20 \\
3x &= 15 \\
x &= \frac{15}{3} = 5
\end{aligned}
\]

In general \(ax + b = c\) has the solution \(x = \dfrac{c - b}{a}\) for \(a \neq 0\).

| Equation | \(a\) | \(b\) | Solution |
|:--|--:|--:|:--|
| \(3x + 5 = 20\) | 3 | 5 | \(x = 5\) |
| \(2x - 1 = 4\) | 2 | -1 | \(x = \frac{5}{2}\) |

```python
def solve(a: float, b: float, c: float) -> float:
    return (c - b) / a  # a must not be 0
```

\[ \boxed{x = 5} \]
"""


@dataclass(frozen=True)
class Shot:
    """One picture: the file's name, its scene, and the window."""

    name: str
    scene: Callable[[Visitor], None]
    size: dict[str, int]
    lang: str = ENGLISH
    dark: bool = False


def welcome(person: Visitor) -> None:
    person.wait_ready()


def chat(person: Visitor) -> None:
    """Two questions and their answers."""
    person.wait_ready()
    for number in (1, 2):
        person.ask(person.words(f"idea_{number}"))


def board(person: Visitor) -> None:
    """The panel beside the third answer, which is on its way.

    On a phone the panel alone.
    """
    person.wait_ready()
    wide = person.page.viewport_size["width"] >= 1200
    person.open_panel("board")
    if not wide:
        person.page.locator("#panel-close").click()
    chat(person)
    person.send(person.words("idea_3"))
    person.find("reasoning").wait_for()
    if not wide:
        person.open_panel("board")
    person.page.locator("#panel-board .half rect").nth(2).wait_for()
    person.wait_text("answer", "180")


def connect(person: Visitor) -> None:
    person.wait_ready()
    person.open_panel("connect")
    person.page.get_by_role("img", name="QR").wait_for()


def formulas(person: Visitor) -> None:
    """An answer as an R1 model writes it: formulas, a table, code."""
    person.wait_ready()
    person.ask(f"Solve 3x + 5 = 20 and show a program. {say(SOLUTION)}")
    person.page.locator(".answer math").first.wait_for()
    person.page.locator(".answer .hl-keyword").first.wait_for()


SHOTS = (
    Shot("chat-desktop", board, BOARD_WIDE),
    Shot("chat-desktop-zh-dark", board, BOARD_WIDE, CHINESE, dark=True),
    Shot("welcome-desktop-zh", welcome, DESKTOP, CHINESE),
    Shot("formulas-desktop", formulas, DESKTOP),
    Shot("connect-desktop", connect, BOARD_WIDE),
    Shot("chat-phone", chat, PHONE),
    Shot("chat-phone-zh-dark", chat, PHONE, CHINESE, dark=True),
    Shot("board-phone-zh", board, PHONE, CHINESE),
    Shot("connect-phone-dark", connect, PHONE, dark=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs/images", help="folder of the pictures")
    parser.add_argument("names", nargs="*", help="only these")
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    env = {"BPU_CONSOLE_ARGS": CONSOLE, "BPU_CONTINUE": "always"}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gateway = stack.enter_context(running(folder, application="wsgi:app", workers=2, env=env))
        chromium = stack.enter_context(browser(f"MAP {BOARD} 127.0.0.1:{gateway.port}"))
        for shot in SHOTS:
            if not arguments.names or shot.name in arguments.names:
                take(shot, chromium, arguments.into / f"{shot.name}.png")


@contextmanager
def browser(rule: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        sys.exit("Chromium is not installed (apt install chromium).")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, f"--host-resolver-rules={rule}"])
        yield chromium
        chromium.close()


def take(shot: Shot, chromium: Any, path: Path) -> None:
    person = Visitor.open_window(chromium, f"http://{BOARD}", lang=shot.lang, size=shot.size, dark=shot.dark)
    try:
        person.open()
        shot.scene(person)
        person.page.screenshot(path=path, animations="disabled")
        print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    finally:
        person.context.close()


if __name__ == "__main__":
    main()
