"""A value becomes what its text denotes where its schema has another type, and is left alone where it fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.coercion import coerce
from bpu.chat.json_repair import loads
from bpu.chat.schemas import Checker
from tests.unit.chat.kit import PROPERTY
from tests.unit.chat.schema_strategies import POINT, VALUES, schemas


@pytest.mark.parametrize(
    ("schema", "written", "made"),
    [
        ({"type": "integer"}, "5", 5),
        ({"type": "integer"}, "5.0", 5),
        ({"type": "integer"}, "5.5", "5.5"),
        ({"type": "number"}, "nan", "nan"),
        ({"type": "number"}, "1_000", "1_000"),
        ({"type": "boolean"}, "True", True),
        ({"type": "boolean"}, "no", "no"),
        ({"type": "string"}, "5", "5"),
        ({"type": ["integer", "string"]}, "5", "5"),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": "string"}, 75001, "75001"),
        ({"type": "array", "items": {"type": "string"}}, '["hall"]', ["hall"]),
        ({"type": "array", "items": {"type": "integer"}}, "['1', 2]", [1, 2]),
        ({"type": "object"}, '{"r": 1}', {"r": 1}),
        ({"type": "object"}, '{"r": 1', '{"r": 1'),
        ({"type": "object"}, [], {}),
        ({"type": "integer", "nullable": True}, "none", None),
        ({"type": "integer", "nullable": True}, "5", 5),
        ({"type": "string", "nullable": True}, "null", "null"),
        ({"type": "string", "enum": ["a", "b"], "nullable": True}, "null", None),
        ({"anyOf": [{"type": "integer"}], "nullable": True}, "null", None),
        ({"allOf": [{"type": "integer"}], "nullable": True}, "null", None),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}], "nullable": True}, "null", "null"),
        (
            {"properties": {"x": {"$ref": "#/$defs/p", "nullable": True}}, "$defs": {"p": POINT}},
            {"x": "null"},
            {"x": None},
        ),
        ({"enum": ["percent", "step"]}, " Percent", "percent"),
        ({"enum": ["a", "A"]}, "a ", "a "),
        ({"type": "array", "items": [{"type": "integer"}]}, ["1", "2"], [1, "2"]),
        ({"additionalProperties": {"type": "integer"}}, {"x": "1"}, {"x": 1}),
        (POINT, {"other": "5", "x": "5"}, {"other": "5", "x": 5}),
    ],
)
def test_14_a_value_becomes_what_its_text_denotes(schema: Any, written: Any, made: Any) -> None:
    assert json.dumps(coerce(written, schema)) == json.dumps(made)


def test_14_a_number_for_a_string_keeps_its_spelling() -> None:
    value = loads('{"version": 1.10, "other": 2.0, "third": 1e3}')
    schema = {"additionalProperties": {"type": "string"}}
    assert coerce(value, schema) == {"version": "1.10", "other": "2.0", "third": "1e3"}
    assert coerce(value, {}) == {"version": 1.1, "other": 2, "third": 1000}


def test_14_an_object_misses_something_and_its_numbers_are_put_right_all_the_same() -> None:
    optional = {"anyOf": [{"$ref": "#/$defs/p"}, {"type": "null"}], "$defs": {"p": {**POINT, "required": ["x", "y"]}}}
    assert coerce({"x": "5"}, optional) == {"x": 5}


#: The ways in which schema writers say "or nothing", and "as said there".
WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda inner: inner,
    "anyOf": lambda inner: {"anyOf": [inner, {"type": "null"}]},
    "oneOf": lambda inner: {"oneOf": [{"type": "null"}, inner]},
    "allOf": lambda inner: {"allOf": [inner], "description": "x"},
    "a type list": lambda inner: {**inner, "type": [inner["type"], "null"]} if "type" in inner else inner,
    "nullable": lambda inner: {**inner, "nullable": True},
}
MEANT = st.integers(-99, 99) | st.booleans() | st.lists(st.integers(0, 9), max_size=2)


@given(MEANT, st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=3), st.booleans())
@PROPERTY
def test_14_however_a_type_is_wrapped_its_text_is_converted(meant: Any, wraps: list[str], referred: bool) -> None:
    kind = {bool: "boolean", int: "integer", list: "array"}[type(meant)]
    schema: Any = {"type": kind}
    for wrap in wraps:
        schema = WRAPPERS[wrap](schema) if not isinstance(schema.get("type"), list) else schema
    whole = {"properties": {"v": {"$ref": "#/$defs/V"} if referred else schema}, "$defs": {"V": schema}}
    made = coerce({"v": json.dumps(meant)}, whole)
    assert (made, type(made["v"])) == ({"v": meant}, type(meant))


@given(VALUES, st.recursive(st.booleans() | st.just({}), schemas, max_leaves=8))
@PROPERTY
def test_14_what_fits_is_never_changed(value: Any, schema: Any) -> None:
    if Checker(schema).problem(value) is None and "enum" not in json.dumps(schema):
        assert coerce(value, schema) == value
