"""Checks chat requests as clients send them, and brings them into one form.

It does not know the engine. A mistake is a `BadRequest` whose `param` is a path (`messages.0.content`) and whose
message is a sentence. Unknown fields are ignored, known fields without effect are listed, and fields that would change
the answer but are not supported are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from bpu.chat.image_parts import InputImage, check_images
from bpu.chat.request_models import Body, Message, ResponseFormat, Tool, named_tools
from bpu.errors import BadRequest, ModelNotFound

ToolMode = Literal["auto", "none", "required"]

#: Fields of the API that are accepted without effect: the console has no such control. The order is the header's.
WITHOUT_EFFECT = (
    "temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "logprobs", "top_logprobs", "logit_bias",
    "presence_penalty", "frequency_penalty", "repetition_penalty", "repeat_penalty", "prediction", "verbosity",
    "service_tier", "store", "metadata", "user", "prompt_cache_key", "safety_identifier", "include", "modalities",
    "truncation", "max_tool_calls",
)  # fmt: skip
#: Fields that change what the answer is; an answer that ignored them would be wrong.
REFUSED = {
    "audio": "This model cannot speak; leave out `audio`.",
    "web_search_options": "This model cannot search the web; leave out `web_search_options`.",
    "functions": "`functions` is no longer taken; send the same definitions as `tools`.",
}
#: What a value must be, by the prefixes of pydantic's error types, because its own messages name Python's types.
RULES = (
    ("string_too_short", "hold at least {min_length} character(s)"),
    ("string_too_long", "hold at most {max_length} characters"),
    ("string", "be a string"),
    ("too_short", "hold at least {min_length} item(s)"),
    ("too_long", "hold at most {max_length} items"),
    (("int", "finite_number"), "be a whole number"),
    ("bool", "be true or false"),
    (("list", "tuple"), "be an array"),
    (("dict", "model", "mapping"), "be an object"),
    ("literal", "be {expected}"),
    ("greater_than_equal", "be at least {ge}"),
    ("less_than_equal", "be at most {le}"),
)
THINK_SUFFIX = "-think"


@dataclass(frozen=True)
class Limits:
    """The most that one request may hold."""

    max_messages: int = 2000
    max_tools: int = 128


@dataclass(frozen=True)
class ChatRequest:
    """One valid request.

    `model` is the id the client used, `max_tokens` counts reasoning and answer together. `thinking` is False when the
    client switched it off; `inline_thinking` puts the reasoning into the content in `<think>` tags. `tools` are those
    that `tool_choice` allows, `excluded_tools` the names of the others. `namespace` keeps the conversations of
    different clients apart (the digest of an API key, for instance); it never comes from the body. Without
    `show_reasoning` the answer's format has no place for reasoning, unless it is inline. `trim` says whether the oldest
    messages are left out of a conversation that does not fit; None: as `BPU_HISTORY` says.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    thinking: bool = True
    inline_thinking: bool = False
    tools: tuple[Tool, ...] = ()
    excluded_tools: tuple[str, ...] = ()
    tool_mode: ToolMode = "auto"
    forced_tool: str | None = None
    parallel_tool_calls: bool = True
    response_format: ResponseFormat = field(default_factory=ResponseFormat)
    ignored: tuple[str, ...] = ()
    namespace: str = ""
    show_reasoning: bool = True
    trim: bool | None = None

    @property
    def images(self) -> list[InputImage]:
        """All images of the messages, in order."""
        return [image for message in self.messages for image in message.images]


def parse_chat(
    body: object,
    *,
    models: Sequence[str],
    seeing: Sequence[str] = (),
    think_model: bool = True,
    limits: Limits = Limits(),
    namespace: str = "",
) -> ChatRequest:
    """Parse the request in `body` (decoded JSON). Raises `BadRequest` with its `param`, or `ModelNotFound`.

    `models` are the ids that are served; with `think_model` each is also served as `<id>-think`. `seeing` are those of
    `models` that take images.
    """
    if not isinstance(body, Mapping):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    _refuse(body, limits)
    try:
        parsed = Body.model_validate(body)
    except ValidationError as error:
        raise _as_bad_request(error) from None
    _check_model(parsed.model, models, think_model)
    own_id = parsed.model if parsed.model in models else parsed.model.removesuffix(THINK_SUFFIX)
    check_images(((one.role, one.images) for one in parsed.messages), own_id, seeing)
    mode, forced, tools = _choice(parsed)
    return ChatRequest(
        model=parsed.model,
        messages=parsed.messages,
        stream=bool(parsed.stream),
        include_usage=bool(parsed.stream_options.include_usage),
        max_tokens=parsed.max_completion_tokens or parsed.max_tokens,
        stop=parsed.stop,
        thinking=_thinking(body),
        inline_thinking=parsed.model not in models,
        tools=tools,
        excluded_tools=tuple(tool.name for tool in parsed.tools if tool not in tools),
        tool_mode=mode,
        forced_tool=forced,
        parallel_tool_calls=parsed.parallel_tool_calls is not False,
        response_format=parsed.response_format,
        ignored=_ignored(body),
        namespace=namespace,
    )


@contextmanager
def translate_params(
    params: Mapping[str, str], places: Sequence[str] = (), tools: Sequence[int] | None = None
) -> Iterator[None]:
    """Translate the `param` of an error of `parse_chat` into the field names of another endpoint.

    `places`: the paths from which its messages come; `tools`: the indexes of its tools in the request.
    """
    try:
        yield
    except BadRequest as error:
        first, *rest = (error.param or "").split(".")
        if first == "messages" and rest and rest[0].isdigit() and int(rest[0]) < len(places):
            place = places[int(rest[0])]
            first, rest = place, rest[1:] if "." in place else []
        if first == "tools" and tools is not None and rest and rest[0].isdigit() and int(rest[0]) < len(tools):
            rest[0] = str(tools[int(rest[0])])
        new = ".".join([params.get(first, first), *rest]).replace("text.format.json_schema", "text.format")
        error.message = error.message.replace(f"`{error.param}`", f"`{new}`")
        error.param = new or None
        raise


def _check_model(model: str, models: Sequence[str], think_model: bool) -> None:
    served = [*models, *(f"{one}{THINK_SUFFIX}" for one in models if think_model)]
    if model not in served:
        raise ModelNotFound.named(model, served)


def _refuse(body: Mapping[str, Any], limits: Limits) -> None:
    """Refuse what cheap checks can refuse, before the body is validated."""
    for name, words in REFUSED.items():
        if body.get(name):
            raise BadRequest(words, param=name)
    modalities = body.get("modalities")
    if isinstance(modalities, list) and any(one != "text" for one in modalities):
        raise BadRequest('This model answers in text only; `modalities` may be `["text"]`.', param="modalities")
    for name, most in (("messages", limits.max_messages), ("tools", limits.max_tools)):
        value = body.get(name)
        if isinstance(value, list) and len(value) > most:
            raise BadRequest(f"`{name}` holds {len(value)} items; {most} are the most.", param=name)


def _choice(body: Body) -> tuple[ToolMode, str | None, tuple[Tool, ...]]:
    """Read `tool_choice`.

    The mode, the name of a demanded tool, and the tools that may be called.
    """
    choice = body.tool_choice
    if choice == "none":
        return "none", None, ()
    if choice in (None, "auto"):
        return "auto", None, body.tools
    if not body.tools:
        raise BadRequest("`tool_choice` is only allowed when `tools` are given.", param="tool_choice")
    if choice in ("required", "any"):
        return "required", None, body.tools
    required, names = named_tools(choice)
    tools = tuple(tool for tool in body.tools if tool.name in names)
    if not names:
        raise BadRequest("`tool_choice` must be auto, none, required, or name tools of this request.",
                         param="tool_choice")  # fmt: skip
    if unknown := sorted(set(names) - {tool.name for tool in tools}):
        raise BadRequest(f"`tool_choice` names {unknown[0][:100]!r}, which is none of `tools`.", param="tool_choice")
    return ("required" if required else "auto"), (names[0] if required and len(names) == 1 else None), tools


def _thinking(body: Mapping[str, Any]) -> bool:
    """Whether thinking stays on. Clients use many switches; each of them can switch it off."""

    def inside(name: str, key: str) -> Any:
        value = body.get(name)
        return value.get(key) if isinstance(value, Mapping) else None

    off = (
        inside("thinking", "type") == "disabled",
        body.get("thinking") is False,
        body.get("enable_thinking") is False,
        inside("chat_template_kwargs", "enable_thinking") is False,
        inside("chat_template_kwargs", "thinking") is False,
        body.get("reasoning_effort") == "none",
        inside("reasoning", "effort") == "none",
        inside("reasoning", "enabled") is False,
        body.get("think") is False,
    )
    return not any(off)


def _ignored(body: Mapping[str, Any]) -> tuple[str, ...]:
    names = [name for name in WITHOUT_EFFECT if _says_something(body.get(name))]
    if body.get("web_search_options") == {}:
        names.append("web_search_options")
    if body.get("reasoning_effort") not in (None, "none"):
        names.append("reasoning_effort")
    if isinstance(reasoning := body.get("reasoning"), Mapping) and reasoning.get("effort") not in (None, "none"):
        names.append("reasoning.effort")
    return tuple(names)


def _says_something(value: Any) -> bool:
    """Whether a field asks for something: `store: false` does not."""
    return not (value is None or value is False or value == [] or value == {} or value == "disabled")


def _as_bad_request(error: ValidationError) -> BadRequest:
    """Make a `BadRequest` of the first mistake, named by its path."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"]) or None
    name = f"`{path}`" if path else "The body"
    if first["type"] == "missing":
        return BadRequest(f"You must provide {name}.", param=path, code="missing_required_parameter")
    kind, context = first["type"], first.get("ctx", {})
    if kind == "value_error":
        return BadRequest(str(first["msg"]).removeprefix("Value error, "), param=path)
    rule = next((words for kinds, words in RULES if kind.startswith(kinds)), "have another form")
    return BadRequest(f"{name} must {rule.format_map(context)}.", param=path)
