"""Writes tools into a prompt, for models that were not trained for them.

Compactly, because the context is small. The model repeats the form that is written here, and `ToolCallScanner` reads
it. It knows no stream.
"""

from __future__ import annotations

import json
from typing import Any

from bpu.chat.json_repair import JsonError, dumps, loads
from bpu.chat.request_models import Tool, ToolCallInput
from bpu.chat.requests import ChatRequest
from bpu.chat.schemas import MAX_PRUNED, prune_schema
from bpu.chat.tool_call_scanner import CALL, CALL_END

_FORM = f'{CALL}{{"name": "NAME", "arguments": {{...}}}}{CALL_END}'


def tools_prompt(request: ChatRequest) -> str:
    """Return the prompt's section about the request's tools, one tool a line.

    Return "" when there are none.
    """
    if not request.tools:
        return ""
    is_long = sum(len(compact(tool.parameters)) for tool in request.tools) > MAX_PRUNED
    lines = [
        "# Tools",
        "You can use these tools:",
        "<tools>",
        *(_signature(tool, tool.parameters if is_long else prune_schema(tool.parameters)) for tool in request.tools),
        "</tools>",
        f"To use a tool, answer with nothing but {_FORM}, with that tool's own name and arguments.",
        _when(request),
    ]
    return "\n".join(lines)


def render_tool_call(call: ToolCallInput, *, reads_arguments: bool = True) -> str:
    """Write an earlier call as a model writes it. Without `reads_arguments` its arguments stay unchanged."""
    arguments = canonical(call.arguments) if reads_arguments else call.arguments or "{}"
    return f'{CALL}{{"name": {dumps(call.name)}, "arguments": {arguments}}}{CALL_END}'


def canonical(arguments: str) -> str:
    """Write arguments in one spelling, independent of the client's JSON writer.

    All but objects become `{}`.
    """
    try:
        value = loads(arguments)
        value = loads(value) if isinstance(value, str) else value  # some clients encode the text once more
        return dumps(value if isinstance(value, dict) else {})
    except JsonError:
        return "{}"


def render_tool_result(content: str) -> str:
    """Write a tool's result as the user's text."""
    return f"<tool_response>\n{content}\n</tool_response>"


def _when(request: ChatRequest) -> str:
    if request.forced_tool is not None:
        return f"You must use the tool {request.forced_tool} now."
    if request.tool_mode == "required":
        return "You must use one of the tools now."
    several = "" if request.parallel_tool_calls else " Use one tool at a time."
    return f"Use a tool only when the question needs it; otherwise answer in plain words.{several}"


def _signature(tool: Tool, parameters: Any) -> str:
    shape: dict[str, Any] = {"name": tool.name}
    if tool.description:
        shape["description"] = " ".join(tool.description.split())
    shape["parameters"] = parameters
    return compact(shape)


def compact(schema: Any) -> str:
    """Write a schema as one line without blanks between its parts."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
