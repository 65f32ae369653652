"""Holds tabs of Chromium of which all but the one in front are hidden.

Playwright keeps each of its own pages visible, also behind another one. So these tabs are in a browser context that it
does not know, and are driven by Chromium's own protocol.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.support.waits import until


class Tabs:
    """Tabs in one window; the one that was opened or shown last is in front."""

    def __init__(self, chromium: Any) -> None:
        self._session = chromium.new_browser_cdp_session()
        self._context = self._session.send("Target.createBrowserContext")["browserContextId"]
        self._numbers = itertools.count(1)
        self._replies: dict[int, Any] = {}
        self._session.on("Target.receivedMessageFromTarget", self._receive)

    def _receive(self, event: Any) -> None:
        reply = json.loads(event["message"])
        if "id" in reply:
            self._replies[reply["id"]] = reply

    def open(self, url: str) -> Tab:
        """Open `url` in a tab in front of the others."""
        target = self._session.send("Target.createTarget", {"url": url, "browserContextId": self._context})["targetId"]
        attached = self._session.send("Target.attachToTarget", {"targetId": target, "flatten": False})
        tab = Tab(self, target, attached["sessionId"])
        tab.show()
        return tab

    def close(self) -> None:
        """Close all of them."""
        self._session.send("Target.disposeBrowserContext", {"browserContextId": self._context})
        self._session.detach()

    def bring_to_front(self, target: str) -> None:
        self._session.send("Target.activateTarget", {"targetId": target})

    def ask(self, session: str, method: str, **params: Any) -> Any:
        """Send an order to the tab of `session`; return what it answers."""
        number = next(self._numbers)
        message = json.dumps({"id": number, "method": method, "params": params})
        self._session.send("Target.sendMessageToTarget", {"sessionId": session, "message": message})

        def has_come() -> bool:
            self._session.send("Browser.getVersion")  # Playwright hands on events while it waits for an answer.
            return number in self._replies

        until(has_come, seconds=30, what=f"the tab answers {method}")
        reply = self._replies.pop(number)
        assert "error" not in reply, reply
        return reply["result"]


class Tab:
    """One of them."""

    def __init__(self, tabs: Tabs, target: str, session: str) -> None:
        self._tabs, self._target, self._session = tabs, target, session

    def show(self) -> None:
        """Bring it to the front, which hides the others."""
        self._tabs.bring_to_front(self._target)

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        reply = self._tabs.ask(self._session, "Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in reply, reply
        return reply["result"].get("value")

    def wait_for(self, expression: str, *, seconds: float = 60) -> None:
        """Wait until the expression is true."""
        until(lambda: self.value(f"Boolean({expression})"), seconds=seconds, every=0.1, what=expression)

    def send(self, text: str) -> None:
        """Write `text` into the page's prompt box and send it."""
        self.value(
            f"""(() => {{
              const area = document.getElementById('prompt');
              area.value = {json.dumps(text)};
              area.dispatchEvent(new Event('input'));
              document.getElementById('composer').requestSubmit();
            }})()"""
        )
