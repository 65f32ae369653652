"""Parses requests of the Responses API: input items become messages of the chat.

It stores nothing. Fields that need stored responses are refused by name. Tools that run on a server are ignored and
listed, and so are their earlier calls and outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bpu.chat.call_ids import decode_call_id
from bpu.chat.image_parts import with_paths
from bpu.chat.request_models import left_out
from bpu.chat.requests import ChatRequest, parse_chat, translate_params
from bpu.errors import BadRequest

_STATELESS = "This gateway keeps no responses: send the whole conversation as `input` each time"
REFUSED = {
    "previous_response_id": f"{_STATELESS}, without `previous_response_id`.",
    "conversation": f"{_STATELESS}, without `conversation`.",
    "background": f"{_STATELESS}, without `background`.",
    "prompt": "This gateway stores no prompt templates; send `instructions` and `input` instead of `prompt`.",
}
#: Fields with the same meaning in both APIs, or without effect in either.
_SHARED = (
    "model", "stream", "temperature", "top_p", "top_logprobs", "parallel_tool_calls", "reasoning", "user", "metadata",
    "service_tier", "store", "prompt_cache_key", "safety_identifier", "include", "thinking", "enable_thinking",
    "chat_template_kwargs", "think", "stop", "seed", "truncation", "max_tool_calls",
)  # fmt: skip
_LATER = ("item_reference",)
#: Items about other tools than functions: those that run on a server, and a client's own `custom` ones.
_OTHER_TOOLS, _OTHER_TOOLS_PREFIX = ("_call", "_call_output"), "mcp_"
#: The beginning of the id of a reasoning item, which no prompt repeats.
_REASONING_ID = "rs_"
PARAMS = {"messages": "input", "max_completion_tokens": "max_output_tokens", "response_format": "text.format"}


def parse_response(body: object, **options: Any) -> ChatRequest:
    """Parse the request in `body`, with `options` of `parse_chat`. Raises `BadRequest` or `ModelNotFound`."""
    if not isinstance(body, Mapping):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    for name, words in REFUSED.items():
        if body.get(name):
            raise BadRequest(words, param=name)
    messages, places, left = _messages(body)
    tools, numbers, ignored = _tools(body.get("tools"))
    chat = {name: body[name] for name in _SHARED if name in body}
    chat.update(messages=messages, max_completion_tokens=body.get("max_output_tokens"))
    chat.update(tools=tools, tool_choice=body.get("tool_choice"))
    chat.update(_text(body.get("text")))
    with translate_params(PARAMS, places, numbers):
        request = parse_chat(chat, **options)
    return replace(request, ignored=(*request.ignored, *ignored, *left))


def _messages(body: Mapping[str, Any]) -> tuple[list[Any], list[str], list[str]]:
    """Return the chat messages, the path of each in the request, and the ignored items."""
    messages: list[Any] = []
    places: list[str] = []
    left: list[str] = []
    if (instructions := body.get("instructions")) is not None:
        messages.append({"role": "system", "content": instructions})
        places.append("instructions")
    given = body.get("input")
    if given is None:
        raise BadRequest("You must provide `input`.", param="input", code="missing_required_parameter")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not items:
        raise BadRequest("`input` must be a string or an array of items.", param="input")
    for number, item in enumerate(items):
        place = "input" if isinstance(given, str) else f"input.{number}"
        if _is_of_other_tool(item):
            left.append(item["type"])
        else:
            _add(messages, places, item, place)
    return messages, places, left_out("input", left)


def _is_of_other_tool(item: Any) -> bool:
    kind = item.get("type") if isinstance(item, Mapping) else None
    if not isinstance(kind, str) or kind in ("function_call", "function_call_output"):
        return False
    return kind.endswith(_OTHER_TOOLS) or kind.startswith(_OTHER_TOOLS_PREFIX)


def _add(messages: list[Any], places: list[str], item: Any, place: str) -> None:
    kind = item.get("type") or "message" if isinstance(item, Mapping) else None
    if kind == "reasoning" or (kind in _LATER and str(item.get("id")).startswith(_REASONING_ID)):
        return
    if kind in _LATER and (referred := decode_call_id(item.get("id"))) is not None:
        kind, item = "function_call", {"name": referred[0], "arguments": referred[1]}
    if kind == "function_call":
        call = {"id": item.get("call_id"), "name": item.get("name"), "arguments": item.get("arguments")}
        if messages and messages[-1].get("tool_calls"):
            messages[-1]["tool_calls"].append(call)
            return
        message: Mapping[str, Any] = {"role": "assistant", "content": None, "tool_calls": [call]}
    elif kind == "function_call_output":
        message = {
            "role": "tool",
            "tool_call_id": item.get("call_id"),
            "content": with_paths(item.get("output"), f"{place}.output"),
        }
    elif kind == "message":
        message = {"role": item.get("role"), "content": with_paths(item.get("content"), f"{place}.content")}
    else:
        raise BadRequest(_unknown(kind), param=place)
    messages.append(message)
    places.append(place)


def _unknown(kind: Any) -> str:
    if kind in _LATER:
        return f"{_STATELESS}, without `{kind}` (most clients do with `store` set to false)."
    if isinstance(kind, str):
        return f"Input items of type `{kind[:40]}` are not taken; only messages, function calls and their outputs are."
    return "An item of `input` must be an object with a `role` or a `type`."


def _tools(tools: Any) -> tuple[Any, list[int], list[str]]:
    """Return function tools, their indexes in the request, and the types of server tools.

    Server tools are ignored.
    """
    if not isinstance(tools, list):
        return tools, [], []
    kinds = [tool.get("type") if isinstance(tool, Mapping) else None for tool in tools]
    own = [number for number, kind in enumerate(kinds) if kind == "function" or not isinstance(kind, str)]
    elsewhere = [str(kind) for number, kind in enumerate(kinds) if number not in own]
    return [tools[number] for number in own], own, left_out("tools", elsewhere)


def _text(text: Any) -> Mapping[str, Any]:
    """Translate the fields of `text` into those of the chat."""
    if text is None:
        return {}
    if not isinstance(text, Mapping):
        raise BadRequest("`text` must be an object.", param="text")
    return {"response_format": text.get("format"), "verbosity": text.get("verbosity")}
