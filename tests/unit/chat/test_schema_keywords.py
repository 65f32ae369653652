"""Each keyword means what the standard says; older spellings are understood, and nonsense refuses no value."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.schemas import Checker, Evaluation, Steps
from tests.unit.chat.kit import PROPERTY
from tests.unit.chat.schema_strategies import VALUES, schemas


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "wrong"}, 1),
        ({"type": "any"}, [1]),
        ({"type": "STRING"}, "x"),
        ({"type": "float"}, 1.5),
        ({"type": ["integer", {"type": "string"}]}, "x"),
        ({"properties": 3}, {}),
        ({"type": "object", "properties": []}, {"a": 1}),
        ({"type": "object", "required": None}, {}),
        ({"properties": {"a": {"required": True}}}, {"a": {}}),
        ({"properties": {"a": {"type": "string", "description": None}}}, {"a": "x"}),
        ({"minimum": 0, "exclusiveMinimum": True}, 1),
        ({"minimum": "a", "enum": 5, "items": 7, "minLength": {}, "pattern": 3, "multipleOf": 0}, 1),
        ({"not": {"unevaluatedProperties": False}}, {"a": 1}),
        ({"oneOf": [{"unevaluatedProperties": False}, {"type": "object"}]}, {"a": 1}),
        ({"if": {"dependentSchemas": {}}, "then": False}, {}),
        ({"$ref": "http://127.0.0.1:9/x"}, 1),
        ({"$ref": "#/nowhere"}, 1),
        ({"$ref": 5, "allOf": 1, "anyOf": {}, "dependentRequired": []}, 1),
        ({"type": "string", "pattern": "(?=lookahead)"}, "x"),
        ({"items": [{"type": "integer"}, {"type": "string"}]}, [1, "a", None]),
    ],
)
def test_2_what_cannot_be_checked_refuses_no_value(schema: Any, value: Any) -> None:
    assert Checker(schema).problem(value) is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": [{"type": "integer"}, {"type": "string"}], "additionalItems": False}, [1, "a", 2]),
        ({"items": [{"type": "integer"}]}, ["a"]),
        ({"minimum": 0, "exclusiveMinimum": True}, 0),
        ({"type": "INTEGER"}, "x"),
        ({"type": "float"}, "x"),
        ({"pattern": "^a+$"}, "b"),
        ({"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False}, {"y": 1}),
        ({"properties": {"pattern": {"type": "integer"}}}, {"pattern": "x"}),
    ],
)
def test_2_older_spellings_and_patterns_are_checked(schema: Any, value: Any) -> None:
    assert Checker(schema).problem(value) is not None


def test_2_numbers_that_were_chosen_to_have_one_hash_do_not_make_a_comparison_of_each_with_each() -> None:
    """Nineteen thousand of them took seconds, and one step each."""
    chosen = [(2**61 - 1) * at for at in range(1, 500)]
    assert len(set(map(hash, chosen))) == 1
    evaluation = Evaluation({}, Steps())
    assert len({hash(evaluation.key(number)) for number in chosen}) == len(chosen)
    unique = Checker({"uniqueItems": True})
    assert unique.problem(chosen) is None
    for large in (2**53, -(2**60), 2**100):
        assert unique.problem([large, float(large)]) is not None, "a number is equal to itself in either spelling"
        assert Checker({"const": large}).problem(large + 1) is not None


@given(st.recursive(st.booleans() | st.just({}), schemas, max_leaves=8), VALUES)
@PROPERTY
def test_2_the_language_means_what_the_standard_says(schema: Any, value: Any) -> None:
    whole = {"$defs": {"n": {"type": ["integer", "array"]}}, "allOf": [schema]}
    expected = jsonschema.Draft202012Validator(whole).is_valid(value)
    assert (Checker(whole).problem(value) is None) is expected
