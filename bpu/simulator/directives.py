"""Parses directives to the simulator, for tests: `[[sim KEY=VALUE ...]]` in the last question.

Values hold no blanks. Unknown keys and broken values are ignored, because a question may hold any text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, NamedTuple

HELP = """\
directives, in the last question of a prompt, for that turn alone: [[sim KEY=VALUE ...]]
  say=BASE64        the answer is exactly this UTF-8 text, reasoning and tags as written
  tokens=N          the answer has N tokens in all (reasoning, </think> and reply)
  think=N           the reasoning has N tokens; 0: the answer begins with </think>
  nonce=WORD        every few words of a filled answer are WORD, and the reply begins with it
  rate=X            X tokens per second for this answer (0: no pacing)
  prefill=SECONDS   the time until the first token
  pause=SECONDS at=N   a silence after N tokens (default 1)
  fault=NAME[=VALUE][@PHASE] after=N   a fault (see below); `after` is N tokens where PHASE is decode
"""

_DIRECTIVE = re.compile(r"\[\[sim\s+([^\]]*)\]\]")


class Directives(NamedTuple):
    """The directives of one question; None or empty where it holds none."""

    say: str | None = None
    tokens: int | None = None
    think: int | None = None
    nonce: str = ""
    rate: float | None = None
    prefill: float | None = None
    pause: float = 0.0
    at: int = 1
    fault: str = ""
    after: float | None = None


def _natural(value: str) -> int:
    return min(1_000_000, max(0, int(value)))


def _seconds(value: str) -> float:
    number = float(value)
    if not 0 <= number < 1e6:
        raise ValueError(value)
    return number


def _text(value: str) -> str:
    padded = value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4)
    return base64.b64decode(padded, validate=True).decode("utf-8")


_KEYS: dict[str, Callable[[str], Any]] = {
    "say": _text,
    "tokens": _natural,
    "think": _natural,
    "nonce": str,
    "rate": _seconds,
    "prefill": _seconds,
    "pause": _seconds,
    "at": _natural,
    "fault": str,
    "after": _seconds,
}


def parse(question: str) -> tuple[Directives, str]:
    """The directives in `question`, and the question without them."""
    found: dict[str, Any] = {}
    for match in _DIRECTIVE.finditer(question):
        for word in match.group(1).split():
            key, equals, value = word.partition("=")
            if key in _KEYS and equals:
                try:
                    found[key] = _KEYS[key](value)
                except (ValueError, binascii.Error):
                    continue
    return Directives(**found), _DIRECTIVE.sub("", question).strip()
