"""Reads one complete stretch of a model's text as tool calls: name and arguments found, repaired, checked.

Takes whole stretches only; where one begins and ends in a stream is for `toolcalls` to find.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bpu.chat.fields import Tool
from bpu.chat.lenient import NoJson, dumps, loads
from bpu.chat.schemas import Checker, coerced

_NAMES = ("name", "tool", "tool_name", "function")
_ARGUMENTS = ("arguments", "parameters", "args", "input")
#: DeepSeek writes `function<sep>NAME`, a line break, and the arguments in a fence.
_DEEPSEEK = re.compile(
    r"<｜tool▁call▁begin｜>(?:function)?\s*(?:<｜tool▁sep｜>)?([^\n<]{1,200}?)\s*(?:\n|<｜tool▁sep｜>)(.*?)"
    r"(?:<｜tool▁call▁end｜>|\Z)",
    re.DOTALL,
)
_FENCE = re.compile(r"\A\s*```[A-Za-z_]{0,20}\s*|\s*```\s*\Z")


@dataclass(frozen=True)
class Found:
    """A valid call: a tool of the request, and arguments (JSON text) that fit its schema."""

    name: str
    arguments: str


class Caller:
    """The tools of one request. `forced`: a bare object that fits this tool's parameters is a call of it."""

    def __init__(self, tools: Sequence[Tool], forced: str | None = None) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._forced = self._tools.get(forced) if forced else None

    @cached_property
    def _checkers(self) -> dict[str, Checker]:
        return {name: Checker(tool.parameters) for name, tool in self._tools.items()}

    def read(self, text: str, *, close: bool = True) -> list[Found]:
        """The calls that `text` consists of; empty when it is anything else, if only in part.

        Not `close`: the text was cut somewhere, so brackets that are open must not be closed for it.
        """
        if "<｜tool▁call▁begin｜>" in text:
            pairs: list[tuple[Any, Any]] = [
                (name.strip(), _value(body, close) if body.strip() else {}) for name, body in _DEEPSEEK.findall(text)
            ]
        else:
            value = _value(text, close)
            pairs = [self._pair(one) for one in (value if isinstance(value, list) else [value])]
        found = [self._checked(name, arguments) for name, arguments in pairs]
        return [one for one in found if one] if all(found) else []

    def _pair(self, value: Any) -> tuple[Any, Any]:
        """Name and arguments in the forms that models know."""
        if not isinstance(value, Mapping):
            return None, None
        inner = value.get("function")
        if isinstance(inner, Mapping):
            value = inner
        name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
        if name in self._tools:
            return name, next((value[key] for key in _ARGUMENTS if key in value), {})
        return (self._forced.name, value) if self._forced else (name, None)

    def _checked(self, name: Any, arguments: Any) -> Found | None:
        if not isinstance(name, str) or name not in self._tools:
            return None
        if isinstance(arguments, str):
            arguments = _value(arguments) if arguments.strip() else {}
        if arguments is None:
            arguments = {}
        arguments = coerced(arguments, self._tools[name].parameters)
        if not isinstance(arguments, dict) or self._checkers[name].problem(arguments) is not None:
            return None
        try:
            return Found(name, dumps(arguments))
        except NoJson:
            return None


def _value(text: str, close: bool = True) -> Any:
    """The JSON in `text`, a fence around it left out; a string, which is never a call, for what is none."""
    try:
        return loads(_FENCE.sub("", text), close=close)
    except NoJson:
        return ""
