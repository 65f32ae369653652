"""The simulator's answers where a prompt offers tools or demands JSON. Pure, no process."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest

from bpu.simulator import conversation, tool_calls
from tests.unit.simulator.test_simulator_responder import reply


def tool(name: str, description: str = "", **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TEXT = {"type": "string"}
WEATHER = tool("get_weather", "Get the weather of a city", location=TEXT)
MOVE, GRASP = tool("move_to", "Move the arm", target=TEXT), tool("grasp", "Grasp a thing", object=TEXT)


def with_tools(question: str, *tools: dict[str, Any], more: str = "") -> str:
    listed = "\n".join(json.dumps(one, ensure_ascii=False) for one in tools)
    text = (
        f"You may call tools.\nThey are given within <tools></tools>:\n<tools>\n{listed}\n</tools>\n"
        f"Answer a call with a JSON object in <tool_call></tool_call>.{more}\n\n{question}"
    )
    return text.replace("\n", "\\n")


def called(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = [json.loads(body) for body in re.findall(r"<tool_call>(.*?)</tool_call>", text)]
    return [(call["name"], call["arguments"]) for call in found]


LIGHT = tool("switchLight", "开关灯", on={"type": "boolean", "default": True}, room={"enum": ["kitchen", "hall"]})
STEPS = tool("walk", "Walk", steps={"type": "integer", "minimum": 1}, pace={"type": "number", "examples": [0.5]})


@pytest.mark.parametrize(
    ("question", "tools", "expected"),
    [
        ("What's the weather in San Francisco?", [MOVE, WEATHER], [("get_weather", {"location": "text"})]),
        ("Turn on the light", [MOVE, LIGHT], [("switchLight", {"on": True, "room": "kitchen"})]),
        ("walk to the door", [WEATHER, STEPS], [("walk", {"steps": 1, "pace": 0.5})]),
        ("hello", [WEATHER, MOVE, GRASP], []),
        ("get me a set of two", [WEATHER, MOVE, GRASP], []),
        ("1+1=?", [tool("calculator", "adds 1 and 1")], []),
    ],
)  # fmt: skip
def test_a_tool_that_the_question_mentions_is_called_with_its_defaults(
    question: str, tools: list[Any], expected: list[Any]
) -> None:
    assert called(reply(with_tools(question, *tools))) == expected


@pytest.mark.parametrize(
    ("demand", "name"),
    [
        ("You must call the function `move_to`.", "move_to"),
        ("You must use one of the tools now.", "get_weather"),
        ("必须调用 move_to。", "move_to"),
    ],
)
def test_a_call_that_is_demanded_is_made_also_instead_of_a_stored_answer(demand: str, name: str) -> None:
    ((called_name, arguments),) = called(reply(with_tools("hello", WEATHER, MOVE, more=f"\n{demand}")))
    assert called_name == name
    assert set(arguments.values()) == {"text"}


def test_a_demand_of_an_earlier_turn_is_over() -> None:
    demand = with_tools("hello", WEATHER) + " You must use get_weather."
    held = f"<｜User｜>Hi<｜Assistant｜>Hi<｜User｜>{demand}<｜Assistant｜>...<｜end▁of▁sentence｜>"
    assert not called(reply("hello", conversation.unescape(held)))


@pytest.mark.parametrize(
    "result",
    [
        "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>22 °C<｜tool▁output▁end｜><｜tool▁outputs▁end｜>",
        "<｜User｜><tool_response>\\n22 °C\\n</tool_response>",
        "<｜User｜>Tool result (get_weather): 22 °C",
    ],
)
def test_after_a_tool_result_it_answers_in_words(result: str) -> None:
    line = with_tools("weather in Paris?", WEATHER) + "<｜Assistant｜><tool_call>{}</tool_call><｜end▁of▁sentence｜>"
    text = reply(line + result)
    assert "22 °C" in text
    assert not called(text)


def test_tools_of_an_earlier_turn_that_the_cache_holds_still_count() -> None:
    held = "<｜User｜>" + conversation.unescape(with_tools("hello", WEATHER)) + "<｜Assistant｜>Hi<｜end▁of▁sentence｜>"
    assert called(reply("weather in Paris?", held)) == [("get_weather", {"location": "text"})]


def test_tools_as_an_array_and_broken_ones() -> None:
    text = f"<tools>{json.dumps([WEATHER, MOVE])}</tools>"
    assert [one.name for one in tool_calls.offered_tools(text)] == ["get_weather", "move_to"]
    assert tool_calls.offered_tools('<tools>{"name": 3} {"broken": </tools>') == []


# JSON

SCHEMAS: list[dict[str, Any]] = [
    {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 18, "maximum": 30},
            "score": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "when": {"type": "string", "format": "date"},
            "unit": {"enum": ["celsius", "kelvin"]},
            "list": {"type": "array", "items": {"$ref": "#/$defs/node"}, "minItems": 2},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "string", "minLength": 30}]},
            "flag": {"type": ["null", "boolean"]},
        },
        "required": ["age", "score", "when", "unit", "list", "maybe", "flag"],
        "$defs": {"node": {"type": "object", "properties": {"id": {"const": 7}}, "required": ["id"]}},
    },
    {"type": "array", "items": {"type": "string", "maxLength": 5}},
]  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_answer_by_a_schema_fits_it(schema: dict[str, Any]) -> None:
    line = f"Respond only with JSON that matches this schema:\\n{json.dumps(schema)}\\n\\nTom is 99 years old"
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(json.loads(reply(line)))) == []


def test_openai_wraps_the_schema() -> None:
    wrapped = json.dumps({"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMAS[0]}})
    assert set(json.loads(reply(f"Answer in JSON: {wrapped}\\n\\nhello"))) == {"answer"}


def test_json_without_a_schema_and_a_question_about_json() -> None:
    assert isinstance(json.loads(reply("Reply with a JSON object.\\n\\nhello")), dict)
    assert isinstance(json.loads(reply("请用JSON格式回答：2+3")), dict)
    assert not reply("What is JSON?").startswith("{")
