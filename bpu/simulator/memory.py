"""The stand-in for the KV cache: all text that the console holds, and what it was told in it."""

from __future__ import annotations

import re
from typing import NamedTuple

_STOP = frozenset(
    ("what", "the", "a", "an", "not", "it", "is", "that", "this", "of", "to", "in", "for", "and", "now", "please")
)
_WORD = r"[\"'“”‘’`*「『《]*([^\s\"'“”‘’`*,.;:!?，。；：！？、「」『』《》<]+)"
_SECRET_NAMES = r"(?:secret|code|pass|magic)[ -]?(?:word|code|number|phrase)?|password|keyword|nonce|key"
_TOLD = (
    ("secret", re.compile(rf"\b(?:{_SECRET_NAMES})\s*(?:is|=|:)\s*:?\s*{_WORD}", re.I)),
    ("secret", re.compile(rf"\bremember (?:this|the|my)?\s*(?:word|code|number|nonce)\s*:?\s*{_WORD}", re.I)),
    ("secret", re.compile(rf"(?:暗号|密码|口令|暗语|密语)\s*(?:是|为|：|:)\s*{_WORD}")),
    ("name", re.compile(rf"\bmy name is\s+{_WORD}", re.I)),
    ("name", re.compile(rf"我(?:的名字)?(?:叫|是叫)\s*(?:做)?{_WORD}")),
    ("name", re.compile(rf"我的名字是\s*{_WORD}")),
)
_THING = re.compile(rf"\bmy ([a-z][a-z ]{{1,30}}?) (?:is|are)\s+{_WORD}", re.I)
_ASKED = (
    ("secret", re.compile(rf"(?:what|which|tell|say|repeat|know|recall).{{0,40}}\b(?:{_SECRET_NAMES})\b", re.I | re.S)),
    (
        "secret",
        re.compile(r"(?:暗号|密码|口令|暗语|密语)(?:是|为)?(?:什么|啥|多少)|(?:什么|哪个)(?:是)?(?:暗号|密码|口令)"),
    ),
    ("name", re.compile(r"\b(?:what(?:'s| is)|who am|tell me|know|remember).{0,20}(?:my name|\bi\b\s*\?)", re.I)),
    ("name", re.compile(r"我(?:的名字)?(?:叫|是)(?:什么|啥|谁)|我叫什么")),
)
_ASKED_THING = re.compile(r"\bwhat(?:'s| is| are) my ([a-z][a-z ]{1,30}?)\s*\?", re.I)


class Recall(NamedTuple):
    """What was asked for, and every value held for it, oldest first."""

    kind: str
    values: tuple[str, ...]


def told(text: str, kind: str) -> tuple[str, ...]:
    """All values of `kind` that `text` tells, in order, each once."""
    if kind in ("secret", "name"):
        found = [
            (match.start(1), match.group(1)) for name, told in _TOLD if name == kind for match in told.finditer(text)
        ]
    else:
        things = _THING.finditer(text)
        found = [(match.start(2), match.group(2)) for match in things if match.group(1).lower() == kind]
    values = [
        value for _, value in sorted(found) if value.lower() not in _STOP and not value.startswith(("什么", "啥"))
    ]
    return tuple(dict.fromkeys(values))


def asked(question: str, held: str) -> Recall | None:
    """What `question` wants to be reminded of, out of `held`; None if it asks for nothing of the kind."""
    for kind, pattern in _ASKED:
        if pattern.search(question) and not told(question, kind):
            return Recall(kind, told(held, kind))
    if match := _ASKED_THING.search(question):
        kind = match.group(1).lower()
        return Recall(kind, told(held, kind))
    return None


class Cache:
    """Text and fill of the cache. `keeps`: turns stay until `reset`; `resets`: that `reset` has an effect."""

    def __init__(self, size: int, *, keeps: bool, resets: bool) -> None:
        self.size = size
        self._keeps, self._resets = keeps, resets
        self.text, self.tokens = "", 0

    def begin(self) -> None:
        if not self._keeps:
            self.clear()

    def add(self, text: str, tokens: int) -> None:
        self.text += text
        self.tokens += tokens

    @property
    def room(self) -> int:
        return self.size - self.tokens

    def reset(self) -> None:
        if self._resets:
            self.clear()

    def clear(self) -> None:
        self.text, self.tokens = "", 0
