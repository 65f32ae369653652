"""The main paths of the page in Firefox, driven by WebDriver BiDi through puppeteer-core."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.live.gateway import Gateway

pytestmark = pytest.mark.browser

SCRIPT = Path(__file__).with_name("firefox.mjs")
STEPS = 11


@pytest.mark.timeout(400)
def test_the_main_paths_in_firefox(site: Gateway) -> None:
    firefox = next((found for name in ("firefox-esr", "firefox") if (found := shutil.which(name))), None)
    if firefox is None:
        pytest.skip("Firefox is not installed (apt install firefox-esr)")
    node = shutil.which("node")
    if node is None or not (SCRIPT.parent / "node_modules/puppeteer-core").exists():
        pytest.skip("puppeteer-core is not installed (npm ci --prefix tests/browser)")
    done = subprocess.run([node, str(SCRIPT), site.url, firefox], capture_output=True, text=True, timeout=390)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == STEPS
