"""What the simulator answers where tools or JSON are asked for. Pure, no process."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest

from bpu.simulator import conversation, toolcalls
from tests.simulator.test_simulator_brain import reply


def tool(name: str, description: str = "", **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TEXT = {"type": "string"}
WEATHER = tool("get_weather", "Get the weather of a city", location=TEXT)
MOVE, GRASP = tool("move_to", "Move the arm", target=TEXT), tool("grasp", "Grasp a thing", object=TEXT)
PICK, PLACE = tool("pick", "拿起物体", object=TEXT), tool("place", "放下物体", location=TEXT)


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


@pytest.mark.parametrize(
    ("question", "tools", "expected"),
    [
        ("What's the weather in San Francisco?", [WEATHER, MOVE], [("get_weather", {"location": "San Francisco"})]),
        ("北京今天天气怎么样？", [MOVE, WEATHER], [("get_weather", {"location": "北京"})]),
        (
            "帮我拿杯水",
            [MOVE, GRASP],
            [("move_to", {"target": "水"}), ("grasp", {"object": "水"}), ("move_to", {"target": "user"})],
        ),
        (
            "bring me a glass of water",
            [PICK, PLACE],
            [("pick", {"object": "glass of water"}), ("place", {"location": "user"})],
        ),
        ("Pick up the apple", [GRASP, MOVE, PLACE], [("move_to", {"target": "apple"}), ("grasp", {"object": "apple"})]),
        ("compute 3*(4+5)", [tool("calculator", "", expression=TEXT)], [("calculator", {"expression": "3*(4+5)"})]),
        ("Read notes/README.md", [tool("read", "Read a file", path=TEXT)], [("read", {"path": "notes/README.md"})]),
        ("把灯关掉", [tool("switch", "开关灯", on={"type": "boolean"})], [("switch", {"on": False})]),
        ("move 3 steps", [tool("move", "", steps={"type": "integer", "maximum": 2})], [("move", {"steps": 2})]),
        ("move the red one", [tool("move", "", colour={"enum": ["blue", "red"]})], [("move", {"colour": "red"})]),
        ("hello", [WEATHER, MOVE, GRASP], []),
        ("tell me a joke", [WEATHER, MOVE, GRASP], []),
    ],
)  # fmt: skip
def test_it_calls_the_tools_that_fit(question: str, tools: list[Any], expected: list[Any]) -> None:
    assert called(reply(with_tools(question, *tools))) == expected


def test_a_call_that_must_be_made_is_made() -> None:
    line = with_tools("hello", WEATHER, MOVE, more="\nYou must call the function `move_to`.")
    assert called(reply(line)) == [("move_to", {"target": "hello"})]


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
    held = (
        "<｜User｜>" + conversation.unescaped(with_tools("hello", WEATHER)) + "<｜Assistant｜>Hi<｜end▁of▁sentence｜>"
    )
    assert called(reply("weather in Paris?", held)) == [("get_weather", {"location": "Paris"})]


def test_tools_as_an_array_and_broken_ones() -> None:
    text = f"<tools>{json.dumps([WEATHER, MOVE])}</tools>"
    assert [one.name for one in toolcalls.offered(text)] == ["get_weather", "move_to"]
    assert toolcalls.offered('<tools>{"name": 3} {"broken": </tools>') == []


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
