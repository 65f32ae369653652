"""Converts a model's value to the type in the client's schema.

It does so only where the meaning is clear. Small models write `"5"` for 5, `"null"` for null, and an object as JSON
text. A value is changed only where the schema does not allow its type, and only into the one value that its text
denotes. It checks nothing itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bpu.chat.json_repair import JsonError, loads
from bpu.chat.schema_keywords import positions
from bpu.chat.schema_types import is_of_type, type_names
from bpu.chat.schemas import Evaluation, Schema, Steps, StepsExceeded, is_small

_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NULL = frozenset({"null"})


def coerce(value: Any, schema: Schema, steps: Steps | None = None) -> Any:
    """Convert `value` for `schema`, or return it unchanged.

    `steps` bound it as they bound a check.
    """
    steps = steps or Steps()
    try:
        return _coerce(Evaluation(schema, steps), value, schema) if _are_small(steps, value, schema) else value
    except StepsExceeded:
        return value


def _are_small(steps: Steps, *values: Any) -> bool:
    return all(is_small(one, steps) for one in values)


def _coerce(evaluation: Evaluation, value: Any, schema: Schema) -> Any:
    if not isinstance(schema, Mapping):
        return value
    evaluation.enter()
    if "$ref" in schema:
        value = _coerce(evaluation, value, evaluation.resolve(schema["$ref"]))
    if isinstance(inner := schema.get("allOf"), list):
        for one in inner:
            value = _coerce(evaluation, value, one)
    for keyword in ("anyOf", "oneOf"):
        if isinstance(inner := schema.get(keyword), list):
            value = _coerce_to_one(evaluation, value, inner)
    evaluation.look(value, schema.get("type"), schema.get("enum"))
    names = type_names(schema)
    if names is not None:
        value = _converted(value, names)
    value = _enum_member(value, [schema["const"]] if "const" in schema else schema.get("enum"))
    if schema.get("nullable") is True and isinstance(value, str) and _denoted(value) is None:
        # Beside `nullable`, the type may stand behind a `$ref`, in `allOf` or in `anyOf`.
        value = None if evaluation.fits(schema, value) is False else value
    if isinstance(value, Mapping):
        value = _coerce_members(evaluation, value, schema)
    elif isinstance(value, list):
        value = [_coerce(evaluation, item, one) for item, one in zip(value, positions(schema, len(value)), strict=True)]
    evaluation.leave()
    return value


def _coerce_to_one(evaluation: Evaluation, value: Any, schemas: list[Schema]) -> Any:
    """Convert `value` for the first of `schemas` that it then fits.

    If it fits none, convert it for the only one that is not null.
    """
    if any(evaluation.fits(one, value) is not False for one in schemas):
        return value
    for one in schemas:
        made = _coerce(evaluation, value, one)
        if evaluation.fits(one, made) is not False:
            return made
    others = [one for one in schemas if not (isinstance(one, Mapping) and type_names(one) == _NULL)]
    return _coerce(evaluation, value, others[0]) if len(others) == 1 else value


def _coerce_members(evaluation: Evaluation, value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    properties, rest = schema.get("properties"), schema.get("additionalProperties")
    named = properties if isinstance(properties, Mapping) else {}
    return {name: _coerce(evaluation, one, named.get(name, rest)) for name, one in value.items()}


def _converted(value: Any, names: frozenset[str]) -> Any:
    """Convert `value` to one of the types `names`, if its text denotes one."""
    if is_of_type(value, names):
        return value
    if isinstance(value, str):
        made = _denoted(value)
        return made if is_of_type(made, names) else value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and "string" in names:
        return getattr(value, "written", str(value))
    return {} if value == [] and "object" in names else value


def _denoted(text: str) -> Any:
    """Return the value that `text` denotes as JSON, or `text` itself."""
    text = text.strip()
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if text[:1] not in ("{", "[") and not _NUMBER.fullmatch(text):
        return text
    try:
        return loads(text, close=False)
    except JsonError:
        return text


def _enum_member(value: Any, members: Any) -> Any:
    """Return the one enumeration member that `value` means.

    `value` may have another case or blanks, or be a string.
    """
    if not isinstance(value, str) or not isinstance(members, list) or value in members:
        return value
    plain = value.strip().casefold()
    same = [one for one in members if isinstance(one, str) and one.casefold() == plain]
    if not same and not isinstance(made := _denoted(value), str):
        same = [one for one in members if type(one) is type(made) and one == made]
    return same[0] if len(same) == 1 else value
