"""An error in the terminal's language. The words of the engine and of the API are English, since clients match them."""

from __future__ import annotations

import re

from bpu.errors import BpuError
from bpu.messages import has, language, say

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def localized_message(error: BpuError) -> str:
    """Its message; to readers of Chinese what it means comes first, and the English words stay for its details."""
    keys = (f"faults.{getattr(error, 'cause', '')}", f"errors.{error.code}")
    key = next((key for key in keys if has(key)), None)
    if key is None or language() == "en" or _CHINESE.search(error.message):
        return error.message
    return say("cli.meaning", meaning=say(key).rstrip("。"), message=error.message)
