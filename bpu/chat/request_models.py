"""The models of a chat request's parts.

Messages, tools, response format, and the variants that clients send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bpu.chat import image_parts
from bpu.chat.image_parts import InputImage, split_images
from bpu.chat.reasoning import strip_reasoning

Role = Literal["system", "user", "assistant", "tool"]
_ROLES = {"developer": "system", "function": "tool"}
_SURROGATE = re.compile("[\ud800-\udfff]")
#: A header may hold only the other characters, and proxies accept a few kilobytes of it.
_HEADER_UNSAFE = re.compile(r"[^A-Za-z0-9_.:-]")
_MAX_LEFT_OUT = 20
_MAX_STOPS = 16
_MAX_STOP_LENGTH = 256
#: Kinds of content parts: text; reasoning of an earlier answer, which no prompt repeats; and media.
_TEXTS = ("text", "input_text", "output_text", "refusal")
_REASONING = ("thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text")
_MEDIA = (*image_parts.IMAGE_KINDS, "input_audio", "input_file")
#: Values of `tool_choice` that some clients wrap into an object.
_CHOICES = ("auto", "none", "required", "any")


def clean(text: str) -> str:
    """Replace lone surrogates in `text`, which JSON can hold and UTF-8 cannot."""
    return _SURROGATE.sub("\ufffd", text)


def _content(value: Any) -> str:
    """Read the text of a message.

    It is a string, an array of text parts (joined by line breaks), or null.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    if not isinstance(value, list):
        raise ValueError("The content of a message must be a string, an array of text parts, or null.")
    return "\n".join(_part(part) for part in value if _kind(part) not in _REASONING)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return clean(part)
    kind = _kind(part)
    if kind in _TEXTS:
        text = part.get("refusal" if kind == "refusal" else "text", 0)
        if text is None or isinstance(text, str):
            return clean(text or "")
        raise ValueError("The `text` of a text part must be a string.")
    if kind:
        raise ValueError(media_error(kind))
    raise ValueError("A content part must be an object with a `type`.")


def media_error(kind: str) -> str:
    """Return the message for an unsupported content part, in words that clients recognise."""
    return image_parts.media_error(clean(kind[:40]))


def left_out(field: str, names: Iterable[str]) -> list[str]:
    """Return the names of ignored items of `field` for the `X-BPU-Ignored` header.

    There are as many as the header can hold.
    """
    safe = (_HEADER_UNSAFE.sub("", name)[:40] for name in names)
    return [f"{field}.{name}" for name in dict.fromkeys(safe) if name][:_MAX_LEFT_OUT]


def _kind(part: Any) -> str:
    """Return the `type` of a content part; "" if it has none."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _result(value: Any) -> Any:
    """Read a tool's result.

    Other values than text and arrays of content parts are written as JSON.
    """
    if value is None or isinstance(value, str) or (isinstance(value, list) and all(map(_is_part, value))):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_part(value: Any) -> bool:
    return isinstance(value, str) or _kind(value) in _TEXTS + _REASONING + _MEDIA


def _name(value: Any) -> Any:
    """Read the name of an earlier call; a model may have left it out."""
    return clean(value) if isinstance(value, str) else "" if value is None else value


def _arguments(value: Any) -> str:
    """Read a call's arguments as JSON text; some clients send them as an object."""
    if value is None:
        return "{}"
    return clean(value) if isinstance(value, str) else clean(json.dumps(value, ensure_ascii=False))


def _stops(value: Any) -> tuple[str, ...]:
    """Read the stop strings; an empty one and null mean none."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    values = [one for one in values if one not in (None, "")]
    if not all(isinstance(one, str) for one in values):
        raise ValueError("`stop` must be a string or an array of strings.")
    if len(values) > _MAX_STOPS or max(map(len, values), default=0) > _MAX_STOP_LENGTH:
        raise ValueError(f"`stop` may hold {_MAX_STOPS} strings of {_MAX_STOP_LENGTH} characters at most.")
    return tuple(dict.fromkeys(clean(one) for one in values))


def _no_limit(value: int | None) -> int | None:
    """Read a limit; clients send 0 or -1 for no limit."""
    return value if value and value > 0 else None


def plain_choice(value: Any) -> Any:
    """Unwrap a `tool_choice` such as `{"type": "auto"}`."""
    kind = _kind(value)
    return kind if kind in _CHOICES else value


def _none_is_empty(value: Any) -> Any:
    return () if value is None else value


def _is_true(value: Any) -> bool:
    return value is True


def _none_is_default(value: Any) -> Any:
    return {} if value is None else value


Text = Annotated[str, BeforeValidator(_content)]
Name = Annotated[str, Field(min_length=1, max_length=128)]


class _RequestModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)


class ToolCallInput(_RequestModel):
    """An earlier tool call of the assistant, valid or not.

    `arguments` is text as the client sent it. Its id is ignored, because results follow their calls.
    """

    name: Annotated[str, BeforeValidator(_name)] = ""
    arguments: Annotated[str, BeforeValidator(_arguments)] = "{}"

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """Accept both `{"id", "function": {"name", "arguments"}}` and the older flat form."""
        inner = value.get("function") if isinstance(value, Mapping) else None
        return inner if isinstance(inner, Mapping) else value


class Message(_RequestModel):
    """One message. Its role is one of four: `developer` becomes system, `function` becomes tool."""

    role: Role
    content: Text = ""
    images: tuple[InputImage, ...] = ()
    tool_calls: Annotated[tuple[ToolCallInput, ...], BeforeValidator(_none_is_empty)] = ()

    @model_validator(mode="before")
    @classmethod
    def _older_forms(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        role = value.get("role")
        changed = {**value, "role": _ROLES.get(role, role) if isinstance(role, str) else role}
        if not value.get("tool_calls") and isinstance(value.get("function_call"), Mapping):
            changed["tool_calls"] = [{"function": value["function_call"]}]
        changed["content"], changed["images"] = split_images(value.get("content"))
        if changed["role"] == "tool":
            changed["content"] = _result(changed["content"])
        return changed

    @field_validator("content")
    @classmethod
    def _without_reasoning(cls, text: str, info: ValidationInfo) -> str:
        """Remove the reasoning of an earlier answer here, because a waiting job keeps its messages."""
        return strip_reasoning(text) if info.data.get("role") == "assistant" else text


class Tool(_RequestModel):
    """One function the model may call; `parameters` is a JSON schema.

    `strict`: a call whose arguments do not fit the schema is an error, not a call.
    """

    name: Name
    description: str = ""
    parameters: Annotated[dict[str, Any], BeforeValidator(_none_is_default)] = Field(default_factory=dict)
    strict: Annotated[bool, BeforeValidator(_is_true)] = False

    @model_validator(mode="before")
    @classmethod
    def _function(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        if value.get("type", "function") != "function":
            raise ValueError("Only tools of type `function` are supported.")
        inner = value.get("function", value)
        if isinstance(inner, Mapping):
            return {**inner, "description": inner.get("description") or ""}
        raise ValueError("The `function` of a tool must be an object with a `name`.")


def named_tools(choice: Any) -> tuple[bool, list[str]]:
    """Read a `tool_choice` that is an object.

    Return whether a call is required, and of which tools; without names it is invalid. It names one tool, or the
    allowed ones and a mode. Chat Completions nests both, Responses does not.
    """
    if not isinstance(choice, Mapping):
        return False, []
    if choice.get("type") != "allowed_tools":
        return True, _names([choice])
    inner = choice.get("allowed_tools", choice)
    mode = inner.get("mode") if isinstance(inner, Mapping) else None
    return mode == "required", _names(inner.get("tools")) if mode in ("auto", "required") else []


def _names(tools: Any) -> list[str]:
    inner = [one.get("function", one) for one in tools if isinstance(one, Mapping)] if isinstance(tools, list) else []
    return [one["name"] for one in inner if isinstance(one, Mapping) and isinstance(one.get("name"), str)]


class ResponseFormat(_RequestModel):
    """The required form of the answer.

    It is free text, any JSON object, or JSON of one schema.
    """

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str = "answer"
    schema_: dict[str, Any] = Field(default_factory=dict, validation_alias="schema")

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, value: Any) -> Any:
        """Unwrap the schema, which Chat Completions nests under `json_schema` and Responses does not."""
        if not isinstance(value, Mapping) or value.get("type") != "json_schema":
            return value
        inner = value.get("json_schema", value)
        if not isinstance(inner, Mapping) or not isinstance(inner.get("schema"), Mapping):
            raise ValueError("A `json_schema` format needs its `schema`, an object.")
        return {"type": "json_schema", "name": inner.get("name") or "answer", "schema": inner["schema"]}


class _StreamOptions(_RequestModel):
    include_usage: bool | None = None


Limit = Annotated[int | None, AfterValidator(_no_limit)]


class Body(_RequestModel):
    """The fields of a chat request that have an effect."""

    model: Name
    messages: Annotated[tuple[Message, ...], Field(min_length=1)]
    stream: bool | None = None
    stream_options: Annotated[_StreamOptions, BeforeValidator(_none_is_default)] = _StreamOptions()
    max_tokens: Limit = None
    max_completion_tokens: Limit = None
    stop: Annotated[tuple[str, ...], BeforeValidator(_stops)] = ()
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    tools: Annotated[tuple[Tool, ...], BeforeValidator(_none_is_empty)] = ()
    tool_choice: Annotated[Any, BeforeValidator(plain_choice)] = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[ResponseFormat, BeforeValidator(_none_is_default)] = ResponseFormat()
