"""Reads the tools of a prompt, and chooses the one to call. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bpu.simulator.schema_filler import SchemaFiller

_BLOCK = re.compile(r"<tools>(.*?)</tools>", re.S)
_WORD = re.compile(r"[a-z]+")
#: Shorter words of a tool's name (get, set, to) are in too many questions.
_MIN_LETTERS = 4
_DEMAND = re.compile(r"\bmust (?:call|use)\b|\brequired to (?:call|use)\b|必须(?:调用|使用)", re.I)


class Tool(NamedTuple):
    """One function on offer; `parameters` is a JSON schema."""

    name: str
    parameters: dict[str, Any]

    def call(self) -> ToolCall:
        """A call with the defaults of the tool's schema."""
        arguments = SchemaFiller({"type": "object", **self.parameters}).fill()
        return ToolCall(self.name, arguments if isinstance(arguments, dict) else {})

    def accepts(self, arguments: Mapping[str, Any]) -> bool:
        """Whether the tool's schema names all of these arguments."""
        return set(arguments) <= set(self.parameters.get("properties") or ())


class ToolCall(NamedTuple):
    """One call, as the model writes it."""

    name: str
    arguments: Mapping[str, Any]

    def text(self) -> str:
        """Return the call between Hermes' marks, as the model writes it."""
        body = json.dumps({"name": self.name, "arguments": self.arguments}, ensure_ascii=False)
        return f"<tool_call>{body}</tool_call>"


def offered_tools(text: str) -> list[Tool]:
    """The tools of the last `<tools>` block that holds any.

    They are JSON objects, one after another or in an array.
    """
    for block in reversed(_BLOCK.findall(text)):
        if tools := [tool for value in json_objects(block) if (tool := _tool(value))]:
            return tools
    return []


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Every outermost JSON object in `text`.

    A string may hold a line break, because the prompt line escaped it.
    """
    decoder = json.JSONDecoder(strict=False)
    at = text.find("{")
    while at >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
            yield value
        except (ValueError, RecursionError):
            at += 1
        at = text.find("{", at)


def _tool(value: dict[str, Any]) -> Tool | None:
    function = value.get("function", value)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return None
    parameters = function.get("parameters")
    return Tool(function["name"], parameters if isinstance(parameters, dict) else {})


def demanded_tool(tools: Sequence[Tool], instructions: str) -> Tool | None:
    """The tool that the instructions name, else the first; None without a demand."""
    demand = _DEMAND.search(instructions)
    if demand is None or not tools:
        return None
    following = instructions[demand.start() : demand.start() + 200]
    named = (tool for tool in tools if re.search(rf"\b{re.escape(tool.name)}\b", following))
    return next(named, tools[0])


def mentioned_tool(tools: Sequence[Tool], question: str) -> Tool | None:
    """The first tool with a word of its name in the question; None without one."""
    words = set(_WORD.findall(question.lower()))
    return next((tool for tool in tools if words & _name_words(tool)), None)


def _name_words(tool: Tool) -> set[str]:
    """The words of `get_weather` or `getWeather`, those of at least four letters."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tool.name).lower()
    return {word for word in _WORD.findall(name) if len(word) >= _MIN_LETTERS}
