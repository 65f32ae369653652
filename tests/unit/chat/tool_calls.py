"""What the tests of tool calls share: two tools, and the calls of an answer."""

from __future__ import annotations

import json
from typing import Any

from bpu.chat.deltas import Content, Delta, Finish, ToolCall
from bpu.chat.requests import ChatRequest
from tests.unit.chat.kit import read, request

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


MOVE = {
    "type": "function",
    "function": {
        "name": "move",
        "parameters": {
            "type": "object",
            "properties": {"x": {"type": "number"}, "note": {"type": "string"}, "fast": {"type": "boolean"}},
        },
    },
}


PARIS = '{"name": "get_weather", "arguments": {"city": "Paris"}}'


def offering(**fields: Any) -> ChatRequest:
    return request("Hi", tools=[WEATHER, MOVE], stream=True, **fields)


def called(answer: list[str] | str, asked: ChatRequest | None = None, **how: Any) -> list[Delta]:
    parts = [answer] if isinstance(answer, str) else answer
    return read(["</think>\n\n", *parts], asked or offering(), **how)


def calls(deltas: list[Delta]) -> list[tuple[str, Any]]:
    return [(one.name, json.loads(one.arguments)) for one in deltas if isinstance(one, ToolCall)]


def content(deltas: list[Delta]) -> str:
    return "".join(one.text for one in deltas if isinstance(one, Content))


def reason(deltas: list[Delta]) -> str:
    assert isinstance(deltas[-1], Finish)
    return deltas[-1].reason
