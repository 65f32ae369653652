"""Pictures of the page for the documentation, taken from the real gateway with the simulator: `make screenshots`.

Each scene is what a person would see and do; nothing in a picture is drawn or changed afterwards.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.person import ARGUMENTS, CHROMIUM, DESKTOP, PHONE, Visitor  # noqa: E402
from tests.live.gateway import Gateway, running  # noqa: E402

#: A board's own speeds but for the waiting, which no picture needs.
CONSOLE = "--prefill-rate 400 --decode-rate 60 --load-seconds 1"
BOARD_WIDE = {"width": 1440, "height": 900}
ENGLISH, CHINESE = "en-US", "zh-CN"


@dataclass(frozen=True)
class Shot:
    """One picture: the file's name, who looks at what, and what they have done before."""

    name: str
    scene: Callable[[Visitor], None]
    size: dict[str, int]
    lang: str = ENGLISH
    dark: bool = False


def welcome(person: Visitor) -> None:
    person.ready()


def talk(person: Visitor) -> None:
    """Two questions and their answers."""
    person.ready()
    for number in (1, 2):
        person.ask(person.words(f"idea_{number}"))


def thinking(person: Visitor) -> None:
    """An answer on its way, its thinking still open."""
    person.ready()
    person.send(f"{person.words('idea_3')} [[sim think=400 tokens=500 rate=40]]")
    person.find("reasoning").filter(has_text=".").wait_for()


def board(person: Visitor) -> None:
    talk(person)
    person.panel("board")
    person.ask(person.words("idea_3"))


def connect(person: Visitor) -> None:
    person.ready()
    person.panel("connect")
    person.page.get_by_role("img", name="QR").wait_for()


SHOTS = (
    Shot("chat-desktop", board, BOARD_WIDE),
    Shot("chat-desktop-zh-dark", board, BOARD_WIDE, CHINESE, dark=True),
    Shot("welcome-desktop-zh", welcome, DESKTOP, CHINESE),
    Shot("connect-desktop", connect, BOARD_WIDE),
    Shot("chat-phone", talk, PHONE),
    Shot("chat-phone-zh-dark", talk, PHONE, CHINESE, dark=True),
    Shot("board-phone-zh", board, PHONE, CHINESE),
    Shot("connect-phone-dark", connect, PHONE, dark=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs/images", help="folder of the pictures")
    parser.add_argument("names", nargs="*", help="only these")
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        env = {"BPU_CONSOLE_ARGS": CONSOLE, "BPU_CONTINUE": "auto", "BPU_RESET": "auto"}
        with running(Path(folder), workers=2, env=env) as gateway:
            for shot in SHOTS:
                if not arguments.names or shot.name in arguments.names:
                    take(shot, chromium, gateway, arguments.into / f"{shot.name}.png")


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        sys.exit("Chromium is not installed (apt install chromium).")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


def take(shot: Shot, chromium: Any, gateway: Gateway, path: Path) -> None:
    person = Visitor.open_window(chromium, gateway.url, lang=shot.lang, size=shot.size, dark=shot.dark)
    try:
        person.open()
        shot.scene(person)
        person.page.screenshot(path=path, animations="disabled")
        print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    finally:
        person.context.close()


if __name__ == "__main__":
    main()
