"""Chromium before the real gateway with the simulator. `BPU_TEST_URL` takes a gateway that already runs instead."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
START_S = 60.0


def missing(what: str) -> None:
    """A machine of a user lacks something: skip with a plain word. On CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} (and CI must have it)")
    pytest.skip(what)


def say(text: str) -> str:
    """A prompt that makes the simulator answer with exactly `text`."""
    return f"[[sim say={base64.b64encode(text.encode()).decode()}]]"


class Site:
    """A gateway as a user starts it, which can be stopped and started again at the same address."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Site:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BPU_")}
        environment |= {"BPU_ENGINE": "simulator", "BPU_STATE_DIR": str(self.folder / "state"), **self.settings}
        environment |= {"BPU_BIND": f"127.0.0.1:{self.port}"}
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
        with (self.folder / "gunicorn.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        self._await()
        return self

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def log(self) -> str:
        return (self.folder / "gunicorn.log").read_text(errors="replace")

    def _await(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                pytest.fail(f"gunicorn ended at once:\n{self.log()[-3000:]}")
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        pytest.fail(f"gunicorn did not answer within {START_S:.0f} s:\n{self.log()[-3000:]}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Site]]:
    """Start a gateway of its own: `with new_site(BPU_API_KEYS="secret") as site`."""

    @contextmanager
    def start(**settings: str) -> Iterator[Site]:
        if not (ROOT / "wsgi.py").exists():
            pytest.skip("the gateway's application is not in this checkout")
        site = Site(tmp_path_factory.mktemp("site"), **settings)
        try:
            yield site.start()
        finally:
            site.stop()

    return start


@pytest.fixture(scope="session")
def site_url(new_site: Callable[..., AbstractContextManager[Site]]) -> Iterator[str]:
    """The address of a gateway that most tests share."""
    if given := os.environ.get("BPU_TEST_URL"):
        yield given.rstrip("/")
        return
    with new_site() as site:
        yield site.url


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser; each test opens windows of its own in it."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright is not installed (pip install -r requirements-dev.txt)")
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        missing("Chromium is not installed (apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Visitor:
    """A person with a browser before the page; what a person would do, by the page's stable names."""

    def __init__(self, context: Any, url: str) -> None:
        self.context = context
        self.url = url
        self.page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        #: Parts of console messages that a test provokes on purpose.
        self.expected: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.foreign.append(request.url)

    def check(self) -> None:
        """No console error but the expected ones, and no request that left the host."""
        unexpected = [line for line in self.complaints if not any(part in line for part in self.expected)]
        assert not unexpected, unexpected
        assert not self.foreign, self.foreign

    def open(self) -> Visitor:
        self.page.goto(f"{self.url}/")
        self.page.locator("[data-testid=engine-state]:not([data-state=unknown])").wait_for()
        return self

    def find(self, name: str) -> Any:
        return self.page.locator(f"[data-testid={name}]")

    def send(self, text: str) -> None:
        self.find("prompt").fill(text)
        self.find("prompt").press("Enter")

    def finished(self) -> None:
        """Wait until the answer is at its end."""
        self.find("send").wait_for(state="visible", timeout=60_000)

    def ask(self, text: str) -> str:
        """Send `text`; the newest answer once it is complete."""
        self.send(text)
        self.find("stop").wait_for(state="visible")
        self.finished()
        return str(self.find("answer").inner_text())

    def wait_text(self, name: str, part: str, timeout_s: float = 15) -> None:
        # Not `wait_for_function`: that evaluates strings in the page, which the page's policy forbids.
        self.find(name).filter(has_text=part).wait_for(timeout=timeout_s * 1000)

    def answers(self) -> int:
        return int(self.page.locator(".message.answer").count())


@pytest.fixture
def visit(chromium: Any, site_url: str) -> Iterator[Callable[..., Visitor]]:
    """Open the page as a new person: `visit(lang="zh-CN", size=PHONE, dark=True)`. Checks the console at the end."""
    visitors: list[Visitor] = []

    def open_page(
        *, url: str = site_url, lang: str = "en-US", size: dict[str, int] = DESKTOP, dark: bool = False, go: bool = True
    ) -> Visitor:
        phone = size["width"] < 600
        context = chromium.new_context(
            viewport=size,
            locale=lang,
            color_scheme="dark" if dark else "light",
            has_touch=phone,
            is_mobile=phone,
            accept_downloads=True,
        )
        visitor = Visitor(context, url)
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
