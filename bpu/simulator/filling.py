"""Plausible values for a JSON schema, taken from a question by simple rules; used for tool calls and JSON answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from bpu.simulator import smalltalk

Schema = Mapping[str, Any]

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_QUOTED = re.compile(r"[\"“「『`]([^\"“”「」『』`]{1,200})[\"”」』`]")
_PATH = re.compile(r"(?<![\w/])(?:[\w.~-]*/)?[\w./-]*\.[A-Za-z]{1,5}\b|(?<!\w)[~.]?/[\w./-]+")
_URL = re.compile(r"https?://[^\s，。）)]+")
_PLACES = (
    re.compile(r"\b(?:in|at|for|of|to|near)\s+(?:the\s+)?((?:[A-Z][\w'-]+)(?:\s+[A-Z][\w'-]+)*)"),
    re.compile(
        r"(?:在|到|去|查一下|查查|查询|查|看看|请问|问|今天|明天|后天|现在|^)([\u4e00-\u9fff]{2,4}?)"
        r"(?:市)?(?:的|今天|明天|后天|现在|天气|气温|温度|几点|有)"
    ),
)
_EXPRESSION = re.compile(r"[-+(]*\d[\d\s.()+*/x×÷^%-]*\d\)*|\d+")
_OFF = re.compile(r"\b(?:off|stop|close|disable|don'?t|not|no)\b|关|停|不要|别", re.I)
_NAMES = {"水": "water", "杯": "cup", "苹果": "apple", "瓶": "bottle", "球": "ball", "书": "book", "红": "red"}
_NAMES |= {"蓝": "blue", "绿": "green", "左": "left", "右": "right", "前": "forward", "后": "backward", "灯": "light"}
_NAMES |= {"咖啡": "coffee", "茶": "tea", "香蕉": "banana", "盒": "box", "黄": "yellow", "上": "up", "下": "down"}
_NAMES |= {"glass": "cup", "mug": "cup"}
_FORMATS = {
    "date": "2026-01-01",
    "time": "12:00:00",
    "date-time": "2026-01-01T12:00:00Z",
    "email": "somebody@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}
_AXES = {"x": 0.3, "y": 0.0, "z": 0.1}


class Filler:
    """Fills a schema from one question. `target` is the thing (or place) that the question is about, if known."""

    def __init__(self, question: str, target: str = "", root: Schema | None = None) -> None:
        self._question, self._target = question, target
        self._root = root or {}
        self._numbers = [float(text) for text in _NUMBER.findall(question)]

    def fill(self, schema: Schema, name: str = "", depth: int = 0) -> Any:
        """A value of `schema`; `name` is the property's own, a hint at what belongs in it."""
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choice(schema["enum"])
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            items = schema.get("items") if isinstance(schema.get("items"), Mapping) else {"type": "string"}
            count = max(1, int(schema.get("minItems", 1))) if depth < 8 else int(schema.get("minItems", 0))
            return [self.fill(items or {}, name, depth + 1) for _ in range(count)]
        if kind in ("number", "integer"):
            return self._number(schema, name, whole=kind == "integer")
        if kind == "boolean":
            return not _OFF.search(self._question)
        return None if kind == "null" else self._string(schema, name)

    def _resolved(self, schema: Schema) -> Schema:
        """`$ref` looked up, and one branch of several taken: the first that is not null."""
        for _ in range(16):
            if str(schema.get("$ref", "")).startswith("#/"):
                found: Any = self._root
                for step in schema["$ref"][2:].split("/"):
                    found = found.get(step, {}) if isinstance(found, Mapping) else {}
                schema = found
                continue
            branches = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
            if not branches:
                break
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "allOf")}
            chosen = branches if "allOf" in schema else [b for b in branches if b.get("type") != "null"][:1]
            for branch in chosen:
                rest = {**rest, **branch}
            schema = rest
        return schema

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties: Mapping[str, Schema] = schema.get("properties") or {}
        required = schema.get("required")
        names = list(properties) if required is None else [name for name in properties if self._wanted(name, schema)]
        return {name: self.fill(properties[name], name, depth + 1) for name in names if depth < 12}

    def _wanted(self, name: str, schema: Schema) -> bool:
        """Required ones, and optional ones of which a value stands in the question."""
        if name in schema["required"]:
            return True
        values = schema["properties"][name].get("enum") or ()
        return any(isinstance(value, str) and self._says(value) for value in values)

    def _says(self, value: str) -> bool:
        return bool(re.search(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", self._question, re.I))

    def _choice(self, values: list[Any]) -> Any:
        words = [value for value in values if isinstance(value, str)]
        about = self._target + " " + self._question
        hints = about + " " + " ".join(word for sign, word in _NAMES.items() if sign in about)
        for text in (self._target, self._question, hints):
            for value in words:
                if text and (value.lower() in text.lower() or value.lower().replace("_", " ") in text.lower()):
                    return value
        return values[0]

    def _number(self, schema: Schema, name: str, *, whole: bool) -> float | int:
        usual = schema.get("default", _AXES.get(name.lower(), 1 if whole else 1.0))
        total = smalltalk.arithmetic(self._question)
        if total is not None and re.search(r"sum|result|total|answer|value", name, re.I):
            number = total
        else:
            number = self._numbers.pop(0) if self._numbers else float(usual)
        low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
        high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
        step = schema.get("multipleOf") or (1 if whole else 0)
        number = min(max(number, low + (step or 0.5) * ("exclusiveMinimum" in schema)), high)
        number = min(number, high - (step or 0.5) * ("exclusiveMaximum" in schema))
        if step:
            number = math.floor(number / step) * step
            number += step * (number < low)
        return int(number) if whole else number

    def _string(self, schema: Schema, name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = self._by_name(name) or str(schema.get("default") or "") or self._anything()
        text = text[: int(schema.get("maxLength", 1000))]
        return text.ljust(int(schema.get("minLength", 0)), "x")

    def _by_name(self, name: str) -> str:
        name = name.lower()
        if re.search(r"city|location|place|where|country|destination", name):
            return self._target or self._place()
        if re.search(r"expr|formula|equation", name):
            return _first(_EXPRESSION, self._question)
        if re.search(r"path|file", name):
            return _first(_PATH, self._question)
        if "url" in name or "link" in name:
            return _first(_URL, self._question)
        if re.search(r"reply|answer|response|summary|description|reason|explanation", name):
            return smalltalk.reply(self._question)
        if re.search(r"query|question|text|prompt|message|content|command", name):
            return _first(_QUOTED, self._question) or self._question
        return ""

    def _place(self) -> str:
        for pattern in _PLACES:
            if found := _first(pattern, self._question):
                return found
        return ""

    def _anything(self) -> str:
        return self._target or _first(_QUOTED, self._question) or self._question or "simulator"


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        return "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return (match.group(1) if match.groups() else match.group()).strip() if match else ""
