"""Parses requests of Ollama's chat and generate. It stores nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bpu.chat.image_parts import InputImage
from bpu.chat.ollama.names import resolve
from bpu.chat.requests import THINK_SUFFIX, ChatRequest, parse_chat
from bpu.errors import BadRequest, ModelNotFound

#: Options that have no effect: the console has no such control.
IGNORED_OPTIONS = (
    "num_ctx", "temperature", "top_k", "top_p", "min_p", "typical_p", "repeat_last_n", "repeat_penalty",
    "presence_penalty", "frequency_penalty", "seed", "num_keep", "num_batch", "num_gpu", "main_gpu", "use_mmap",
    "num_thread", "draft_num_predict", "numa", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock",
    "embedding_only", "tfs_z", "mirostat", "mirostat_tau", "mirostat_eta", "penalize_newline",
)  # fmt: skip
IGNORED = ("template", "context", "logprobs", "top_logprobs")
LEVELS = ("high", "medium", "low", "max")
_MAX_LOGPROBS = 20
_DURATION = re.compile(r"[+-]?(?:(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:ns|us|µs|μs|ms|s|m|h))+")
_NUMBER = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})")
_PARAMS = {"max_tokens": "options.num_predict", "stop": "options.stop", "response_format": "format"}


@dataclass(frozen=True)
class Order:
    """A request without a prompt: load the model, or with `unloads` free its memory."""

    unloads: bool


def parse_order(body: object, prompt: str, **options: Any) -> Order | None:
    """Read what a request with an empty `prompt` (the field's name) asks for.

    Return None for one that has a prompt. Raises `BadRequest` or `ModelNotFound`. `options` as of `parse_chat`.
    """
    body = _object(body)
    model_id(body, **options)
    if body.get(prompt) or (prompt == "prompt" and _images(body)):
        return None
    if body.get(prompt) not in (None, "", []):
        raise BadRequest(f"`{prompt}` has another type than it must have.", param=prompt)
    return Order(unloads=_is_zero(_seconds(body.get("keep_alive"))))


def parse_ollama_chat(body: object, *, reasons: bool = True, **options: Any) -> ChatRequest:
    """Parse the body of `/api/chat`. `reasons`: the model reasons before it answers."""
    body = _object(body)
    return _parse(body, _messages(body.get("messages")), reasons, tools=_tools(body.get("tools")), **options)


def parse_generate(body: object, *, reasons: bool = True, **options: Any) -> ChatRequest:
    """Parse the body of `/api/generate` as one user message, after a system message if given."""
    body = _object(body)
    name = _model_name(body)
    if body.get("raw") is True:
        raise BadRequest(
            "raw mode does not support template, system, or context"
            if any(body.get(field) for field in ("template", "system", "context"))
            else "This console wraps every prompt in the model's template, so `raw` is not possible.",
            param="raw",
        )
    if body.get("suffix"):
        raise BadRequest(f'"{name}" does not support insert', param="suffix")
    system, prompt = body.get("system"), body.get("prompt")
    for field, value in (("system", system), ("prompt", prompt)):
        if value is not None and not isinstance(value, str):
            raise BadRequest(f"`{field}` must be a string.", param=field)
    messages = [{"role": "system", "content": system}] if system else []
    content = _with_images(prompt, body, "images")
    return _parse(body, [*messages, {"role": "user", "content": content}], reasons, **options)


def model_id(body: Mapping[str, Any], *, models: Sequence[str], think_model: bool = True, **_: Any) -> str:
    """Return the id of the model that `body` names. Raises `BadRequest` or `ModelNotFound`."""
    name = _model_name(body)
    served = [*models, *(f"{one}{THINK_SUFFIX}" for one in models if think_model)]
    found = resolve(name, served)
    if found is None:
        raise ModelNotFound.named(name, served)
    return found


def _object(body: object) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    return body


def _model_name(body: Mapping[str, Any]) -> str:
    name = body.get("model") or body.get("name")
    if not isinstance(name, str):
        raise BadRequest("model is required", param="model", code="missing_required_parameter")
    return name


def _parse(body: Mapping[str, Any], messages: Any, reasons: bool, *, tools: Any = None, **options: Any) -> ChatRequest:
    model = model_id(body, **options)
    _seconds(body.get("keep_alive"))
    given = _options(body.get("options"))
    chat = {
        "model": model,
        "messages": messages,
        "stream": True if body.get("stream") is None else body["stream"],
        "tools": tools,
        "thinking": {"type": "disabled"} if _thinking(body, reasons) is False else None,
        "response_format": _format(body.get("format")),
        "max_tokens": _limit(given.get("num_predict")),
        "stop": given.get("stop"),
    }
    with _own_names():
        request = parse_chat(chat, **options)
    truncates = body.get("truncate") is not False
    return replace(request, trim=truncates, ignored=tuple(_ignored(body, given)))


def _messages(messages: Any) -> Any:
    """Return the messages with their images as parts of the content.

    Roles become lower case. Raises `BadRequest`.
    """
    if not isinstance(messages, list):
        return messages
    return [_message(one, f"messages.{number}") for number, one in enumerate(messages)]


def _message(message: Any, path: str) -> Any:
    if not isinstance(message, Mapping):
        return message
    role = message.get("role")
    return {
        **message,
        "role": role.lower() if isinstance(role, str) else role,
        "content": _with_images(message.get("content"), message, f"{path}.images"),
    }


def _with_images(content: Any, holder: Mapping[str, Any], path: str) -> Any:
    """Return the content of a message with the images of `holder` before it. Raises `BadRequest`."""
    if not _images(holder):
        return content
    images = holder["images"]
    if not isinstance(images, list) or not all(isinstance(one, str) for one in images):
        raise BadRequest("`images` must be an array of images in base64.", param=path)
    texts = content if isinstance(content, list) else [] if content is None else [content]
    return [*(InputImage("images", one, f"{path}.{number}") for number, one in enumerate(images)), *texts]


def _images(holder: Mapping[str, Any]) -> bool:
    return holder.get("images") not in (None, [])


def _thinking(body: Mapping[str, Any], reasons: bool) -> bool:
    """Whether reasoning is on; `think` may be a level, which has no further effect."""
    think = body.get("think")
    if think is None or think is False:
        return think is None
    if think is not True and think not in LEVELS:
        raise BadRequest(
            f'invalid think value: "{str(think)[:40]}" (must be "high", "medium", "low", "max", true, or false)',
            param="think",
        )
    if not reasons:
        raise BadRequest(f'"{_model_name(body)}" does not support thinking', param="think")
    return True


def _format(value: Any) -> Any:
    if value in (None, ""):
        return None
    if value == "json":
        return {"type": "json_object"}
    if isinstance(value, Mapping):
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": value}}
    raise BadRequest(
        f'invalid format: "{str(value)[:40]}"; expected "json" or a valid JSON Schema object', param="format"
    )


def _options(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadRequest("`options` must be an object.", param="options")
    return value


def _limit(value: Any) -> Any:
    """Read `num_predict`; a whole float is accepted, because JavaScript sends one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _ignored(body: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    top = body.get("top_logprobs")
    if isinstance(top, int) and not 0 <= top <= _MAX_LOGPROBS:
        raise BadRequest(f"top_logprobs must be between 0 and {_MAX_LOGPROBS}", param="top_logprobs")
    yield from (name for name in IGNORED if body.get(name))
    if body.get("keep_alive") is not None:
        yield "keep_alive"
    yield from (f"options.{name}" for name in IGNORED_OPTIONS if options.get(name) is not None)


def _seconds(value: Any) -> float | None:
    """Read `keep_alive` in seconds: a number, or a duration as Go writes it (`5m`).

    Only its sign and 0 matter.
    """
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and (_NUMBER.fullmatch(value) or _DURATION.fullmatch(value)):
        digits = sum(float(part) for part in re.findall(r"\d+\.?\d*|\.\d+", value[:200]))
        return -digits if value.startswith("-") else digits
    raise BadRequest('`keep_alive` must be a number of seconds or a duration such as "5m".', param="keep_alive")


def _is_zero(seconds: float | None) -> bool:
    return seconds == 0


def _tools(tools: Any) -> Any:
    """Return the tools.

    Types that Ollama's own client writes as one string (`string, integer`) become an array.
    """
    if not isinstance(tools, list):
        return tools
    return [_split_types(tool) for tool in tools]


def _split_types(value: Any) -> Any:
    if isinstance(value, list):
        return [_split_types(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    split = {name: _split_types(one) for name, one in value.items()}
    kind = value.get("type")
    if isinstance(kind, str) and "," in kind:
        split["type"] = [one.strip() for one in kind.split(",")]
    return split


@contextmanager
def _own_names() -> Iterator[None]:
    """Translate the `param` of a `parse_chat` error into this API's names."""
    try:
        yield
    except BadRequest as error:
        first, *rest = (error.param or "").split(".")
        new = ".".join([_PARAMS.get(first, first), *rest])
        error.message = error.message.replace(f"`{error.param}`", f"`{new}`")
        error.param = new or None
        raise
