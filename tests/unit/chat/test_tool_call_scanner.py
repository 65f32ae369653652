"""Tool calls out of the stream: every form that models write, at every cut; and nothing half-written, ever."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.deltas import Content, Delta, Finish, ToolCall
from bpu.chat.requests import ChatRequest
from bpu.chat.tool_call_parser import ParsedToolCall, ToolCallParser
from bpu.chat.tool_call_scanner import ToolCallScanner
from bpu.errors import ToolCallUnfit
from tests.unit.chat.kit import PROPERTY, every_cut, pieces, read, request

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
MOVE = {
    "type": "function",
    "function": {
        "name": "move",
        "parameters": {
            "type": "object",
            "properties": {"x": {"type": "number"}, "note": {"type": "string"}, "fast": {"type": "boolean"}},
        },
    },
}
PARIS = '{"name": "get_weather", "arguments": {"city": "Paris"}}'


def offering(**fields: Any) -> ChatRequest:
    return request("Hi", tools=[WEATHER, MOVE], stream=True, **fields)


def called(answer: list[str] | str, asked: ChatRequest | None = None, **how: Any) -> list[Delta]:
    parts = [answer] if isinstance(answer, str) else answer
    return read(["</think>\n\n", *parts], asked or offering(), **how)


def calls(deltas: list[Delta]) -> list[tuple[str, Any]]:
    return [(one.name, json.loads(one.arguments)) for one in deltas if isinstance(one, ToolCall)]


def content(deltas: list[Delta]) -> str:
    return "".join(one.text for one in deltas if isinstance(one, Content))


def reason(deltas: list[Delta]) -> str:
    assert isinstance(deltas[-1], Finish)
    return deltas[-1].reason


FORMS = {
    "hermes": f"<tool_call>\n{PARIS}\n</tool_call>",
    "hermes on one line": f"<tool_call>{PARIS}</tool_call>",
    "a forgotten mark": f"<tool_call>{PARIS}",
    "a bracket too many": f"<tool_call>{PARIS}}}</tool_call>",
    "a bracket too few": f"<tool_call>{PARIS[:-1]}</tool_call>",
    "a fence between the marks": f"<tool_call>\n```json\n{PARIS}\n```\n</tool_call>",
    "python's quotes": "<tool_call>{'name': 'get_weather', 'arguments': {'city': 'Paris'}}</tool_call>",
    "bare": PARIS,
    "an array": f"[{PARIS}]",
    "fenced": f"```json\n{PARIS}\n```",
    "fenced, unnamed": f"```\n{PARIS}\n```",
    "parameters": '{"name": "get_weather", "parameters": {"city": "Paris"}}',
    "openai's own": '{"type": "function", '
    '"function": {"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}}',
    "deepseek": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
    '{"city": "Paris"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "deepseek 3.1": '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"}'
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "deepseek, one": '<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n{"city": "Paris"}<｜tool▁call▁end｜>',
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_form_at_every_cut(form: str) -> None:
    for parts in every_cut(form):
        deltas = called(parts)
        assert calls(deltas) == [("get_weather", {"city": "Paris"})], parts
        assert (content(deltas), reason(deltas)) == ("", "tool_calls"), parts


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_words_before_a_call_are_content(form: str) -> None:
    for parts in every_cut(f"Let me look.\n\n{form}"):
        deltas = called(parts)
        assert calls(deltas) == [("get_weather", {"city": "Paris"})], parts
        assert content(deltas) == "Let me look.", parts


TEXTS = {
    "plain": "The weather is fine.\n",
    "other json": 'Here:\n{"name": "Paul", "age": 3}\nThat is all.',
    "other fence": '```json\n{"city": "Paris"}\n```\n',
    "code": "```python\nprint({1: 2})\n```\nDone {really}.",
    "not at a line's beginning": f"It looks like {PARIS}, I think.",
    "a lone bracket": "a\n{ b",
    "lists": "[1] one\n[2] two\n  [",
    "a tag's beginning": "x < y, <tool",
    "backticks": "`code` and\n`` ` ``\n``",
    "unknown tool, bare": '{"name": "fly", "arguments": {}}',
    "a tool's description, bare": json.dumps(WEATHER["function"]),
    "a tool's name, bare": '{"name": "get_weather"}',
    "a mark in prose": "It writes a `<tool_call>` tag. Then it goes on.",
    "a mark and words": "<tool_call> is how it begins, </tool_call> is how it ends.",
    "a mark and a stray brace": "<tool_call>{ not json }</tool_call>",
    "a mark, a brace and a quotation": '<tool_call>{"prose in quotes", he said, and so on',
    "a mark, a brace and a word": "<tool_call>{name it as you like: it is prose",
    "a brace and a quotation": '{"prose in quotes", he said, and so on\nand on',
    "two objects on one line": '{"name": "Paul"}{"name": "Ann"}, {"name": "Eve"};{"name": "get_weather"}',
    "deepseek's mark in prose": "The token <｜tool▁call▁begin｜> begins a call.\nAnd <｜tool▁calls▁begin｜> several.",
    "a function in C": "```c\nint main(void)\n{\n    return 0;\n}\n```\nDone.",
    "a stray brace": "Here it is:\n{ a stray brace that never ends\nand words",
    "a stray bracket": "Links:\n[ { not json } and so on\nand words",
    "an example": f"For example:\n```json\n{PARIS}\n```\nThat is how it is called.",
    "two examples": f"```json\n{PARIS}\n```\n\n```\n{PARIS}\n```\n\nThose two.",
    "an example and other json": f"```json\n{PARIS}\n```\n" + '{"name": "Paul"}\n',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_what_is_no_call_is_said_as_it_is(text: str) -> None:
    for parts in every_cut(text):
        deltas = called(parts)
        assert (content(deltas), calls(deltas), reason(deltas)) == (text, [], "stop"), parts


@pytest.mark.parametrize(
    "inner", ['{"name": "Paul", "age": 3}', '{"name": "", "arguments": {}}', '{"a": 1 1}', "[{}, 1]"]
)
def test_a_marked_stretch_that_is_no_call_is_said_without_its_marks(inner: str) -> None:
    for parts in every_cut(f"<tool_call>{inner}</tool_call>"):
        deltas = called(parts)
        assert (content(deltas), reason(deltas)) == (inner, "stop"), parts


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


STREAMED = {
    "a mark, a brace and a quote": '<tool_call>{"' + "prose and prose, " * 30,
    "a brace and a quote": '{"' + "prose and prose, " * 30,
    "a mark, a brace and a word": "<tool_call>{ prose and prose, " + "words and words " * 30,
    "a function in C": "Here it is:\n```c\nint main(void)\n{\n" + '    printf("line\\n");\n' * 9 + "}\n```\nDone.",
    "a mark in prose": "The model writes a `<tool_call>` tag around its JSON." + " Then it goes on and on." * 9,
    "a stray brace": "Here it is:\n{ a stray brace that never ends\n" + "words and words " * 9 + "end",
    "a stray bracket": "Links:\n[ { not json } and so on\n" + "words and words " * 9 + "end",
    "an example": f"So:\n```json\n{PARIS}\n```\nThat is how" + " it is called" * 9,
}


@pytest.mark.parametrize("text", STREAMED.values(), ids=STREAMED.keys())
def test_17_text_flows_as_it_does_without_tools(text: str) -> None:
    held_most = 170 if "json\n" in text or '{"' in text else 24
    reader = ToolCallScanner(ToolCallParser(offering().tools))
    out = 0
    for came, character in enumerate(text, start=1):
        out += sum(len(item) for item in reader.feed(character) if isinstance(item, str))
        assert came - out <= held_most, text[out:came]


def test_17_a_call_in_a_fence_is_a_call_when_nothing_or_another_call_follows() -> None:
    fenced = f"```json\n{PARIS}\n```"
    for text, count in ((fenced, 1), (f"{fenced}\n\n{fenced}\n", 2), (f"{fenced}\n<tool_call>{PARIS}</tool_call>", 2)):
        for parts in every_cut(text):
            assert (len(calls(called(parts))), content(called(parts))) == (count, ""), parts


@pytest.mark.parametrize(
    "fence",
    [
        "```json\n{}\n```",
        "~~~json\n{}\n~~~",
        "````json\n{}\n````",
        "```json title=x\n{}\n```",
        "```json\r\n{}\r\n```",
        "> ```\n> {}\n> ```",
        "```\n<tool_call>{}</tool_call>\n```",
        "```xml\n<tool_call>\n{}\n</tool_call>\n```",
    ],
)
def test_18_an_example_in_any_form_of_a_fence_is_text_when_words_follow(fence: str) -> None:
    text = f"So:\n{fence.replace('{}', PARIS)}\nThat is how it is called."
    for parts in ([text], list(text)):
        deltas = called(parts)
        assert (calls(deltas), content(deltas)) == ([], text)


@pytest.mark.parametrize("before", ["```python\nx = 1\n```\n", "Three backticks: ```\n", "```x = 1```\n", "~~ so ~~\n"])
def test_18_a_call_behind_a_fence_that_has_ended_is_a_call(before: str) -> None:
    assert len(calls(called(f"{before}<tool_call>{PARIS}</tool_call>\nI have called it."))) == 1


def test_17_half_a_beginning_that_a_limit_cut_is_dropped() -> None:
    deltas = called("Wait.\n<tool_call>  ", done=False)
    assert (content(deltas), reason(deltas)) == ("Wait.\n", "length")
    whole = called("It is <tool_call>")
    assert (content(whole), reason(whole)) == ("It is <tool_call>", "stop")


def test_several_calls_come_in_their_order() -> None:
    second = '{"name": "move", "arguments": {"x": 1}}'
    for between in ("\n", ""):
        deltas = called(f"<tool_call>{PARIS}</tool_call>{between}<tool_call>{second}</tool_call>")
        assert [name for name, _ in calls(deltas)] == ["get_weather", "move"]
        assert [one.index for one in deltas if isinstance(one, ToolCall)] == [0, 1]
    assert len(calls(called(f"{PARIS}\n{second}"))) == 2
    assert len(calls(called(f"<tool_call>{PARIS}\n<tool_call>{second}"))) == 2
    assert len(calls(called(f"[{PARIS}, {second}]"))) == 2


def test_only_one_when_the_client_wants_one_at_a_time() -> None:
    deltas = called(f"{PARIS}\n{PARIS}\n{PARIS}", offering(parallel_tool_calls=False))
    assert len(calls(deltas)) == 1
    assert reason(deltas) == "tool_calls"


@pytest.mark.parametrize("whole", [f"<tool_call>{PARIS}</tool_call>", PARIS, FORMS["deepseek"], FORMS["fenced"]])
def test_a_call_cut_by_a_limit_is_length_and_nothing_of_it_is_told(whole: str) -> None:
    # Only what ends before the value itself does is a cut call; a bare object ends with its last bracket.
    for stop in range(2, whole.rindex("}")):
        deltas = called(whole[:stop], done=False)
        assert calls(deltas) == []
        assert reason(deltas) == "length"
        assert content(deltas).strip("[`jsont \n") == "", whole[:stop]


def test_a_token_limit_inside_a_call() -> None:
    deltas = called(f"<tool_call>{PARIS}</tool_call>", offering(max_tokens=8))
    assert (calls(deltas), content(deltas), reason(deltas)) == ([], "", "length")


def test_a_stop_string_inside_a_call_drops_it_but_may_end_a_whole_one() -> None:
    cut = called(f"<tool_call>{PARIS}</tool_call>", offering(stop=["Par"]))
    assert (calls(cut), content(cut), reason(cut)) == ([], "", "length")
    whole = called(f"<tool_call>{PARIS}</tool_call>", offering(stop=["</tool_call>"]))
    assert (calls(whole), reason(whole)) == ([("get_weather", {"city": "Paris"})], "tool_calls")


def test_brackets_are_never_closed_for_a_call_that_a_stop_string_cut() -> None:
    deltas = called('{"name": "move", "arguments": {"x": 1, STOP "fast": false}}', offering(stop=[" STOP"]))
    assert calls(deltas) == []


def test_numbers_and_truth_written_as_strings_are_put_right() -> None:
    deltas = called('{"name": "move", "arguments": {"x": "1.5", "fast": "True", "note": "5"}}')
    assert calls(deltas) == [("move", {"x": 1.5, "fast": True, "note": "5"})]


@pytest.mark.parametrize(
    "note", ['a "quoted" word', "it's", "</tool_call>", "{[}", "中文 👩‍🚀", "back\\slash", "two\nlines", "<tool_call>{"]
)
def test_any_string_is_carried_whole(note: str) -> None:
    body = json.dumps({"name": "move", "arguments": {"note": note}}, ensure_ascii=False)
    for parts in every_cut(f"<tool_call>{body}</tool_call>"):
        assert calls(called(parts)) == [("move", {"note": note})], parts


def test_a_model_that_goes_on_speaking_is_stopped() -> None:
    made_up = called([f"<tool_call>{PARIS}</tool_call>", "\n<tool_response>sunny</tool_response>", "It is sunny."])
    assert (calls(made_up), content(made_up), reason(made_up)) == (
        [("get_weather", {"city": "Paris"})],
        "",
        "tool_calls",
    )
    assert isinstance(made_up[-1], Finish)
    assert not made_up[-1].natural
    polite = called([f"<tool_call>{PARIS}</tool_call>", "\nI have asked."])
    assert isinstance(polite[-1], Finish)
    assert polite[-1].natural
    assert content(polite) == ""


def test_a_model_that_calls_for_ever_is_stopped() -> None:
    deltas = called([f"<tool_call>{PARIS}</tool_call>\n"] * 40)
    assert len(calls(deltas)) == 16
    assert reason(deltas) == "tool_calls"


def test_no_tools_no_calls() -> None:
    deltas = called(PARIS, request("Hi", stream=True))
    assert (content(deltas), calls(deltas), reason(deltas)) == (PARIS, [], "stop")
    none = called(PARIS, offering(tool_choice="none"))
    assert (content(none), calls(none)) == (PARIS, [])


def test_a_forced_tool_may_be_answered_by_its_arguments_alone() -> None:
    forced = offering(tool_choice={"type": "function", "function": {"name": "get_weather"}})
    assert calls(called('{"city": "Paris"}', forced)) == [("get_weather", {"city": "Paris"})]
    assert calls(called('{"city": "Paris"}')) == []


def test_a_tool_that_the_choice_does_not_allow_is_not_called() -> None:
    inner = '{"name": "move", "arguments": {"x": 1}}'
    only = [{"type": "function", "function": {"name": "get_weather"}}]
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": only}}
    for choice in (only[0], allowed):
        deltas = called(f"<tool_call>{inner}</tool_call>", offering(tool_choice=choice))
        assert (calls(deltas), content(deltas), reason(deltas)) == ([], inner, "stop")


def test_a_call_at_the_end_of_a_reasoning_that_was_never_closed() -> None:
    deltas = read(f"I need the weather.\n<tool_call>{PARIS}</tool_call>", offering())
    assert (calls(deltas), content(deltas), reason(deltas)) == ([("get_weather", {"city": "Paris"})], "", "tool_calls")
    mused = read(f"Perhaps <tool_call>{PARIS}</tool_call>\n\nBut no.", offering())
    assert (calls(mused), content(mused), reason(mused)) == ([], "But no.", "stop")


#: What calls and what looks like them are made of.
FRAGMENTS = [
    "<tool_call>", "</tool_call>", "```json\n", "```", "\n", " ", "{", "}", "[", '{"name": ', PARIS, f"\n{PARIS}\n",
    "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "function", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", "words",
]  # fmt: skip


@given(
    st.lists(
        st.sampled_from(FRAGMENTS) | st.text(alphabet="<tool_cal>/{}[]\"'`\n name:get_weather", max_size=9), max_size=9
    ).map("".join),
    st.lists(st.integers(0, 300), max_size=6),
)
@PROPERTY
def test_what_comes_out_does_not_depend_on_the_cuts(text: str, cuts: list[int]) -> None:
    def out(parts: list[str]) -> tuple[str, list[ParsedToolCall]]:
        reader = ToolCallScanner(ToolCallParser(offering().tools))
        items = [item for part in parts for item in reader.feed(part)] + list(reader.end(cut=False))
        words = "".join(item for item in items if isinstance(item, str))
        return words, [item for item in items if not isinstance(item, str)]

    assert out(pieces(text, cuts)) == out([text])


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
