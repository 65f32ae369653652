"""A person brings other programs to the board: import link, settings to copy, QR code."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.person import Visitor
from tests.live.gateway import Gateway

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]


def test_chatbox_takes_the_board_with_one_click(visitor: Visitor) -> None:
    visitor.wait_ready()
    visitor.open_panel("connect")
    link = visitor.page.get_by_role("link", name="Add to Chatbox").get_attribute("href")
    assert link.startswith("chatbox://provider/import?config=")
    config = json.loads(base64.b64decode(parse_qs(urlsplit(link).query)["config"][0], validate=True))
    assert (config["isCustom"], config["id"], config["type"]) == (True, "rdk-bpu", "openai")
    assert config["settings"]["apiHost"] == f"{visitor.url}/v1"
    [model] = config["settings"]["models"]
    assert (model["modelId"], model["contextWindow"]) == ("deepseek-r1:1.5b", 4096)
    assert "simulator" in config["name"]


def test_the_settings_of_every_program_are_there(visitor: Visitor) -> None:
    visitor.open_panel("connect")
    panel = visitor.page.locator("#panel-connect").inner_text()
    for name in ("Chatbox", "OpenClaw", "Open WebUI", "curl", "leave API Path as it is", "deepseek-r1:1.5b-think"):
        assert name in panel
    code = visitor.page.locator("#panel-connect pre").filter(has_text="openai-completions").inner_text()
    provider = json.loads(code)["models"]["providers"]["bpu"]
    assert provider["baseUrl"] == f"{visitor.url}/v1"
    assert provider["models"][0]["compat"]["supportsTools"] is False


def test_the_qr_code_is_one(visitor: Visitor) -> None:
    visitor.open_panel("connect")
    code = visitor.page.get_by_role("img", name="QR:")
    assert code.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 50
    assert code.get_attribute("alt") == f"QR: {visitor.url}"


def test_the_curl_line_works(visitor: Visitor, site: Gateway) -> None:
    """What is shown is what a shell runs, quotes and all."""
    visitor.page.locator("#language").click()
    visitor.open_panel("connect")
    line = visitor.page.locator("#panel-connect pre").filter(has_text="curl -N").inner_text()
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.rstrip().endswith("data: [DONE]")


def test_settings_are_copied(visitor: Visitor) -> None:
    """Also over plain http in the network, where a browser gives no clipboard."""
    visitor.page.evaluate(
        """() => {
          Object.defineProperty(navigator, 'clipboard', { value: undefined });
          document.addEventListener('copy', () => { window.copied = document.activeElement.value; });
        }"""
    )
    visitor.open_panel("connect")
    visitor.page.locator(".setting").first.get_by_role("button", name="Copy").click()
    visitor.page.locator("#announcer").get_by_text("Copied.").wait_for(state="attached")
    assert visitor.page.evaluate("window.copied") == f"{visitor.url}/v1"


def test_the_clipboard_is_used_where_there_is_one(visitor: Visitor) -> None:
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.open_panel("connect")
    visitor.page.locator(".setting").nth(1).get_by_role("button", name="Copy").click()
    visitor.page.locator("#announcer").get_by_text("Copied.").wait_for(state="attached")
    assert visitor.page.evaluate("navigator.clipboard.readText()") == "deepseek-r1:1.5b"


def test_every_address_of_the_machine_is_offered(visit: Visit, visitor: Visitor) -> None:
    facts = visitor.page.request.get(f"{visitor.url}/v1/connect").json()
    assert facts["here"] == visitor.url
    assert all(entry["qr"].startswith("data:image/svg+xml") for entry in facts["addresses"])
    assert {"deepseek-r1:1.5b"} <= {model["id"] for model in facts["models"]}
