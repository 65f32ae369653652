"""Tools in the prompt: compact, complete, and in words that fit the choice; and what goes back to the model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bpu.chat.answer_decoder import AnswerDecoder
from bpu.chat.deltas import ToolCall
from bpu.chat.request_models import ToolCallInput
from bpu.chat.tools import compact, render_tool_call, render_tool_result, tools_prompt
from bpu.console.events import Done, Event, Text
from bpu.errors import AnswerUnfit, ContextLengthExceeded
from bpu.turn import Timing
from tests.unit.chat.kit import MODEL, joined, prompter, read, request, said

CITY = {"type": "string", "title": "City", "description": "Where"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather\n   of a city.",
        "strict": True,
        "parameters": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {"title": CITY, "unit": {"enum": ["C", {"title": "F"}]}},
            "required": ["title"],
            "additionalProperties": False,
        },
    },
}
OTHER = {"type": "function", "function": {"name": "stop"}}
CALL = {"id": "call1", "type": "function", "function": {"name": "stop", "arguments": "{ }"}}


def offered(**fields: Any) -> str:
    return tools_prompt(request("Hi", tools=[TOOL, OTHER], **fields))


def test_one_tool_a_line_without_what_tells_a_model_nothing() -> None:
    text = offered()
    assert text.startswith("# Tools\n")
    lines = text[text.index("<tools>\n") + 8 : text.index("\n</tools>")].splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["get_weather", "stop"]
    assert json.loads(lines[0]) == {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "title": {"type": "string", "description": "Where"},
                "unit": {"enum": ["C", {"title": "F"}]},
            },
            "required": ["title"],
        },
    }
    assert ", " not in lines[1]


def test_no_tools_no_words() -> None:
    assert tools_prompt(request("Hi")) == ""
    assert offered(tool_choice="none") == ""


def test_the_choice_is_told() -> None:
    assert "only when the question needs it" in offered()
    assert "one tool at a time" in offered(parallel_tool_calls=False)
    assert "must use one of the tools" in offered(tool_choice="required")
    named = offered(tool_choice={"type": "function", "function": {"name": "stop"}})
    assert "must use the tool stop" in named
    assert "get_weather" not in named


def test_the_words_around_the_tools_are_few() -> None:
    signatures = offered()[offered().index("<tools>") : offered().index("</tools>")]
    assert len(offered()) - len(signatures) < 330
    assert len(signatures) < len(json.dumps([TOOL, OTHER])) * 0.8


def test_a_call_and_its_result_as_the_model_sees_them_again() -> None:
    once = render_tool_call(ToolCallInput(name="go", arguments='{"x":1.0}'))
    assert once == '<tool_call>{"name": "go", "arguments": {"x": 1}}</tool_call>'
    assert render_tool_result("sunny") == "<tool_response>\nsunny\n</tool_response>"


def test_a_chat_with_a_tool_goes_on_with_the_result_alone() -> None:
    """The digest after the answer is the next turn's history, whatever JSON writer the client has, and any id."""
    model = prompter()
    first = request("Stop!", tools=[TOOL, OTHER])
    raw = 'Hm.</think>\n\n<tool_call>\n{"name": "stop", "arguments": {}}\n</tool_call>'
    digest = AnswerDecoder(model).conversation_digest(first, raw)
    after = request(
        "Stop!",
        said("assistant", None, tool_calls=[CALL]),
        said("tool", "done", tool_call_id="call1"),
        tools=[TOOL, OTHER],
    )
    turn = model.turn(after)
    assert digest
    assert turn.prefix_digest == digest
    assert turn.continuation_line.decode() == "<tool_response>\\ndone\\n</tool_response>"
    assert '<tool_call>{"name": "stop", "arguments": {}}</tool_call>' in turn.line.decode()


def test_other_tools_are_another_chat() -> None:
    model = prompter()
    digest = AnswerDecoder(model).conversation_digest(request("Hi", tools=[TOOL]), "</think>Hello")
    assert model.turn(request("Hi", said("assistant", "Hello"), "More", tools=[OTHER])).prefix_digest != digest
    assert model.turn(request("Hi", said("assistant", "Hello"), "More", tools=[TOOL])).prefix_digest == digest


def test_a_decoded_answer_holds_calls() -> None:
    asked = request("Stop!", tools=[OTHER])
    events: list[Event] = [Text('</think>{"name": "stop", "arguments": {}}'), Done()]
    model = prompter()
    kinds = [type(one).__name__ for one in AnswerDecoder(model).read(events, asked, model.turn(asked), Timing)]
    assert kinds == ["ToolCall", "Finish"]


#: Schemas as clients send them that no draft of the standard, or only an older one, takes.
ODD_SCHEMAS = {
    "a tuple of draft 7": {"properties": {"a": {"type": "array", "items": [{"type": "number"}, {"type": "number"}]}}},
    "a limit of draft 4": {"properties": {"n": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}}},
    "any": {"properties": {"v": {"type": "any"}}},
    "float": {"properties": {"v": {"type": "float"}}},
    "capitals": {"properties": {"v": {"type": "STRING"}}},
    "required null": {"type": "object", "properties": {}, "required": None},
    "properties as an array": {"type": "object", "properties": []},
    "no description": {"properties": {"v": {"type": "string", "description": None}}},
    "no type": {"type": 3},
    "a reference elsewhere": {"$ref": "https://example.com/schema.json"},
    "a circle": {"$ref": "#"},
    "a broken pattern": {"properties": {"v": {"pattern": "("}}},
    "deep": json.loads('{"items":' * 90 + "{}" + "}" * 90),
}


@pytest.mark.parametrize("parameters", ODD_SCHEMAS.values(), ids=ODD_SCHEMAS.keys())
def test_2_a_schema_that_cannot_be_checked_is_offered_as_it_is(parameters: Any) -> None:
    tool = {"type": "function", "function": {"name": "x", "parameters": parameters}}
    asked = request("Hi", tools=[OTHER, tool])
    assert compact(parameters) in tools_prompt(asked)
    digest = read('</think><tool_call>{"name": "x", "arguments": {"v": 1}}</tool_call>', asked)
    assert [one.name for one in digest if isinstance(one, ToolCall)] == ["x"]
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": parameters}}
    assert compact(parameters) in prompter().turn(request("Hi", response_format=wanted, model=MODEL)).line.decode()


def test_2_a_tuple_of_draft_7_is_honoured_in_a_format() -> None:
    schema = {"type": "object", "properties": {"p": {"items": [{"type": "integer"}, {"type": "string"}]}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "out", "schema": schema}}
    assert joined(read('</think>{"p": [1, "a"]}', request("Hi", response_format=wanted)))[1] == '{"p": [1, "a"]}'
    with pytest.raises(AnswerUnfit):
        read('</think>{"p": ["a", 1]}', request("Hi", response_format=wanted))


def test_2_schemas_beyond_any_context_are_not_walked() -> None:
    large = {"properties": {f"p{at}": {"title": "x", "type": "integer"} for at in range(15_000)}}
    tool = {"type": "function", "function": {"name": "x", "parameters": large}}
    assert '"title"' in tools_prompt(request("Hi", tools=[tool]))
    with pytest.raises(ContextLengthExceeded):
        prompter().turn(request("Hi", tools=[tool]))
