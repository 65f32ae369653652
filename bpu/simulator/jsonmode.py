"""Answers in JSON where a prompt asks for JSON: by its schema if it holds one."""

from __future__ import annotations

import json
import re
from typing import Any

from bpu.simulator.conversation import Conversation
from bpu.simulator.filling import Filler
from bpu.simulator.toolcalls import json_objects

_ASKS = re.compile(
    r"\b(?:respond|reply|answer|output|return|write|produce|give|only|valid|single|as|in|with)\b[^.\n]{0,40}\bJSON\b"
    r"|\bJSON (?:object|schema|format|only)|JSON ?(?:格式|对象|模式)|(?:输出|返回|回答|以|用|是).{0,8}JSON",
    re.I,
)
_TOOLS = re.compile(r"<tools>.*?</tools>", re.S)
_KEYWORDS = frozenset({"properties", "items", "enum", "anyOf", "oneOf", "allOf", "$ref", "$schema", "const"})


def reply(conversation: Conversation, *, tools: bool) -> str | None:
    """The JSON text, or None where nothing asks for it. With tools on offer only a schema of its own counts."""
    text = _instructions(conversation)
    if not _ASKS.search(text):
        return None
    question = conversation.focus
    schema = _schema(text)
    if schema is not None:
        return json.dumps(Filler(question, root=schema).fill(schema), ensure_ascii=False)
    if tools:
        return None
    value = Filler(question).fill({"type": "object", "properties": {"answer": {"type": "string"}}})
    return json.dumps(value, ensure_ascii=False)


def _instructions(conversation: Conversation) -> str:
    """System texts, the first and the last question; nothing of tools, whose calls are JSON too."""
    users = [message for message in conversation.messages if message.role == "user"]
    chosen = [message for message in conversation.messages if message.role == "system"] + users[:1] + users[1:][-1:]
    text = _TOOLS.sub("", "\n".join(message.text for message in chosen))
    return "\n".join(line for line in text.splitlines() if "tool_call" not in line)


def _schema(text: str) -> dict[str, Any] | None:
    """The last JSON schema in `text`, also where it is wrapped as OpenAI wraps it."""
    found = None
    for value in json_objects(text):
        inner = value.get("json_schema", value)
        inner = inner.get("schema", inner) if isinstance(inner, dict) else value
        if isinstance(inner, dict) and (_KEYWORDS & inner.keys() or set(inner) == {"type"}):
            found = inner
    return found
