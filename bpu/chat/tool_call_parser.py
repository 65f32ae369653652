"""Parses one complete stretch of text as tool calls, and repairs names and arguments.

A call of a tool of the request counts even if arguments are missing, because clients answer a wrong call with an error
that the model can correct; only a tool with `strict` is checked. `ToolCallScanner` finds where a stretch begins and
ends.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpu.chat.coercion import coerce
from bpu.chat.json_repair import JsonError, dumps, loads
from bpu.chat.request_models import Tool, clean
from bpu.chat.schemas import Checker, Steps, prune_schema

_NAMES = ("name", "tool", "tool_name", "function")
_ARGUMENTS = ("arguments", "parameters", "args", "input")
#: Members of a call besides its name and its arguments.
_BESIDE = {"id", "type"}
#: What models put before a tool's name.
_PREFIXES = ("functions.", "function.", "tools.", "tool.", "default_api.")
_MAX_NAME_LENGTH = 128
#: DeepSeek writes `function<sep>NAME`, a line break, and the arguments in a fence; or `NAME<sep>ARGUMENTS`.
DEEPSEEK, DEEPSEEK_END, SEPARATOR = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"
_FENCE = re.compile(r"```[A-Za-z_]{0,20}")
#: A call up to its arguments, for arguments that cannot be read.
_HEAD = re.compile(
    rf"""\[?\s{{0,100}}\{{\s{{0,100}}["']?(?:{"|".join(_NAMES)})["']?\s*[:：]\s*"""
    rf"""(?P<quote>["'])(?P<name>[^"'\n]{{1,{_MAX_NAME_LENGTH}}})"""
    rf"""(?P=quote)\s*[,，]\s*["']?(?:{"|".join(_ARGUMENTS)})["']?\s*[:：]"""
)


@dataclass(frozen=True)
class ParsedToolCall:
    """One call: the tool's name and its arguments as JSON text.

    `problem`: why a tool with `strict` must not get it; `written`: the stretch that it was read from.
    """

    name: str
    arguments: str
    problem: str | None = None
    written: str = ""


class ToolCallParser:
    """Parses the calls of one request's tools.

    `forced`: a bare object that fits this tool's parameters is its call. `withheld` are the names of tools that the
    request has and does not allow.
    """

    def __init__(self, tools: Sequence[Tool], forced: str | None = None, withheld: Collection[str] = ()) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._forced = self._tools.get(forced) if forced else None
        self._withheld = withheld
        self._steps = Steps()
        self._checkers: dict[str, Checker] = {}
        self._pruned: dict[str, Any] = {}

    def read(self, text: str, *, close: bool = True, marked: bool = False) -> list[ParsedToolCall]:
        """Return the calls in `text`; none when any part of it is something else.

        Without `close` the text was cut, so open brackets are not closed. `marked`: the text stood between a model's
        own marks of a call, so an unknown name is a call, too.
        """
        if DEEPSEEK in text:
            pairs: list[tuple[str | None, Any]] = [
                (self._tool_name(name), _arguments(body, close)) for name, body in _deepseek(text)
            ]
        else:
            value = _value(text, close)
            if value == "" and marked and close and (head := _HEAD.match(_unfenced(text))):
                value = {"name": head["name"], "arguments": _unfenced(text)[head.end() :].strip().removesuffix("}")}
            if isinstance(value, Mapping) and isinstance(value.get("tool_calls"), list):
                value = value["tool_calls"]
            pairs = [self._name_and_arguments(one, marked) for one in (value if isinstance(value, list) else [value])]
        found = [self._checked_call(name, arguments, text) for name, arguments in pairs]
        return [one for one in found if one] if all(found) else []

    def _name_and_arguments(self, value: Any, marked: bool) -> tuple[str | None, Any]:
        """Find name and arguments in the forms that models write.

        No name where it is no call.
        """
        if not isinstance(value, Mapping):
            return None, None
        if isinstance(value.get("function"), Mapping):
            value = value["function"]
        names = [(key, self._tool_name(value[key])) for key in _NAMES if isinstance(value.get(key), str)]
        key, name = next(((key, name) for key, name in names if name in self._tools), names[0] if names else ("", ""))
        given = next((one for one in _ARGUMENTS if one in value), None)
        if name in self._tools and (given or marked or self._fits(name, _others(value, key))):
            arguments = _others(value, key) if given is None else value[given]
            return (None if self._is_definition(name, arguments) else name), arguments
        if self._forced and not (given and name in self._withheld) and self._fits(self._forced.name, value):
            return self._forced.name, value
        # Of an unknown tool it is not known which other members are its arguments, so there may be none.
        is_call = marked and (given or not _others(value, key))
        is_name = 0 < len(name) <= _MAX_NAME_LENGTH and name not in self._withheld
        return (name, value.get(given)) if is_call and is_name else (None, None)

    def _checked_call(self, name: str | None, arguments: Any, written: str) -> ParsedToolCall | None:
        if not name or name in self._withheld:
            return None
        if isinstance(arguments, str):
            arguments = _parsed(arguments)
        tool = self._tools.get(name)
        arguments = {} if arguments is None or arguments == [] else arguments
        problem = None
        if tool:
            arguments = coerce(arguments, tool.parameters, self._steps)
            problem = self._problem(arguments, tool) if tool.strict else None
        try:
            return ParsedToolCall(name, dumps(arguments), problem, written)
        except JsonError:
            return None

    def _fits(self, name: str, arguments: Any) -> bool:
        tool = self._tools[name]
        return self._problem(coerce(arguments, tool.parameters, self._steps), tool) is None

    def _problem(self, arguments: Any, tool: Tool) -> str | None:
        if not isinstance(arguments, Mapping):
            return "they are no object"
        if tool.name not in self._checkers:
            self._checkers[tool.name] = Checker(tool.parameters, self._steps)
        return self._checkers[tool.name].problem(arguments)

    def _is_definition(self, name: str, arguments: Any) -> bool:
        """Whether the model repeats how the tool was described to it."""
        parameters = self._tools[name].parameters
        if name not in self._pruned:
            self._pruned[name] = prune_schema(parameters)
        return bool(parameters) and arguments in (parameters, self._pruned[name])

    def _tool_name(self, name: str) -> str:
        """Return the tool that `name` means.

        Blanks, quotes around it and a model's prefix are ignored.
        """
        name = clean(name.strip())
        if name in self._tools or name in self._withheld:
            return name
        name = name.strip("\"'` \t\r\n")
        return next((name[len(one) :].strip() for one in _PREFIXES if name.startswith(one)), name)


def _others(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the other members of a call.

    They are its arguments where it has no member for them.
    """
    return {name: one for name, one in value.items() if name != key and name not in _BESIDE}


def _parsed(arguments: str) -> Any:
    """Parse arguments that were written as a string.

    Return the string itself if it is no JSON.
    """
    if not arguments.strip():
        return {}
    try:
        return loads(_unfenced(arguments))
    except JsonError:
        return arguments


def _arguments(body: str, close: bool) -> Any:
    """Parse the arguments behind DeepSeek's separator; return them as text if they cannot be parsed."""
    try:
        return loads(_unfenced(body), close=close) if body.strip() else {}
    except JsonError:
        return _unfenced(body).strip()


def _deepseek(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and arguments of each call between DeepSeek's own marks."""
    for stretch in text.split(DEEPSEEK)[1:]:
        head, _, body = stretch.partition(DEEPSEEK_END)[0].strip().partition("\n")
        kind, separator, rest = head.partition(SEPARATOR)
        if separator and kind.strip() in ("function", ""):
            kind, separator, rest = rest.partition(SEPARATOR)
        yield kind.strip(), f"{rest}\n{body}"


def _value(text: str, close: bool = True) -> Any:
    """Parse the JSON in `text`, without a fence around it.

    Return "", which is never a call, for other text.
    """
    try:
        return loads(_unfenced(text), close=close)
    except JsonError:
        return ""


def _unfenced(text: str) -> str:
    text = text.strip()
    if match := _FENCE.match(text):
        text = text[match.end() :]
    return text.removesuffix("```")
