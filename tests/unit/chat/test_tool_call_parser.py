"""One whole stretch of text as calls: names and arguments are repaired, and none is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bpu.chat.deltas import ToolCall
from bpu.chat.requests import ChatRequest
from bpu.chat.tool_call_parser import ToolCallParser
from bpu.errors import ToolCallUnfit
from tests.unit.chat.kit import every_cut, request
from tests.unit.chat.tool_calls import MOVE, PARIS, called, calls, content, offering, reason

STEP = {
    "type": "object",
    "properties": {"room": {"type": "string"}, "unit": {"type": "string", "enum": ["percent", "step"]}},
    "required": ["room"],
    "additionalProperties": False,
}


def lamp(parameters: Any = STEP, **fields: Any) -> ChatRequest:
    tool = {"type": "function", "function": {"name": "set_lamp", "parameters": parameters, **fields}}
    return request("Hi", tools=[tool], stream=True)


#: Arguments that miss the schema, and what the client gets.
MISSES = {
    "an enum, in case alone": ('{"room": "hall", "unit": "Percent"}', {"room": "hall", "unit": "percent"}),
    "an enum": ('{"room": "hall", "unit": "lux"}', {"room": "hall", "unit": "lux"}),
    "one too many": ('{"room": "hall", "level": 3}', {"room": "hall", "level": 3}),
    "one missing": ("{}", {}),
    "a wrong type": ('{"room": ["hall"]}', {"room": ["hall"]}),
    "an empty array": ("[]", {}),
    "null": ("null", {}),
    "an array": ("[1]", [1]),
    "text": ('"the hall"', "the hall"),
    "a string of JSON": (json.dumps('{"level": 3}'), {"level": 3}),
}
#: A call as models write it, around its arguments.
SHAPES = {
    "marked": '<tool_call>{{"name": "set_lamp", "arguments": {}}}</tool_call>',
    "bare": '{{"name": "set_lamp", "arguments": {}}}',
    "fenced": '```json\n{{"name": "set_lamp", "parameters": {}}}\n```',
    "deepseek": "<｜tool▁call▁begin｜>function<｜tool▁sep｜>set_lamp\n```json\n{}\n```<｜tool▁call▁end｜>",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize(("written", "arguments"), MISSES.values(), ids=MISSES.keys())
def test_15_a_call_of_a_known_tool_is_a_call_whatever_its_arguments_miss(
    written: str, arguments: Any, shape: str
) -> None:
    deltas = called(shape.format(written), lamp())
    assert (calls(deltas), content(deltas), reason(deltas)) == ([("set_lamp", arguments)], "", "tool_calls")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_15_a_strict_tool_holds_back_what_does_not_fit_and_the_error_carries_it(shape: str) -> None:
    text = shape.format('{"room": "hall", "level": 3}')
    with pytest.raises(ToolCallUnfit) as error:
        called(text, lamp(strict=True))
    found = error.value.body()["error"]
    assert (error.value.status, found["code"]) == (422, "tool_call_failed")
    assert '{"room": "hall", "level": 3}' in found["output"]
    assert calls(called(shape.format('{"room": "hall", "unit": "Step"}'), lamp(strict=True))) == [
        ("set_lamp", {"room": "hall", "unit": "step"})
    ]
    assert calls(called(text, lamp(strict=None))) == [("set_lamp", {"room": "hall", "level": 3})]


def test_15_arguments_that_stand_beside_the_name_are_arguments() -> None:
    for text in ('<tool_call>{"name": "set_lamp", "room": "hall"}</tool_call>', '{"name": "set_lamp", "room": "hall"}'):
        assert calls(called(text, lamp())) == [("set_lamp", {"room": "hall"})]


@pytest.mark.parametrize(
    "name", [" set_lamp ", "functions.set_lamp", "`set_lamp`", "tools.set_lamp", " functions.set_lamp\n"]
)
def test_15_names_are_cleaned(name: str) -> None:
    text = json.dumps({"name": name, "arguments": {"room": "hall"}})
    for whole in (text, f"<tool_call>{text}</tool_call>"):
        assert calls(called(whole, lamp())) == [("set_lamp", {"room": "hall"})]


def test_15_a_name_that_a_tool_has_is_never_cleaned() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("functions.a", "a")]
    deltas = called('{"name": "functions.a", "arguments": {}}', request("Hi", tools=tools, stream=True))
    assert calls(deltas) == [("functions.a", {})]


def test_15_an_unknown_name_is_called_inside_marks_alone() -> None:
    inner = '{"name": " fly", "arguments": {"to": "5"}}'
    for text in (f"<tool_call>{inner}</tool_call>", f"<tool_call>{inner}"):
        assert calls(called(text, lamp())) == [("fly", {"to": "5"})]
    deepseek = '<｜tool▁call▁begin｜>function<｜tool▁sep｜>fly\n```json\n{"to": "5"}\n```<｜tool▁call▁end｜>'
    assert calls(called(deepseek, lamp())) == [("fly", {"to": "5"})]
    for text in (inner, f"```json\n{inner}\n```"):
        assert (calls(called(text, lamp())), content(called(text, lamp()))) == ([], text)


@pytest.mark.parametrize("inner", ['{"name": "fly"}', '{"id": "1", "type": "function", "function": {"name": "fly"}}'])
def test_15_an_unknown_tool_that_takes_no_arguments_is_called_inside_marks_alone(inner: str) -> None:
    for parts in every_cut(f"<tool_call>{inner}</tool_call>"):
        assert (calls(called(parts, lamp())), content(called(parts, lamp()))) == ([("fly", {})], ""), parts
    assert (calls(called(inner, lamp())), content(called(inner, lamp()))) == ([], inner)


CALL_OF_X = '{"name": "move", "arguments": {"x": %s}}'


@pytest.mark.parametrize("between", ["", " ", ";", "; ", ", ", ",\n", "\n", " | "])
def test_15_calls_on_one_line_are_all_calls(between: str) -> None:
    first, *others = (CALL_OF_X % number for number in range(3))
    bare = between.join([first, *others])
    for text in (bare, f"<tool_call>{bare}</tool_call>", between.join([f"<tool_call>{first}</tool_call>", *others])):
        for parts in every_cut(text) if text is bare else [[text], list(text)]:
            deltas = called(parts)
            expected = [("move", {"x": number}) for number in range(3)]
            assert (calls(deltas), content(deltas), reason(deltas)) == (expected, "", "tool_calls"), parts


def test_15_an_object_behind_a_call_that_is_no_call_is_not_passed_on() -> None:
    deltas = called(PARIS + ', {"name": "Paul"}')
    assert (calls(deltas), content(deltas)) == ([("get_weather", {"city": "Paris"})], "")
    other = '{"name": "Paul"}' + PARIS
    assert (calls(called(other)), content(called(other))) == ([], other)


#: What stands between a call's marks, and the arguments that the client gets.
LOOSE = {
    "bare keys": ('{name: "move", arguments: {x: 1, note: "a: b"}}', {"x": 1, "note": "a: b"}),
    "bare keys and apostrophes": ("{ name : 'move', arguments : {x: 1} }", {"x": 1}),
    "some bare keys": ('{"name": "move", "arguments": {x: 1}}', {"x": 1}),
    "comments": ('{ // the tool\n"name": "move", /* its */ "arguments": {"x": 1 /* metres */}}', {"x": 1}),
    "a bare word": ('{"name": "move", "arguments": {"x": 1, b}}', '{"x": 1, b}'),
    "a bare value": ('{name: "move", parameters: {note: hello}}', "{note: hello}"),
    "a formula": ('```json\n{"name": "move", "arguments": {"x": 1 + 2}}\n```', '{"x": 1 + 2}'),
    "no arguments that are JSON": ('{"name": "functions.move", "arguments": forward}', "forward"),
}


@pytest.mark.parametrize(("inner", "arguments"), LOOSE.values(), ids=LOOSE.keys())
def test_15_a_marked_call_of_a_known_tool_is_a_call_however_its_arguments_are_written(
    inner: str, arguments: Any
) -> None:
    for parts in every_cut(f"So:\n<tool_call>{inner}</tool_call>"):
        deltas = called(parts)
        assert (calls(deltas), content(deltas), reason(deltas)) == ([("move", arguments)], "So:", "tool_calls"), parts


def test_15_arguments_that_cannot_be_read_outside_marks_are_text() -> None:
    text = '{"name": "move", "arguments": {"x": 1 + 2}}'
    assert (calls(called(text)), content(called(text))) == ([], text)


def test_15_arguments_that_a_stop_string_cut_are_no_call() -> None:
    deltas = called('<tool_call>{"name": "move", "arguments": {"x": 1 + STOP', offering(stop=["STOP"]))
    assert calls(deltas) == []


def test_15_a_number_for_a_string_keeps_its_spelling() -> None:
    deltas = called('{"name": "move", "arguments": {"note": -0, "x": -0}}')
    assert [one.arguments for one in deltas if isinstance(one, ToolCall)] == ['{"note": "-0", "x": 0}']


DEEPSEEK_CALL = "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>%s<｜tool▁call▁end｜>"


@pytest.mark.parametrize("written", ['{"city": "Paris", b}', '{"city": "Paris}', '{"city": NaN}', "Paris"])
def test_15_arguments_that_cannot_be_read_are_never_left_out(written: str) -> None:
    (found,) = ToolCallParser(offering().tools).read(DEEPSEEK_CALL % f"\n```json\n{written}\n```\n")
    assert (found.name, json.loads(found.arguments)) == ("get_weather", written)


def test_15_a_call_of_another_tool_is_no_call_of_the_demanded_one() -> None:
    caller = ToolCallParser(request("Hi", tools=[MOVE]).tools, "move", ("get_weather",))
    assert caller.read(PARIS) == caller.read(PARIS, marked=True) == []
    assert caller.read('{"x": 1}')[0].name == "move"


@pytest.mark.parametrize("marked", [True, False])
def test_15_calls_in_the_shape_of_an_api_answer_are_calls(marked: bool) -> None:
    text = json.dumps({"tool_calls": [{"id": "1", "type": "function", "function": json.loads(PARIS)}] * 2})
    found = ToolCallParser(offering().tools).read(text, marked=marked)
    assert [(one.name, json.loads(one.arguments)) for one in found] == [("get_weather", {"city": "Paris"})] * 2
