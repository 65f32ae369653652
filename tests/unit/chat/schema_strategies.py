"""Schemas and values for the tests of checks and coercion."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

POINT = {"type": "object", "properties": {"x": {"type": "integer", "maximum": 9}}, "required": ["x"]}
LEAVES = st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from([0.5, 2.0]) | st.sampled_from(["", "a", "ab"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
SIZES = st.integers(0, 3)


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    several = st.lists(inner, min_size=1, max_size=2)
    keywords = {
        "type": KINDS | st.lists(KINDS, min_size=1, max_size=2, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3), "const": VALUES,
        "minimum": SIZES, "maximum": SIZES, "exclusiveMinimum": SIZES, "exclusiveMaximum": SIZES,
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": SIZES, "maxLength": SIZES, "pattern": st.sampled_from(["^a", "b$", "[ab]{2}"]),
        "items": inner, "prefixItems": several, "contains": inner, "minContains": SIZES, "maxContains": SIZES,
        "minItems": SIZES, "maxItems": SIZES, "uniqueItems": st.booleans(),
        "properties": named, "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
        "additionalProperties": inner, "propertyNames": inner,
        "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
        "dependentRequired": st.dictionaries(st.sampled_from("abc"), st.lists(st.sampled_from("abc"), unique=True)),
        "minProperties": SIZES, "maxProperties": SIZES,
        "allOf": several, "anyOf": several, "oneOf": several, "not": inner, "if": inner, "then": inner, "else": inner,
        "$ref": st.just("#/$defs/n"),
    }  # fmt: skip
    return st.lists(st.sampled_from(sorted(keywords)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: keywords[name] for name in names})
    )
