"""Checking values against strangers' schemas: exact, and without a way to stop the worker or leave the machine."""

from __future__ import annotations

from typing import Any

import pytest

from bpu.chat.schemas import BadSchema, Checker, coerced

POINT = {"type": "object", "properties": {"x": {"type": "integer", "maximum": 9}}, "required": ["x"]}


@pytest.mark.parametrize(("value", "fits"), [({"x": 1}, True), ({}, False), ({"x": 10}, False), ({"x": "1"}, False)])
def test_values_fit_or_not(value: Any, fits: bool) -> None:
    assert (Checker(POINT).problem(value) is None) is fits


def test_the_problem_is_told_in_the_schemas_words_alone() -> None:
    words = Checker(POINT).problem({"x": "secret"})
    assert words == "the schema's `properties.x.type` is not met"


@pytest.mark.parametrize("schema", [{"type": "wrong"}, {"properties": 3}, {"type": "object", "required": "x"}])
def test_a_broken_schema_is_told(schema: Any) -> None:
    with pytest.raises(BadSchema):
        Checker(schema)


def test_expressions_are_not_run() -> None:
    evil = {"type": "string", "pattern": "^(a+)+$"}
    assert Checker(evil).problem("a" * 60 + "!") is None
    named = {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}
    assert Checker(named).problem({"a" * 60 + "!": 1}) is None
    assert Checker({"properties": {"pattern": {"type": "integer"}}}).problem({"pattern": "x"}) is not None


def test_references_stay_inside_and_end() -> None:
    inside = {"$defs": {"n": {"type": "integer"}}, "properties": {"x": {"$ref": "#/$defs/n"}}}
    assert Checker(inside).problem({"x": 1}) is None
    assert Checker(inside).problem({"x": "1"}) is not None
    assert "not part of it" in str(Checker({"$ref": "http://127.0.0.1:9/x"}).problem(1))
    assert "too often" in str(Checker({"$ref": "#"}).problem(1))
    twice = {"allOf": [{"$ref": "#/$defs/a"}] * 2, "$defs": {"a": {"allOf": [{"$ref": "#"}] * 2}}}
    assert "too often" in str(Checker(twice).problem(1))
    older = {"allOf": [{"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#"}]}
    assert "too often" in str(Checker(older).problem(1))


def nested(levels: int, kind: str) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}} if kind == "properties" else {kind: schema}
    return schema


@pytest.mark.parametrize("kind", ["items", "not", "properties"])
def test_depth_is_bounded_long_before_the_stack_is(kind: str) -> None:
    def within(frames: int, levels: int) -> str | None:
        if frames:
            return within(frames - 1, levels)
        return Checker(nested(levels, kind)).problem([])

    within(200, 24)
    with pytest.raises(BadSchema, match="nested deeper"):
        within(200, 60)
    value: Any = 1
    for _ in range(100):
        value = [value]
    assert "nested deeper" in str(Checker({"items": {"$ref": "#"}}).problem(value))
    assert Checker({"items": {"$ref": "#"}}).problem([[[1]]]) is None


@pytest.mark.parametrize(
    ("value", "schema", "made"),
    [
        ({"x": "5"}, POINT, {"x": 5}),
        ({"x": "5.5"}, POINT, {"x": "5.5"}),
        ({"x": "nan"}, {"properties": {"x": {"type": "number"}}}, {"x": "nan"}),
        (["true", "no"], {"items": {"type": "boolean"}}, [True, "no"]),
        ("5", {"type": "string"}, "5"),
        ({"other": "5"}, POINT, {"other": "5"}),
    ],
)
def test_only_what_is_beyond_doubt_is_made_a_number(value: Any, schema: Any, made: Any) -> None:
    assert coerced(value, schema) == made
