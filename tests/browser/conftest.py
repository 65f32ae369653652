"""Chromium before the real gateway with the simulator, started as a user starts it: two workers, the real engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.browser.person import ARGUMENTS, CHROMIUM, DESKTOP, Visitor
from tests.live.gateway import Gateway, running

#: A quick board: a question is read at once, an answer comes as a person can read it.
CONSOLE = "--prefill-rate 0 --decode-rate 120 --load-seconds 0.2"
Start = Callable[..., Gateway]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway that the tests of a module share."""
    with running(tmp_path_factory.mktemp("site"), workers=2, env={"BPU_CONSOLE_ARGS": CONSOLE}) as gateway:
        yield gateway


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A gateway of a test's own: `start(BPU_QUEUE_LIMIT="1")`; `ready` is the state of the engine to wait for."""
    with ExitStack() as stack:
        count = 0

        def begin(*, ready: str = "ready", **env: str) -> Gateway:
            nonlocal count
            count += 1
            folder = tmp_path / f"site{count}"
            folder.mkdir()
            options: dict[str, Any] = {"workers": 2, "env": {"BPU_CONSOLE_ARGS": CONSOLE, **env}}
            return stack.enter_context(running(folder, ready=ready, **options))

        yield begin


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser; each test opens windows of its own in it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: requirements-dev.txt has it")
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("Chromium is not installed (apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, site: Gateway, start: Start) -> Iterator[Callable[..., Visitor]]:
    """Open the page as a new person: `visit(lang="zh-CN", size=PHONE, dark=True)`. Checks the console at the end.

    `url` leads to another gateway (`start` is asked for here so that the windows are closed before it ends);
    `go=False` leaves the opening to the test.
    """
    visitors: list[Visitor] = []

    def open_page(
        *, url: str = site.url, lang: str = "en-US", size: dict[str, int] = DESKTOP, dark: bool = False, go: bool = True
    ) -> Visitor:
        visitor = Visitor.open_window(chromium, url, lang=lang, size=size, dark=dark)
        visitors.append(visitor)
        return visitor.open() if go else visitor

    yield open_page
    for visitor in visitors:
        visitor.context.close()
    for visitor in visitors:
        visitor.check()


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Visitor:
    """An English-speaking person at a desk."""
    return visit()
