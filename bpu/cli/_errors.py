"""Translates errors for the terminal.

Messages of engine and API are English, because clients match them.
"""

from __future__ import annotations

import re

from bpu.errors import BpuError
from bpu.messages import has, language, translate

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def localized_message(error: BpuError) -> str:
    """Return the error's message; in Chinese its meaning comes first, then the English message."""
    keys = (f"faults.{getattr(error, 'cause', '')}", f"errors.{error.code}")
    key = next((key for key in keys if has(key)), None)
    if key is None or language() == "en" or _CHINESE.search(error.message):
        return error.message
    return translate("cli.meaning", meaning=translate(key).rstrip("。"), message=error.message)
