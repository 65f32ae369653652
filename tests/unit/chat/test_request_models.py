"""The parts of a chat request in every spelling of clients, and the path of what cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from bpu.chat.completions import parse_completion
from bpu.chat.responses.request import parse_response
from tests.unit.chat.kit import refusal

from .kit import MODEL, body, request, said

TOOL = {"type": "function", "function": {"name": "move", "description": None, "parameters": None}}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Hi", "Hi"),
        ("", ""),
        (None, ""),
        ([], ""),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        (["a", {"type": "input_text", "text": "b"}], "a\nb"),
        ([{"type": "refusal", "refusal": "no"}], "no"),
        ([{"type": "text", "text": None}, {"type": "text", "text": "b"}], "\nb"),
        ("half \ud83d of one", "half \ufffd of one"),
    ],
)
def test_33_content_in_all_its_forms(content: object, text: str) -> None:
    assert request(said("user", content)).messages[0].content == text


def test_33_a_missing_content_is_empty() -> None:
    assert request({"role": "assistant"}).messages[0].content == ""


def test_33_an_image_part_is_refused_in_openais_words() -> None:
    error = refusal(body(said("user", [{"type": "image_url", "image_url": {"url": "data:"}}])))
    assert error.message.startswith("Invalid content type. image_url is only supported by certain models. ")
    assert error.param == "messages.0.content.0"


@pytest.mark.parametrize(
    "content",
    [5, {"type": "text"}, [5], [{}], [{"type": "text"}], [{"type": "input_audio"}], [{"type": "text", "text": 1}]],
)
def test_33_other_content_is_a_400_with_its_path(content: object) -> None:
    assert refusal(body("Hi", said("user", content))).param == "messages.1.content"


@pytest.mark.parametrize(
    ("role", "becomes"),
    [("system", "system"), ("developer", "system"), ("user", "user"), ("assistant", "assistant"), ("tool", "tool"),
     ("function", "tool")],
)  # fmt: skip
def test_34_roles(role: str, becomes: str) -> None:
    assert request(said(role, "x")).messages[0].role == becomes


@pytest.mark.parametrize("role", ["wizard", None, 5, ["user"], ""])
def test_34_other_roles_are_refused(role: object) -> None:
    assert refusal(body({"role": role, "content": "x"})).param == "messages.0.role"


def test_34_a_message_without_a_role() -> None:
    assert refusal(body({"content": "x"})).param in ("messages.0.role", "messages.0")


def test_34_calls_of_earlier_turns_in_both_forms() -> None:
    new = {"id": "call1", "type": "function", "function": {"name": "move", "arguments": '{"x": 1}'}}
    old = {"name": "move", "arguments": {"x": 1}}
    bare = said("assistant", None, tool_calls=[{"name": "stop", "arguments": None}])
    assert request(bare).messages[0].tool_calls[0].arguments == "{}"
    asked = request(said("assistant", None, tool_calls=[new]), said("assistant", None, function_call=old), "go")
    assert [(one.name, one.arguments) for m in asked.messages for one in m.tool_calls] == [("move", '{"x": 1}')] * 2


def test_34_tool_calls_may_be_null() -> None:
    assert request(said("assistant", "x", tool_calls=None)).messages[0].tool_calls == ()


@pytest.mark.parametrize("calls", [5, [5], [{"name": 5}], [{"function": {"name": ["f"]}}]])
def test_34_broken_calls_are_refused(calls: object) -> None:
    assert str(refusal(body(said("assistant", None, tool_calls=calls))).param).startswith("messages.0.tool_calls")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_35_token_limits(name: str) -> None:
    assert request(**{name: 1}).max_tokens == 1
    wrong_limits: tuple[Any, ...] = (1.5, "many", [])
    for wrong in wrong_limits:
        assert refusal(body(**{name: wrong})).param == name


@pytest.mark.parametrize("value", [None, 0, -1, -2, -1.0])
def test_35_no_limit_in_the_words_of_clients(value: object) -> None:
    assert request(max_tokens=value).max_tokens is None
    assert request(max_completion_tokens=value).max_tokens is None
    assert request(max_completion_tokens=value, max_tokens=7).max_tokens == 7
    assert request(max_completion_tokens=7, max_tokens=value).max_tokens == 7
    assert (
        parse_response({"model": MODEL, "input": "Hi", "max_output_tokens": value}, models=[MODEL]).max_tokens is None
    )
    whole, _ = parse_completion({"model": MODEL, "prompt": "Hi", "max_tokens": value}, models=[MODEL])
    assert whole.max_tokens is None


def test_35_the_newer_token_limit_wins() -> None:
    assert request(max_tokens=5, max_completion_tokens=7).max_tokens == 7


@pytest.mark.parametrize(
    ("stop", "strings"),
    [
        (None, ()),
        ([], ()),
        ("a", ("a",)),
        (["a", "b", "a"], ("a", "b")),
        (["x"] * 16, ("x",)),
        ("", ()),
        ([""], ()),
        ([None], ()),
        (["", "a", None, ""], ("a",)),
        ([""] * 99, ()),
    ],
)
def test_35_stop(stop: object, strings: tuple[str, ...]) -> None:
    assert request(stop=stop).stop == strings


@pytest.mark.parametrize("limit", [-1, 0])
@pytest.mark.parametrize("choice", [{"type": "auto"}, "auto", None])
def test_22_no_limit_no_stop_string_and_no_choice_as_clients_write_them(limit: int, choice: object) -> None:
    asked = request(max_tokens=limit, stop="", tools=[TOOL], tool_choice=choice)
    assert (asked.max_tokens, asked.stop, asked.tool_mode, asked.forced_tool) == (None, (), "auto", None)
    assert request(tool_choice=choice).tool_mode == "auto", "also without tools"


@pytest.mark.parametrize("stop", [0, False, 5, [5], {"a": 1}, [str(n) for n in range(17)], "x" * 257])
def test_35_stop_that_cannot_be(stop: object) -> None:
    assert refusal(body(stop=stop)).param == "stop"


def test_35_one_choice_only() -> None:
    assert request(n=1).messages
    assert refusal(body(n=2)).param == "n"


@pytest.mark.parametrize("tool", [5, {}, {"type": "web_search"}, {"type": "function", "function": 5},
                                  {"type": "function", "function": {"name": "x", "parameters": 5}}])  # fmt: skip
def test_tools_that_cannot_be(tool: object) -> None:
    assert str(refusal(body(tools=[tool])).param).startswith("tools.0")


def test_42_response_format() -> None:
    schema = {"type": "object"}
    assert request(response_format=None).response_format.type == "text"
    assert request(response_format={"type": "json_object"}).response_format.type == "json_object"
    nested = request(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})
    flat = request(response_format={"type": "json_schema", "name": "n", "schema": schema})
    assert nested.response_format == flat.response_format
    assert nested.response_format.schema_ == schema
    for wrong in (5, {"type": "xml"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"schema": 5}}):
        assert str(refusal(body(response_format=wrong)).param).startswith("response_format")
