"""A person with a browser before the page: what they see, by the page's stable names, and what they do."""

from __future__ import annotations

import base64
from typing import Any

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--use-fake-device-for-media-stream"),
)
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
#: What a slow machine under load may need for one step of a person; nothing waits for it when things go well.
PATIENCE_MS = 30_000


def say(text: str, **directives: object) -> str:
    """A question that the simulator answers with exactly `text` (`python -m bpu simulator --help`)."""
    return sim(say=base64.b64encode(text.encode()).decode(), **directives)


def sim(**directives: object) -> str:
    """A question that the simulator answers as the directives have it."""
    return f"[[sim {' '.join(f'{name}={value}' for name, value in directives.items())}]]"


class Visitor:
    """One window of a browser of its own. `complaints` is what the browser's console has said."""

    def __init__(self, context: Any, url: str) -> None:
        self.context = context
        self.url = url
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        #: Parts of console messages that a test provokes on purpose.
        self.expected: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    @classmethod
    def open_window(
        cls, chromium: Any, url: str, *, lang: str = "en-US", size: dict[str, int] = DESKTOP, dark: bool = False
    ) -> Visitor:
        phone = size["width"] < 600
        context = chromium.new_context(
            viewport=size,
            locale=lang,
            color_scheme="dark" if dark else "light",
            has_touch=phone,
            is_mobile=phone,
            device_scale_factor=2 if phone else 1,
            accept_downloads=True,
        )
        return cls(context, url)

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

    # What they do

    def open(self) -> Visitor:
        self.page.goto(f"{self.url}/")
        self.page.locator("[data-testid=engine-state]:not([data-state=unknown])").wait_for()
        return self

    def send(self, text: str) -> None:
        self.find("prompt").fill(text)
        self.find("prompt").press("Enter")

    def ask(self, text: str) -> str:
        """Send `text`; the newest answer once it is complete."""
        before = self.answer_count()
        self.send(text)
        self.page.locator(".message.answer").nth(before).wait_for()
        self.wait_finished()
        return str(self.find("answer").inner_text())

    def open_panel(self, name: str) -> None:
        """Open the panel `board`, `connect` or `settings`, and wait for what is in it."""
        self.page.locator(f"[data-panel={name}]").click()
        self.page.locator(f"#panel-{name} > *").first.wait_for()

    # What they see

    def find(self, name: str) -> Any:
        return self.page.locator(f"[data-testid={name}]")

    def wait_ready(self) -> None:
        """Wait until the engine could answer."""
        self.wait_state("ready")

    def wait_state(self, state: str) -> None:
        self.page.locator(f"[data-testid=engine-state][data-state={state}]").wait_for(timeout=2 * PATIENCE_MS)

    def wait_finished(self) -> None:
        """Wait until the answer is at its end, and drawn."""
        self.find("send").wait_for(state="visible", timeout=2 * PATIENCE_MS)
        self.page.locator("#messages:not(:has([aria-busy]))").wait_for(state="attached")

    def wait_text(self, name: str, part: str) -> None:
        # Not `wait_for_function`: that evaluates strings in the page, which the page's policy forbids.
        self.find(name).filter(has_text=part).first.wait_for(timeout=2 * PATIENCE_MS)

    def answer_count(self) -> int:
        return int(self.page.locator(".message.answer").count())

    def words(self, key: str) -> str:
        """The page's own words for `key`, in the language it speaks."""
        return str(self.page.evaluate("(key) => import('/static/i18n.js').then(({ t }) => t(key))", key))
