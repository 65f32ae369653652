"""The stand-in for the KV cache: all text that the console holds, and what it was told in it."""

from __future__ import annotations

import re
from typing import NamedTuple

_STOP = frozenset(("what", "the", "a", "an", "not", "it", "is", "that", "this", "of", "to", "in", "for", "and", "now"))
_WORD = r"[\"'“”‘’`*「『《]*([^\s\"'“”‘’`*,.;:!?，。；：！？、「」『』《》<]+)"
_NAMES = r"(?:secret|code|pass|magic)[ -]?(?:word|code|number|phrase)?|password|keyword|nonce|key"
_ZH_NAMES = r"(?:暗号|密码|口令|暗语|密语)"
_TOLD = {
    "secret": (
        rf"\b(?:{_NAMES})(?:\s+(?:of|for|in)\s[\w ]{{1,30}}?)?\s*(?:\bis|=|:)\s*:?\s*{_WORD}",
        rf"\bremember (?:this|the|my)?\s*(?:word|code|number|nonce)\s*:?\s*{_WORD}",
        rf"{_ZH_NAMES}\s*(?:是|为|：|:)\s*{_WORD}",
    ),
    "name": (
        rf"\bmy name is\s+{_WORD}",
        rf"我(?:的名字)?(?:叫|是叫)\s*(?:做)?{_WORD}",
        rf"我的名字是\s*{_WORD}",
    ),
}
_SAID = r"(?:remember|told|tell|said|say|gave|given)"
_ASKED = {
    "secret": (
        rf"(?:what|which|tell|say|repeat|know|recall|list|name|every|all).{{0,40}}\b(?:{_NAMES})s?\b",
        rf"\b(?:what|which)\b.{{0,40}}\b(?:word|code|number)\b.{{0,40}}\b{_SAID}\b",
        rf"{_ZH_NAMES}(?:是|为)?(?:什么|啥|多少)|(?:什么|哪个)(?:是)?{_ZH_NAMES}",
    ),
    "name": (
        r"\b(?:what(?:'s| is)|who am|tell me|know|remember).{0,20}(?:my name|\bi\b\s*\?)",
        r"我(?:的名字)?(?:叫|是)(?:什么|啥|谁)",
    ),
}
_THING = re.compile(rf"\bmy ([a-z][a-z ]{{1,30}}?) (?:is|are)\s+{_WORD}", re.I)
_ASKED_THING = re.compile(r"\bwhat(?:'s| is| are) my ([a-z][a-z ]{1,30}?)\s*\?", re.I)
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*|[\n，；;]+")


class Recall(NamedTuple):
    """What was asked for, and every value held for it, oldest first."""

    kind: str
    values: tuple[str, ...]


def told(text: str, kind: str) -> tuple[str, ...]:
    """All values of `kind` that `text` tells, in order, each once."""
    if kind in _TOLD:
        found = [(m.start(1), m.group(1)) for pattern in _TOLD[kind] for m in re.finditer(pattern, text, re.I)]
    else:
        found = [(m.start(2), m.group(2)) for m in _THING.finditer(text) if m.group(1).lower() == kind]
    values = [value for _, value in sorted(found) if value.lower() not in _STOP]
    return tuple(dict.fromkeys(value for value in values if not value.startswith(("什么", "啥", "多少", "谁"))))


def asked(question: str, held: str) -> Recall | None:
    """What `question` wants to be reminded of, out of `held`; None if it asks for nothing of the kind."""
    for kind in _ASKED:
        # One sentence may tell and the next one ask; a sentence that tells does not ask.
        if any(_asks(sentence, kind) for sentence in _SENTENCE.split(question)):
            return Recall(kind, told(held, kind))
    if match := _ASKED_THING.search(question):
        kind = match.group(1).lower()
        return Recall(kind, told(held, kind))
    return None


def _asks(sentence: str, kind: str) -> bool:
    return any(re.search(pattern, sentence, re.I) for pattern in _ASKED[kind]) and not told(sentence, kind)


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
