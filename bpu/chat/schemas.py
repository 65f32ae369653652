"""Checks values against a client's JSON schema, so that no schema can stop a worker or reach another machine.

Regular expressions of strangers can run for ever, so `pattern` and `patternProperties` are told to the model and
not enforced. References stay inside the schema; their number in one check and every depth are bounded, because the
library recurses, and what it is built on does not survive a stack that is full.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError, validators
from referencing import Registry
from referencing.exceptions import Unresolvable

_MOST_REFERENCES = 2000
_DEEPEST_REFERENCES = 40
_DEEPEST_SCHEMA = 50
_DEEPEST_VALUE = 60
#: An agent sends the same tools with every request, and the library takes half a millisecond for the smallest
#: schema: what was found is remembered, for so many characters at most that it cannot fill the memory.
_LONGEST_REMEMBERED = 16 * 1024
#: Keywords whose value is a mapping of names to schemas, whose names are no keywords.
_NAMED = {"properties", "$defs", "definitions", "dependentSchemas"}
#: Keywords whose value is data, not a schema.
_DATA = {"const", "enum", "default", "examples"}
#: Keywords that hold regular expressions, and the one that would bring in other rules than ours.
_LEFT_OUT = {"pattern", "patternProperties", "$schema"}
_COERCED = {"integer": int, "number": float}


class BadSchema(ValueError):
    """The schema itself is wrong."""


class Checker:
    """One client's schema. Raises `BadSchema` when it is none."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        if _is_deeper(schema, _DEEPEST_SCHEMA):
            raise BadSchema(f"it is nested deeper than {_DEEPEST_SCHEMA} levels")
        self._schema = _without_patterns(schema)
        text = json.dumps(self._schema)
        mistake = _remembered_mistake(text) if len(text) <= _LONGEST_REMEMBERED else _mistake(text)
        if mistake is not None:
            raise BadSchema(mistake)

    def problem(self, value: Any) -> str | None:
        """What is wrong with `value`, in the schema's words and none of the value's; None when it fits."""
        if _is_deeper(value, _DEEPEST_VALUE):
            return f"it is nested deeper than {_DEEPEST_VALUE} levels"
        extend: Any = validators.extend  # the package's stubs give it no types
        bounded = _Bounded()
        kind = extend(Draft202012Validator, {"$ref": bounded.follow, "$dynamicRef": bounded.follow})
        try:
            error = next(iter(kind(self._schema, registry=Registry()).iter_errors(value)), None)
        except _TooMany:
            return "the schema refers to itself too often"
        except Unresolvable as missing:
            return f"the schema refers to {missing.ref!r}, which is not part of it"
        except ArithmeticError:
            return "it holds a number that the schema cannot be held against"
        if error is None:
            return None
        place = ".".join(str(part) for part in error.absolute_schema_path)
        return f"the schema's `{place}` is not met"


def _mistake(schema: str) -> str | None:
    """What makes this JSON text no schema; None if it is one."""
    try:
        Draft202012Validator.check_schema(json.loads(schema))
    except SchemaError as error:
        return error.message[:200]
    return None


_remembered_mistake = lru_cache(maxsize=256)(_mistake)


class _TooMany(Exception):
    """References without end."""


class _Bounded:
    """References of one check: so many in all, and so many within each other."""

    def __init__(self) -> None:
        self._all = 0
        self._depth = 0

    def follow(self, validator: Any, reference: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        self._all += 1
        self._depth += 1
        if self._all > _MOST_REFERENCES or self._depth > _DEEPEST_REFERENCES:
            raise _TooMany
        yield from Draft202012Validator.VALIDATORS["$ref"](validator, reference, instance, schema) or ()
        self._depth -= 1


def _is_deeper(value: Any, most: int) -> bool:
    """Whether lists and objects lie in each other deeper than `most`. Without recursion."""
    level = [value]
    for _ in range(most + 1):
        level = [child for node in level for child in _children(node)]
    return bool(level)


def _children(node: Any) -> list[Any]:
    nodes = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    return [child for child in nodes if isinstance(child, (Mapping, list))]


def coerced(value: Any, schema: Any) -> Any:
    """`value` with numbers and truth values that a model wrote as strings made what the schema says, where that is
    beyond doubt: `"5"` where an integer is wanted. Looks at `type` and `properties` alone."""
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, dict) and isinstance(schema.get("properties"), Mapping):
        return {name: coerced(one, schema["properties"].get(name)) for name, one in value.items()}
    if isinstance(value, list):
        return [coerced(one, schema.get("items")) for one in value]
    if not isinstance(value, str):
        return value
    kind = schema.get("type")
    if kind == "boolean":
        return {"true": True, "false": False}.get(value.lower(), value)
    return _as_number(value, kind) if isinstance(kind, str) and kind in _COERCED else value


def _as_number(text: str, kind: str) -> Any:
    try:
        number = _COERCED[kind](text)
    except (ValueError, OverflowError):
        return text
    return number if number - number == 0 else text


def _without_patterns(schema: Any) -> Any:
    """The schema without the keywords that are left out."""
    if isinstance(schema, list):
        return [_without_patterns(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {name: _inside(name, value) for name, value in schema.items() if name not in _LEFT_OUT}
    if "patternProperties" in schema:
        kept.pop("additionalProperties", None)
        kept.pop("unevaluatedProperties", None)
    return kept


def _inside(name: str, value: Any) -> Any:
    if name in _DATA:
        return value
    if name in _NAMED and isinstance(value, Mapping):
        return {key: _without_patterns(one) for key, one in value.items()}
    return _without_patterns(value)
