"""Tool calls out of the stream: every form that models write, at every cut; and nothing half-written, ever."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.deltas import Finish, ToolCall
from bpu.chat.tool_call_parser import ParsedToolCall, ToolCallParser
from bpu.chat.tool_call_scanner import ToolCallScanner
from tests.unit.chat.kit import PROPERTY, every_cut, pieces, read, request
from tests.unit.chat.tool_calls import PARIS, WEATHER, called, calls, content, offering, reason

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


@pytest.mark.parametrize("between", ["\n<tool_response>sunny</tool_response>\n", "\n" + "And so on. " * 20 + "\n"])
def test_a_call_that_follows_from_an_invented_result_is_none_however_it_comes(between: str) -> None:
    other = '{"name": "move", "arguments": {"x": 1}}'
    for behind in (other, f"<tool_call>{other}</tool_call>"):
        for parts in every_cut(f"<tool_call>{PARIS}</tool_call>{between}{behind}"):
            deltas = called(parts)
            assert (calls(deltas), reason(deltas)) == ([("get_weather", {"city": "Paris"})], "tool_calls"), parts


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
