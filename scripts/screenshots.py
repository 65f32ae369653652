"""Takes pictures of the page for the documentation, from the real gateway.

`make screenshots`. The small model of `make model` answers in English. It knows no Chinese and writes no formulas, so
the simulator answers there, and the page says so. Each scene is what a person would see and do; no picture is changed
afterwards. Only the address is a board's, which the browser resolves to this machine.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bpu.engine.client import cpu_settings  # noqa: E402
from tests.browser.person import ARGUMENTS, CHROMIUM, DESKTOP, PHONE, Visitor, say  # noqa: E402
from tests.live.gateway import running  # noqa: E402

MODEL, SIMULATOR = "cpu", "simulator"
#: The simulator has about the speeds of an RDK S100, without its time to load.
CONSOLE = {
    MODEL: "--threads 1",
    SIMULATOR: "--prefill-rate 600 --decode-rate 24 --load-seconds 1",
}
#: What a board is called in its network; the browser is led to this machine instead.
BOARD = "192.168.127.10:8000"
SLOW_MS = 600_000
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
    """One picture: the file's name, its scene, the window, and who answers."""

    name: str
    scene: Callable[[Visitor], None]
    size: dict[str, int]
    lang: str = ENGLISH
    dark: bool = False
    engine: str = MODEL


def welcome(person: Visitor) -> None:
    person.wait_ready()


#: What a model of 135 million parameters answers to the point; the simulator has texts for the page's own suggestions.
QUESTIONS = (
    "Write a friendly greeting for a robot that brings a parcel.",
    "Tell a short story about a robot that finds a lost dog.",
    "Write a Python function that reverses a string.",
)


def questions(person: Visitor) -> tuple[str, ...]:
    """The questions of a scene, by who answers."""
    simulated = person.find("simulated").locator("[data-word=simulated]").count()
    return tuple(person.words(f"idea_{number}") for number in (1, 2, 3)) if simulated else QUESTIONS


def ask(person: Visitor, question: str) -> None:
    """Ask, and wait for the end of the answer, for minutes if need be."""
    person.send(question)
    person.page.locator(".message.live").wait_for(timeout=SLOW_MS)
    person.find("send").wait_for(state="visible", timeout=SLOW_MS)
    person.wait_finished()


def chat(person: Visitor) -> None:
    """Two questions and their answers."""
    person.wait_ready()
    for question in questions(person)[:2]:
        ask(person, question)


def board(person: Visitor) -> None:
    """The panel beside the third answer, which is on its way.

    On a phone the picture shows the panel alone.
    """
    person.wait_ready()
    wide = person.page.viewport_size["width"] >= 1200
    person.open_panel("board")
    if not wide:
        person.page.locator("#panel-close").click()
    chat(person)
    person.send(questions(person)[2])
    person.page.locator(".message.live :is(.content, .thoughts) p").first.wait_for(timeout=SLOW_MS)
    if not wide:
        person.open_panel("board")
    person.page.locator("#panel-board .half rect").nth(2).wait_for()


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
    Shot("chat-desktop-zh-dark", board, BOARD_WIDE, CHINESE, dark=True, engine=SIMULATOR),
    Shot("welcome-desktop-zh", welcome, DESKTOP, CHINESE),
    Shot("formulas-desktop", formulas, DESKTOP, engine=SIMULATOR),
    Shot("connect-desktop", connect, BOARD_WIDE),
    Shot("chat-phone", chat, PHONE),
    Shot("chat-phone-zh-dark", chat, PHONE, CHINESE, dark=True, engine=SIMULATOR),
    Shot("board-phone-zh", board, PHONE, CHINESE, engine=SIMULATOR),
    Shot("connect-phone-dark", connect, PHONE, dark=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs/images", help="folder of the pictures")
    parser.add_argument("names", nargs="*", help="only these")
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    shots = [shot for shot in SHOTS if not arguments.names or shot.name in arguments.names]
    for engine in (MODEL, SIMULATOR):
        if mine := [shot for shot in shots if shot.engine == engine]:
            take_all(engine, mine, arguments.into)


def take_all(engine: str, shots: Sequence[Shot], folder: Path) -> None:
    env = {"BPU_ENGINE": engine, "BPU_CONSOLE_ARGS": CONSOLE[engine], "BPU_CONTINUE": "always"}
    with tempfile.TemporaryDirectory() as state:
        if engine == MODEL:
            env["BPU_GGUF"] = copy_model(Path(state))
        with (
            running(Path(state), application="wsgi:app", workers=2, env=env) as gateway,
            browser(f"MAP {BOARD} 127.0.0.1:{gateway.port}") as chromium,
        ):
            for shot in shots:
                take(shot, chromium, folder / f"{shot.name}.png")


def copy_model(folder: Path) -> str:
    """Copy the small model, because a picture of the console's log shows its folder."""
    model = cpu_settings.packaged_model()
    if model is None:
        sys.exit("The small model is not installed (make model).")
    return str(shutil.copy(model, folder))


@contextmanager
def browser(rule: str = "") -> Iterator[Any]:
    """Chromium; `rule` names where an address leads (`--host-resolver-rules`)."""
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
