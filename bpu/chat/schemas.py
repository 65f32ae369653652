"""Checks values against a client's JSON schema, so that no schema can stop a worker or reach another machine.

Regular expressions of strangers can run for ever, so `pattern` and `patternProperties` are told to the model and
not enforced. References stay inside the schema, and their number in one check is bounded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError, validators
from referencing import Registry
from referencing.exceptions import Unresolvable

_MOST_REFERENCES = 2000
#: Keywords whose value is a mapping of names to schemas, whose names are no keywords.
_NAMED = {"properties", "$defs", "definitions", "dependentSchemas"}
#: Keywords whose value is data, not a schema.
_DATA = {"const", "enum", "default", "examples"}
#: Keywords that hold regular expressions.
_EXPRESSIONS = {"pattern", "patternProperties"}
_COERCED = {"integer": int, "number": float}


class BadSchema(ValueError):
    """The schema itself is wrong."""


class Checker:
    """One client's schema. Raises `BadSchema` when it is none."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = _without_patterns(schema)
        try:
            Draft202012Validator.check_schema(self._schema)
        except (SchemaError, RecursionError) as error:
            raise BadSchema(getattr(error, "message", "it is nested too deeply")[:200]) from None

    def problem(self, value: Any) -> str | None:
        """What is wrong with `value`, in the schema's words and none of the value's; None when it fits."""
        references = itertools.count()

        def bounded(validator: Any, reference: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
            if next(references) >= _MOST_REFERENCES:
                raise RecursionError
            yield from Draft202012Validator.VALIDATORS["$ref"](validator, reference, instance, schema) or ()

        extend: Any = validators.extend  # the package's stubs give it no types
        kind = extend(Draft202012Validator, {"$ref": bounded, "$dynamicRef": bounded})
        try:
            error = next(iter(kind(self._schema, registry=Registry()).iter_errors(value)), None)
        except RecursionError:
            return "the schema refers to itself too often"
        except Unresolvable as missing:
            return f"the schema refers to {missing.ref!r}, which is not part of it"
        if error is None:
            return None
        place = ".".join(str(part) for part in error.absolute_schema_path)
        return f"the schema's `{place}` is not met"


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
    """The schema without the keywords that hold regular expressions."""
    if isinstance(schema, list):
        return [_without_patterns(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {
        name: _inside(name, value) for name, value in schema.items() if name not in ("pattern", "patternProperties")
    }
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
