"""Checking values against strangers' schemas: exact, bounded in steps, and never a reason to refuse a request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat import coercion, schema_keywords
from bpu.chat import schemas as schemas_module
from bpu.chat.coercion import coerce
from bpu.chat.formats import as_json
from bpu.chat.request_models import ResponseFormat, Tool
from bpu.chat.schemas import MAX_STEPS, PER_STEP, Checker, Evaluation, Steps
from bpu.chat.tool_call_parser import ToolCallParser
from bpu.errors import AnswerUnfit
from tests.unit.chat.kit import PROPERTY
from tests.unit.chat.schema_strategies import LEAVES, POINT, VALUES


@pytest.mark.parametrize(("value", "fits"), [({"x": 1}, True), ({}, False), ({"x": 10}, False), ({"x": "1"}, False)])
def test_values_fit_or_not(value: Any, fits: bool) -> None:
    assert (Checker(POINT).problem(value) is None) is fits


def test_the_problem_is_told_in_the_schemas_words_alone() -> None:
    words = Checker(POINT).problem({"x": "secret"})
    assert words == "the schema's `properties.x.type` is not met"


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
