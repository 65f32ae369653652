"""Finds the names and secret words of a conversation, so that leaks show. Pure.

The gateway's own examination of an unknown console asks for secret words, too.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_VALUE = r"[\"'“”‘’`*「『《]*([^\s\"'“”‘’`*,.;:!?，。；：！？、「」『』《》<]+)"
_STATEMENTS = {
    "secret word": (
        rf"\bsecret word(?:\s+of\s[\w ]{{1,30}}?)?\s*(?:\bis|:)\s*:?\s*{_VALUE}",
        rf"暗号\s*(?:是|：|:)\s*{_VALUE}",
    ),
    "name": (rf"\bmy name is\s+{_VALUE}", rf"我(?:叫|的名字是)\s*{_VALUE}"),
}
_REQUESTS = {
    "secret word": (
        r"(?:what|which|tell|know|list|name|every|all).{0,40}\bsecret words?\b",
        r"暗号是什么|什么暗号",
    ),
    "name": (r"\bwhat(?:'s| is) my name\b", r"我叫什么|我的名字是什么"),
}
#: Words behind "is" that state nothing.
_NO_VALUES = frozenset(("what", "the", "a", "not", "it", "that", "this"))
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*|[\n，；;]+")


class Recall(NamedTuple):
    """The requested kind (`secret word` or `name`), and all its values, oldest first."""

    kind: str
    values: tuple[str, ...]


def find_statements(text: str, kind: str) -> tuple[str, ...]:
    """All values of `kind` that `text` states, in order, each once."""
    found = [(m.start(1), m.group(1)) for pattern in _STATEMENTS[kind] for m in re.finditer(pattern, text, re.I)]
    values = [value for _, value in sorted(found) if value.lower() not in _NO_VALUES]
    return tuple(dict.fromkeys(value for value in values if not value.startswith("什么")))


def states_value(question: str) -> bool:
    """Whether the question states a name or a secret word."""
    return any(find_statements(question, kind) for kind in _STATEMENTS)


def find_recall(question: str, held: str) -> Recall | None:
    """Find what `question` asks for in the text `held`; None without such a request."""
    for kind in _REQUESTS:
        if any(_requests(sentence, kind) for sentence in _SENTENCE.split(question)):
            return Recall(kind, find_statements(held, kind))
    return None


def _requests(sentence: str, kind: str) -> bool:
    """Whether one sentence asks for `kind`; a sentence that states a value asks for none."""
    is_request = any(re.search(pattern, sentence, re.I) for pattern in _REQUESTS[kind])
    return is_request and not find_statements(sentence, kind)
