"""Which of the offered tools fits a question, and with which arguments. Rules, no understanding."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from bpu.simulator.filling import Filler

_BLOCK = re.compile(r"<tools>(.*?)</tools>", re.S)
_WORD = re.compile(r"[a-z]+")
_HANZI = re.compile(r"[\u4e00-\u9fff]")
_DULL = frozenset(
    _WORD.findall(
        "the a an of to in for is are and or it its this that with from by on at get set me my you your what can do "
        "please how use used using tool function call returns return given current new make be will would"
    )
)
#: What a question says, and what the name or description of a tool for it says.
_CONCEPTS = tuple(
    (re.compile(question, re.I), re.compile(tool, re.I))
    for question, tool in (
        (r"weather|temperature|rain|sunny|forecast|天气|气温|下雨|温度", r"weather|forecast|天气"),
        (r"what time|what day|what date|几点|时间|几号|日期", r"time|date|clock|时间|日期"),
        (r"\bsearch|look up|google|搜索|搜一下|查找", r"search|lookup|搜索"),
        (r"\d\s*[-+*/×÷]\s*\d|calculate|compute|计算|算一下", r"calc|math|evaluate|add|计算"),
        (r"\b(?:move|go|drive|walk|navigate)\b|移动|前进|后退|走到|导航", r"move|navigat|drive|移动|导航"),
        (r"\b(?:light|lamp)\b|灯", r"light|lamp|灯"),
        (r"\b(?:photo|picture|camera|see)\b|拍照|照片|看到", r"photo|camera|image|capture|拍"),
        (r"\b(?:wave|hello)\b|挥手", r"wave|挥手"),
    )
)
_FETCH = re.compile(r"\b(?:bring|fetch|get|hand|grab|grasp|pick|give|take|pass)\b|拿|取|递|端|抓|倒|送", re.I)
_BRING = re.compile(r"\b(?:me|us|bring|fetch|hand|give|pass)\b|我|递|送|来", re.I)
_GRASP = re.compile(r"grasp|grip|grab|pick|take|抓|取", re.I)
_MOVE = re.compile(r"move|go_?to|navigate|approach|reach|移动", re.I)
_PLACE = re.compile(r"place|put|release|drop|hand|deliver|give|open_gripper|放|递", re.I)
_THING = (
    re.compile(
        r"\b(?:bring|fetch|get|hand|grab|grasp|pick(?: up)?|give|take|pass)\s+(?:me\s+|us\s+|up\s+)?"
        r"(?:(?:a|an|the|some|my|that|this)\s+)?([a-z]+(?: of [a-z]+| (?:cup|glass|box|ball|block|bottle|cube)\b)?)",
        re.I,
    ),
    re.compile(
        r"(?:拿|取|递|端|抓|倒|送)(?:起|住|给我|来|一下|过来)*(?:那|这)?(?:[一两几]?[杯个瓶块支本张把只些点碗])?"
        r"([\u4e00-\u9fff]{1,6}?)(?:给|过来|来|吧|吗|好|[。！？，,.!?\s]|$)"
    ),
)
_MUST = re.compile(r"\bmust (?:call|use)|\brequired to (?:call|use)|必须(?:调用|使用)", re.I)


class Tool(NamedTuple):
    name: str
    description: str
    parameters: dict[str, Any]


class Call(NamedTuple):
    name: str
    arguments: dict[str, Any]

    def text(self) -> str:
        body = json.dumps({"name": self.name, "arguments": self.arguments}, ensure_ascii=False)
        return f"<tool_call>{body}</tool_call>"


def offered(text: str) -> list[Tool]:
    """The tools of the last `<tools>` block that holds any: JSON objects, one after another or in an array."""
    for block in reversed(_BLOCK.findall(text)):
        if tools := [tool for value in json_objects(block) if (tool := _tool(value))]:
            return tools
    return []


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Every outermost JSON object in `text`. A line break inside a string is allowed: the prompt line made it one."""
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
    return Tool(
        function["name"],
        str(function.get("description") or ""),
        parameters if isinstance(parameters, dict) else {},
    )


def calls(question: str, tools: Sequence[Tool], instructions: str = "") -> list[Call]:
    """The calls that fit `question`; none if no tool does, unless `instructions` say that one must be called."""
    if _FETCH.search(question) and (plan := _fetch(question, tools)):
        return plan
    ranked = sorted(tools, key=lambda tool: _fit(question, tool), reverse=True)
    if ranked and _fit(question, ranked[0]) >= 2:
        return [_call(ranked[0], question)]
    if ranked and _MUST.search(instructions):
        named = [tool for tool in ranked if re.search(rf"\b{re.escape(tool.name)}\b", _after_must(instructions))]
        return [_call((named or ranked)[0], question)]
    return []


def _after_must(instructions: str) -> str:
    match = _MUST.search(instructions)
    return instructions[match.start() : match.start() + 200] if match else ""


def _call(tool: Tool, question: str, target: str = "") -> Call:
    filled = Filler(question, target, tool.parameters).fill({"type": "object", **tool.parameters})
    return Call(tool.name, filled if isinstance(filled, dict) else {})


def _fetch(question: str, tools: Sequence[Tool]) -> list[Call]:
    """Go there, take it, bring it: with whatever arm tools there are; nothing without one that takes."""
    grasp = _named(_GRASP, tools)
    if grasp is None:
        return []
    thing = _thing(question)
    move = _named(_MOVE, [tool for tool in tools if tool != grasp])
    place = _named(_PLACE, [tool for tool in tools if tool not in (grasp, move)])
    plan = [_call(move, question, thing)] if move else []
    plan.append(_call(grasp, question, thing))
    if (last := place or move) and _BRING.search(question):
        plan.append(_call(last, "", "user"))
    return plan


def _named(pattern: re.Pattern[str], tools: Sequence[Tool]) -> Tool | None:
    return next((tool for tool in tools if pattern.search(tool.name)), None)


def _thing(question: str) -> str:
    for pattern in _THING:
        if match := pattern.search(question):
            return match.group(1)
    return ""


def _fit(question: str, tool: Tool) -> float:
    """How well a tool fits: words of its name count most, then what both speak of."""
    spoken = set(_WORD.findall(question.lower())) - _DULL
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tool.name).lower()
    described = set(_WORD.findall(tool.description.lower())) - _DULL
    fit = 3.0 * len(spoken & (set(_WORD.findall(name)) - _DULL)) + len(spoken & described)
    fit += len(_pairs(question) & _pairs(tool.description))
    about = f"{tool.name} {tool.description}"
    fit += sum(4 for asks, does in _CONCEPTS if asks.search(question) and does.search(about))
    return fit


def _pairs(text: str) -> set[str]:
    return {a + b for a, b in pairwise(text) if _HANZI.match(a) and _HANZI.match(b)}
