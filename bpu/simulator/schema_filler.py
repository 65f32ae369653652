"""Fills a JSON schema with its own defaults, for tool calls and answers in JSON.

A value is the schema's `const`, `default`, first `enum` or first of `examples`; where it names none, the simplest value
of its type within its limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_FORMATS = {
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "date-time": "2026-01-01T12:00:00Z",
    "email": "user@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}
#: Deeper values are left out where the schema allows it, because a schema may refer to itself.
_MAX_DEPTH = 8


class SchemaFiller:
    """Fills one schema; `$ref` is looked up in it."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def fill(self) -> Any:
        """A value that fits the schema, unless it uses keywords that are not known here."""
        return self._value(self._root, 0)

    def _value(self, schema: Schema, depth: int) -> Any:
        schema = self._resolve(schema)
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        for keyword in ("enum", "examples"):
            if isinstance(schema.get(keyword), list) and schema[keyword]:
                return schema[keyword][0]
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind in ("number", "integer"):
            return _number(schema, whole=kind == "integer")
        if kind == "boolean":
            return False
        return None if kind == "null" else _string(schema)

    def _resolve(self, schema: Schema) -> Schema:
        """Look `$ref` up, and choose a branch: the first that is not null."""
        for _ in range(16):
            if str(schema.get("$ref", "")).startswith("#/"):
                schema = self._look_up(schema["$ref"])
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

    def _look_up(self, reference: str) -> Schema:
        found: Any = self._root
        for step in reference[2:].split("/"):
            found = found.get(step, {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        """Required properties, or all of them where the schema does not say which are required."""
        properties: Mapping[str, Schema] = schema.get("properties") or {}
        names = [name for name in schema.get("required", properties) if name in properties]
        return {name: self._value(properties[name], depth + 1) for name in names if depth < _MAX_DEPTH}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        items = schema.get("items")
        least = int(schema.get("minItems", 0))
        count = max(1, least) if depth < _MAX_DEPTH else least
        return [self._value(items if isinstance(items, Mapping) else {"type": "string"}, depth + 1)] * count


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        return "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _number(schema: Schema, *, whole: bool) -> float | int:
    """The number next to zero within the limits."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
    step = schema.get("multipleOf") or (1 if whole else 0)
    number = min(max(0, low + (step or 0.5) * ("exclusiveMinimum" in schema)), high)
    number = min(number, high - (step or 0.5) * ("exclusiveMaximum" in schema))
    if step:
        number = math.floor(number / step) * step
        number += step * (number < low)
    return int(number) if whole else number


def _string(schema: Schema) -> str:
    text = _FORMATS.get(schema.get("format", ""), "text")
    text = text[: int(schema.get("maxLength", 1000))]
    return text.ljust(int(schema.get("minLength", 0)), "x")
