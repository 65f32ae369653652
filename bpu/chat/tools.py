"""Tools in a prompt, for models that were never taught them: compactly, because the context is small.

What is written here the model repeats, and `toolcalls` reads back. Knows no stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bpu.chat.fields import Call, Tool
from bpu.chat.lenient import NoJson, dumps, loads
from bpu.chat.requests import ChatRequest
from bpu.chat.toolcalls import CALL, CALL_END

_FORM = f'{CALL}{{"name": "NAME", "arguments": {{...}}}}{CALL_END}'
#: Keywords of a schema that tell a model nothing.
_NOISE = {"$schema", "title", "additionalProperties", "strict"}
#: Keywords whose value is data, not a schema.
_DATA = {"const", "enum", "default", "examples", "required"}


def offer(request: ChatRequest) -> str:
    """The words that offer the request's tools, "" when there are none. One tool a line."""
    if not request.tools:
        return ""
    lines = [
        "# Tools",
        "You can use these tools:",
        "<tools>",
        *(_signature(tool) for tool in request.tools),
        "</tools>",
        f"To use a tool, answer with nothing but {_FORM}, with that tool's own name and arguments.",
        _when(request),
    ]
    return "\n".join(lines)


def called(call: Call) -> str:
    """An earlier call as the model wrote it, or should have."""
    return f'{CALL}{{"name": {dumps(call.name)}, "arguments": {canonical(call.arguments)}}}{CALL_END}'


def canonical(arguments: str) -> str:
    """Arguments in one spelling, whatever JSON writer they went through; what is no JSON object becomes `{}`."""
    try:
        value = loads(arguments)
        value = loads(value) if isinstance(value, str) else value  # some clients encode the text once more
        return dumps(value if isinstance(value, dict) else {})
    except NoJson:
        return "{}"


def answered(content: str) -> str:
    """A tool's result as the user's side says it."""
    return f"<tool_response>\n{content}\n</tool_response>"


def _when(request: ChatRequest) -> str:
    if request.forced_tool is not None:
        return f"You must use the tool {request.forced_tool} now."
    if request.tool_mode == "required":
        return "You must use one of the tools now."
    several = "" if request.parallel_tool_calls else " Use one tool at a time."
    return f"Use a tool only when the question needs it; otherwise answer in plain words.{several}"


def _signature(tool: Tool) -> str:
    shape: dict[str, Any] = {"name": tool.name}
    if tool.description:
        shape["description"] = " ".join(tool.description.split())
    shape["parameters"] = lean(tool.parameters)
    return compact(shape)


def compact(schema: Any) -> str:
    """A schema as one line without blanks between its parts."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def lean(schema: Any) -> Any:
    """The schema without its noise. Names of properties are never taken for keywords."""
    if isinstance(schema, list):
        return [lean(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {}
    for name, value in schema.items():
        if name in ("properties", "$defs", "definitions") and isinstance(value, Mapping):
            kept[name] = {key: lean(one) for key, one in value.items()}
        elif name in _DATA:
            kept[name] = value
        elif name not in _NOISE:
            kept[name] = lean(value)
    return kept
