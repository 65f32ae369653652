"""Parses requests of Anthropic's Messages: content blocks become messages of the chat. It stores nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bpu.chat.image_parts import InputImage
from bpu.chat.request_models import left_out, media_error
from bpu.chat.requests import ChatRequest, parse_chat
from bpu.errors import BadRequest

#: Fields that have no effect: the console has no such control, or the gateway no such service.
WITHOUT_EFFECT = (
    "temperature", "top_p", "top_k", "metadata", "service_tier", "speed", "container", "context_management",
    "inference_geo", "cache_control", "diagnostics", "betas",
)  # fmt: skip
#: A block of the system text that Claude Code changes with every request, which would defeat the prompt cache.
BILLING = "x-anthropic-billing-header:"
THINKING_TYPES = ("enabled", "adaptive", "between_tools", "disabled")
_ROLES = ("user", "assistant", "system")
_REASONING = ("thinking", "redacted_thinking")
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
#: Names of the chat's fields in this API.
_PARAMS = {"max_completion_tokens": "max_tokens", "stop": "stop_sequences", "response_format": "output_config.format"}


def parse_message(body: object, **options: Any) -> ChatRequest:
    """Parse the request in `body`, with `options` of `parse_chat`. Raises `BadRequest` or `ModelNotFound`."""
    body = _object(body)
    if body.get("max_tokens") is None:
        raise BadRequest("Field required.", param="max_tokens", code="missing_required_parameter")
    return _parse(body, **options)


def parse_count(body: object, **options: Any) -> ChatRequest:
    """Parse a request whose tokens are counted: `max_tokens` may be missing."""
    return _parse(_object(body), **options)


def omits_thinking(body: Mapping[str, Any]) -> bool:
    """Whether the client asks for thinking blocks without their text."""
    thinking = body.get("thinking")
    return isinstance(thinking, Mapping) and thinking.get("display") == "omitted"


def _object(body: object) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    return body


def _parse(body: Mapping[str, Any], **options: Any) -> ChatRequest:
    if body.get("mcp_servers"):
        raise BadRequest("MCP servers run elsewhere; this gateway takes tools alone.", param="mcp_servers")
    thinking = _thinking(body.get("thinking"))
    tools, numbers, ignored = _tools(body.get("tools"))
    chat: dict[str, Any] = {
        "model": body.get("model"),
        "messages": [*_system(body.get("system")), *_messages(body.get("messages"))],
        "stream": body.get("stream"),
        "max_completion_tokens": _max_tokens(body.get("max_tokens")),
        "stop": _stops(body.get("stop_sequences")),
        "tools": tools,
        "thinking": {"type": "disabled"} if thinking == "disabled" else None,
        "response_format": _format(body),
        **_choice(body.get("tool_choice")),
    }
    if body.get("model") is None:
        del chat["model"]
    with _own_names(numbers):
        request = parse_chat(chat, **options)
    return replace(request, show_reasoning=thinking is not None, ignored=(*_ignored(body), *ignored))


# Messages


def _system(system: Any) -> Iterator[dict[str, Any]]:
    if system is None or system == "":
        return
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    if not isinstance(blocks, list):
        raise BadRequest("It must be a string or an array of text blocks.", param="system")
    texts = [_text(block, f"system.{number}") for number, block in enumerate(blocks)]
    content = "\n\n".join(text for text in texts if not text.startswith(BILLING))
    if content:
        yield {"role": "system", "content": content}


def _messages(messages: Any) -> Iterator[dict[str, Any]]:
    if messages is None:
        raise BadRequest("Field required.", param="messages", code="missing_required_parameter")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("It must be an array of at least one message.", param="messages")
    for number, message in enumerate(messages):
        path = f"messages.{number}"
        if not isinstance(message, Mapping):
            raise BadRequest("A message must be an object.", param=path)
        role = message.get("role")
        if role not in _ROLES:
            raise BadRequest(f"It must be one of {', '.join(_ROLES)}.", param=f"{path}.role")
        yield from _message(role, message.get("content"), f"{path}.content")


def _message(role: str, content: Any, path: str) -> Iterator[dict[str, Any]]:
    """Yield a chat message for each tool result, then one for the other blocks."""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        raise BadRequest("It must be a string or an array of content blocks.", param=path)
    texts: list[str | InputImage] = []
    calls: list[dict[str, Any]] = []
    for number, block in enumerate(blocks):
        place = f"{path}.{number}" if blocks is content else path
        kind = _kind(block, place)
        if kind in _REASONING:
            continue
        if kind == "tool_result" and role == "user":
            yield {"role": "tool", "tool_call_id": _word(block, "tool_use_id", place), "content": _result(block, place)}
        elif kind == "tool_use" and role == "assistant":
            calls.append(_call(block, place))
        else:
            texts.append(_text_or_image(block, place))
    if texts or calls or role == "assistant":
        yield {"role": role, "content": _joined(texts), "tool_calls": calls}


def _kind(block: Any, path: str) -> str:
    kind = block.get("type") if isinstance(block, Mapping) else None
    if not isinstance(kind, str):
        raise BadRequest("A content block must be an object with a `type`.", param=path)
    return kind


def _text(block: Any, path: str) -> str:
    """Return the text of a text block, or of a document with plain text."""
    kind = _kind(block, path)
    if kind == "text":
        return _word(block, "text", path)
    source = block.get("source")
    if kind == "document" and isinstance(source, Mapping) and source.get("type") == "text":
        return _word(source, "data", f"{path}.source")
    raise BadRequest(media_error(kind), param=path)


def _text_or_image(block: Any, path: str) -> str | InputImage:
    return InputImage("image", block, path) if _kind(block, path) == "image" else _text(block, path)


def _joined(parts: Sequence[str | InputImage]) -> str | list[str | InputImage]:
    """Return the parts of a message as its content: one text, unless it holds images."""
    texts = [part for part in parts if isinstance(part, str)]
    return "\n".join(texts) if len(texts) == len(parts) else list(parts)


def _word(block: Mapping[str, Any], name: str, path: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise BadRequest("It must be a string.", param=f"{path}.{name}")
    return value


def _call(block: Mapping[str, Any], path: str) -> dict[str, Any]:
    given = block.get("input")
    if given is not None and not isinstance(given, Mapping):
        raise BadRequest("It must be an object.", param=f"{path}.input")
    return {"name": _word(block, "name", path), "arguments": json.dumps(given or {}, ensure_ascii=False)}


def _result(block: Mapping[str, Any], path: str) -> str | list[str | InputImage]:
    content = block.get("content")
    if content is None or isinstance(content, str):
        parts: list[str | InputImage] = [content or ""]
    elif isinstance(content, list):
        parts = [_text_or_image(one, f"{path}.content.{number}") for number, one in enumerate(content)]
    else:
        raise BadRequest("It must be a string or an array of content blocks.", param=f"{path}.content")
    joined = _joined(parts)
    if block.get("is_error") is not True:
        return joined
    return f"Error: {joined}" if isinstance(joined, str) else ["Error:", *joined]


# Options of the answer


def _max_tokens(value: Any) -> Any:
    """Read the token limit.

    0 asks for no answer, but the console always begins one, so it becomes 1.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value <= 0:
        if value < 0:
            raise BadRequest("It must be at least 1.", param="max_tokens")
        return 1
    return value


def _stops(value: Any) -> Any:
    if value is not None and not isinstance(value, list):
        raise BadRequest("It must be an array of strings.", param="stop_sequences")
    return value


def _thinking(thinking: Any) -> str | None:
    """Return the type of `thinking`; None where the client did not ask for thinking blocks."""
    if thinking is None:
        return None
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    if kind not in THINKING_TYPES:
        raise BadRequest(f"It must be one of {', '.join(THINKING_TYPES)}.", param="thinking.type")
    return str(kind)


def _format(body: Mapping[str, Any]) -> Any:
    """Return the required form of the answer; `output_format` is the older field."""
    config = body.get("output_config")
    if config is not None and not isinstance(config, Mapping):
        raise BadRequest("It must be an object.", param="output_config")
    wanted = (config or {}).get("format") or body.get("output_format")
    if wanted is not None and (not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema"):
        raise BadRequest("It must be an object with the type `json_schema`.", param="output_config.format")
    return wanted


def _tools(tools: Any) -> tuple[list[dict[str, Any]] | None, list[int], list[str]]:
    """Return the client's tools, their indexes, and the types of server tools.

    Server tools are ignored.
    """
    if tools is None:
        return None, [], []
    if not isinstance(tools, list):
        raise BadRequest("It must be an array of tools.", param="tools")
    own: list[dict[str, Any]] = []
    numbers: list[int] = []
    elsewhere: list[str] = []
    for number, tool in enumerate(tools):
        if not isinstance(tool, Mapping):
            raise BadRequest("A tool must be an object.", param=f"tools.{number}")
        kind = tool.get("type")
        if kind in (None, "custom"):
            fields = {name: tool[name] for name in ("name", "description", "strict") if name in tool}
            own.append({**fields, "parameters": tool.get("input_schema")})
            numbers.append(number)
        else:
            elsewhere.append(kind if isinstance(kind, str) else str(number))
    return own, numbers, left_out("tools", elsewhere)


def _choice(choice: Any) -> dict[str, Any]:
    if choice is None:
        return {}
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    parallel = {"parallel_tool_calls": False} if kind and choice.get("disable_parallel_tool_use") is True else {}
    if kind == "tool":
        return {"tool_choice": {"type": "function", "name": _word(choice, "name", "tool_choice")}, **parallel}
    if not isinstance(kind, str) or kind not in _CHOICES:
        raise BadRequest("It must be one of auto, any, tool, none.", param="tool_choice.type")
    return {"tool_choice": _CHOICES[kind], **parallel}


def _ignored(body: Mapping[str, Any]) -> list[str]:
    names = [name for name in WITHOUT_EFFECT if body.get(name) not in (None, False, [], {})]
    for name, inner in (("thinking", "budget_tokens"), ("output_config", "effort")):
        value = body.get(name)
        if isinstance(value, Mapping) and value.get(inner) is not None:
            names.append(f"{name}.{inner}")
    return names


@contextmanager
def _own_names(tools: Sequence[int]) -> Iterator[None]:
    """Translate the `param` of a `parse_chat` error into this API's names; `tools`: each tool's index."""
    try:
        yield
    except BadRequest as error:
        first, *rest = (error.param or "").split(".")
        if first == "tools" and rest and rest[0].isdigit() and int(rest[0]) < len(tools):
            rest = [str(tools[int(rest[0])]), *("input_schema" if part == "parameters" else part for part in rest[1:])]
        new = ".".join([_PARAMS.get(first, first), *rest])
        error.message = error.message.replace(f"`{error.param}`", f"`{new}`")
        error.param = new or None
        raise
