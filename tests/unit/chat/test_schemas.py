"""Checking values against strangers' schemas: exact, bounded in steps, and never a reason to refuse a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat import coercion, schema_keywords
from bpu.chat import schemas as schemas_module
from bpu.chat.coercion import coerce
from bpu.chat.formats import as_json
from bpu.chat.json_repair import loads
from bpu.chat.request_models import ResponseFormat, Tool
from bpu.chat.schemas import MAX_STEPS, PER_STEP, Checker, Evaluation, Steps
from bpu.chat.tool_call_parser import ToolCallParser
from bpu.errors import AnswerUnfit
from tests.unit.chat.kit import PROPERTY

POINT = {"type": "object", "properties": {"x": {"type": "integer", "maximum": 9}}, "required": ["x"]}


@pytest.mark.parametrize(("value", "fits"), [({"x": 1}, True), ({}, False), ({"x": 10}, False), ({"x": "1"}, False)])
def test_values_fit_or_not(value: Any, fits: bool) -> None:
    assert (Checker(POINT).problem(value) is None) is fits


def test_the_problem_is_told_in_the_schemas_words_alone() -> None:
    words = Checker(POINT).problem({"x": "secret"})
    assert words == "the schema's `properties.x.type` is not met"


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


def bomb(levels: int) -> dict[str, Any]:
    """Every definition uses the next one twice."""
    definitions = {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": {}}}


def unevaluated(levels: int) -> Any:
    schema: Any = {}
    for _ in range(levels):
        schema = {"dependentSchemas": {"a": schema, "b": schema}, "unevaluatedProperties": False, "allOf": [schema] * 2}
    return schema


HOSTILE: dict[str, tuple[Any, Any]] = {
    "a pattern": ({"pattern": "^(a+)+$"}, "a" * 50_000 + "!"),
    "a pattern behind a reference into data": (
        {"default": {"pattern": "^(a|aa)+$"}, "$ref": "#/default"}, "a" * 50_000 + "!",
    ),
    "names by a pattern": ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {"a" * 50_000: 1}),
    "a large pattern": ({"pattern": "((a?){30}){30}b"}, "a" * 100_000),
    "itself": ({"$ref": "#"}, 1),
    "itself twice": ({"allOf": [{"$ref": "#"}] * 2}, 1),
    "doubling": (bomb(50), 1),
    "doubling alternatives": ({"anyOf": [{"items": {"$ref": "#"}}] * 2, "minItems": 2}, [[[[[]]]]]),
    "unevaluated": (unevaluated(12), {"a": 1, "b": 2}),
    "many values": ({"enum": [{"a": [1] * 500}] * 20}, {"a": [1] * 500}),
    "equal items": ({"uniqueItems": True}, [{"a": at} for at in range(9000)]),
    "many properties": ({"items": {"properties": {f"p{at}": {} for at in range(5000)}}}, [{}] * 5000),
}  # fmt: skip


def nested(levels: int, kind: str) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}} if kind == "properties" else {kind: schema}
    return schema


@pytest.mark.parametrize(("schema", "value"), HOSTILE.values(), ids=HOSTILE.keys())
def test_2_every_check_ends_after_a_bounded_number_of_steps(
    schema: Any, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [0]
    spend = Evaluation.spend

    def counting(self: Evaluation, count: int = 1) -> None:
        steps[0] += 1
        spend(self, count)

    monkeypatch.setattr(Evaluation, "spend", counting)
    problem = Checker(schema).problem(value)
    assert problem is None or isinstance(problem, str)
    assert steps[0] <= MAX_STEPS + 1
    coerce(value, schema)
    assert steps[0] <= 2 * (MAX_STEPS + 1)


#: What one step must not hide, when a schema is visited many times.
COSTLY: dict[str, tuple[Any, Any]] = {
    "a long reference": ({"$ref": "#/" + "%41" * 50_000}, 1),
    "many types": ({"type": ["text"] * 3000}, 1),
    "many members": ({"enum": ["a"] * 3000}, "b"),
    "long members": ({"enum": ["a" * 200_000]}, "b"),
    "dependent names": ({"dependentRequired": {f"p{at}": [] for at in range(3000)}}, {"a": 1}),
    "many patterns": ({"patternProperties": {f"a{at}": {} for at in range(3000)}}, {"b": 1}),
    "other patterns": (
        {"patternProperties": {f"a{at}": {} for at in range(3000)}, "additionalProperties": False}, {"b": 1},
    ),
    "small parts": ({"multipleOf": 5e-324}, 1.7e308),
    "long numbers": ({"multipleOf": 10**4000 + 1}, 10**4200),
    "broken JSON": ({"type": "object"}, "{'a':" * 2000),
}  # fmt: skip


class Work:
    """Counts what a check does beside its steps: characters and members that are looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done = 0
        for module, name in [
            (schemas_module, "unquote"), (schema_keywords, "type_names"), (coercion, "type_names"), (coercion, "loads"),
            (coercion, "_enum_member"), (schema_keywords, "Fraction"), (schema_keywords, "_required"),
        ]:  # fmt: skip
            monkeypatch.setattr(module, name, self._counting(getattr(module, name)))

    def _counting(self, function: Any) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.done += sum(_extent(one) for one in arguments)
            return function(*arguments, **options)

        return counted


def _extent(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return _extent(value.get("type", ""))
    return sum(map(_extent, value)) if isinstance(value, list) else 1


@pytest.mark.parametrize(("schema", "value"), COSTLY.values(), ids=COSTLY.keys())
def test_2_a_check_looks_at_no_more_than_its_steps_allow(
    schema: Any, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {"$defs": {"x": schema}, "allOf": [{"$ref": "#/$defs/x"}] * 2000}
    work = Work(monkeypatch)
    Checker(many).problem(value)
    coerce(value, many)
    assert work.done <= 4 * MAX_STEPS * PER_STEP


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


def test_2_a_check_makes_few_programs_of_regular_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(schemas_module, "_compiled", made.append)
    Checker({"allOf": [{"pattern": f"(x{{0,900}}){at}"} for at in range(5000)]}).problem("x")
    assert 0 < len(made) <= MAX_STEPS // 1000


def test_2_the_checks_of_one_answer_share_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = [0]
    spend = Steps.spend

    def counting(self: Steps, steps: int = 1) -> None:
        spend(self, steps)
        spent[0] += steps

    monkeypatch.setattr(Steps, "spend", counting)
    schema = {"additionalProperties": {"$ref": "#/$defs/d0"}, "$defs": bomb(50)["$defs"]}
    with pytest.raises(AnswerUnfit):
        as_json('{"a": 1}\n' * 40, ResponseFormat.model_validate({"type": "json_schema", "schema": schema}))
    assert spent[0] <= MAX_STEPS
    spent[0] = 0
    caller = ToolCallParser((Tool(name="f", parameters=schema),))
    for _ in range(40):
        caller.read('{"name": "f", "a": 1}')
        caller.read('[{"name": "f", "arguments": {"a": 1}}]')
    assert spent[0] <= MAX_STEPS


@pytest.mark.parametrize("kind", ["items", "not", "properties", "anyOf"])
def test_2_a_deep_schema_or_value_never_fills_the_stack(kind: str) -> None:
    def within(frames: int, levels: int) -> str | None:
        if frames:
            return within(frames - 1, levels)
        schema = nested(levels, kind)
        coerce([], schema)
        return Checker(schema).problem([])

    within(200, 24)
    assert within(200, 5000 if kind != "anyOf" else 60) is None
    value: Any = 1
    for _ in range(5000):
        value = [value]
    assert "nested deeper" in str(Checker({"items": {"$ref": "#"}}).problem(value))
    assert coerce(value, {"items": {"$ref": "#"}}) is value
    assert Checker({"items": {"$ref": "#"}}).problem([[[1]]]) is None


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


@given(st.recursive(st.booleans() | st.just({}), schemas, max_leaves=8), VALUES)
@PROPERTY
def test_2_the_language_means_what_the_standard_says(schema: Any, value: Any) -> None:
    whole = {"$defs": {"n": {"type": ["integer", "array"]}}, "allOf": [schema]}
    expected = jsonschema.Draft202012Validator(whole).is_valid(value)
    assert (Checker(whole).problem(value) is None) is expected


KEYWORDS = [
    "type", "enum", "const", "minimum", "exclusiveMinimum", "multipleOf", "minLength", "pattern", "items",
    "prefixItems", "contains", "maxContains", "uniqueItems", "properties", "patternProperties", "additionalProperties",
    "required", "propertyNames", "dependentRequired", "allOf", "anyOf", "oneOf", "not", "if", "then",
    "$ref", "nullable", "a",
]  # fmt: skip
ODD = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4)
)


@given(ODD, VALUES)
@PROPERTY
def test_2_no_schema_whatever_breaks_the_checker(schema: Any, value: Any) -> None:
    problem = Checker(schema).problem(value)
    assert problem is None or isinstance(problem, str)
    coerce(value, schema)


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
