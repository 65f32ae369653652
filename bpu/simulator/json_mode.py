"""Answers in JSON where a prompt demands JSON: by its schema if it holds one."""

from __future__ import annotations

import json
import re
from typing import Any

from bpu.simulator.conversation import Conversation
from bpu.simulator.schema_filler import SchemaFiller
from bpu.simulator.tool_calls import json_objects

_DEMAND = re.compile(
    r"\b(?:respond|reply|answer|output|return|write|produce|give|only|valid|single|as|in|with)\b[^.\n]{0,40}\bJSON\b"
    r"|\bJSON (?:object|schema|format|only)|JSON ?(?:格式|对象|模式)|(?:输出|返回|回答|以|用|是).{0,8}JSON",
    re.I,
)
_KEYWORDS = frozenset({"properties", "items", "enum", "anyOf", "oneOf", "allOf", "$ref", "$schema", "const"})


def json_reply(conversation: Conversation, plain_reply: str, *, has_tools: bool) -> str | None:
    """The JSON text, or None where the prompt demands none.

    Beside tools only a schema of its own counts.
    """
    lines = conversation.instructions.splitlines()
    text = "\n".join(line for line in lines if "tool_call" not in line)  # the form of a call is JSON, too
    if not _DEMAND.search(text):
        return None
    schema = _schema(text)
    if schema is not None:
        return json.dumps(SchemaFiller(schema).fill(), ensure_ascii=False)
    return None if has_tools else json.dumps({"answer": plain_reply}, ensure_ascii=False)


def _schema(text: str) -> dict[str, Any] | None:
    """The last JSON schema in `text`, also where it is wrapped as OpenAI wraps it."""
    found = None
    for value in json_objects(text):
        inner = value.get("json_schema", value)
        inner = inner.get("schema", inner) if isinstance(inner, dict) else value
        if isinstance(inner, dict) and (_KEYWORDS & inner.keys() or set(inner) == {"type"}):
            found = inner
    return found
