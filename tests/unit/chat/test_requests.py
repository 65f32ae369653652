"""What a chat request may hold, what it may not, and how the refusal names the place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.completions import parse_completion
from bpu.chat.requests import Limits, parse_chat
from bpu.chat.responses.request import parse_response
from bpu.errors import BadRequest, BpuError, ModelNotFound

from .kit import MODEL, PROPERTY, body, request, said

TOOL = {"type": "function", "function": {"name": "move", "description": None, "parameters": None}}


def refusal(value: object, **options: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse_chat(value, models=[MODEL], **options)
    return caught.value


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


def test_36_fields_without_effect_are_taken_and_named() -> None:
    fields = {
        "user": "u", "metadata": {}, "store": False, "service_tier": "auto", "parallel_tool_calls": True,
        "prediction": {}, "seed": 1, "logit_bias": {}, "verbosity": "low", "reasoning": {"effort": "low"},
        "include": [], "modalities": ["text"], "prompt_cache_key": "k", "safety_identifier": "s", "top_k": 1,
        "min_p": 0.1, "repetition_penalty": 1, "temperature": 0.7, "top_p": 1, "logprobs": True, "unknown": 1,
        "frequency_penalty": None, "reasoning_effort": "high",
    }  # fmt: skip
    asked = request(said("user", "Hi", name="ann", unknown=1), **fields)
    assert {"temperature", "seed", "logprobs", "reasoning_effort", "reasoning.effort"} <= set(asked.ignored)
    assert request(reasoning={"effort": "none", "summary": "auto"}).ignored == ()
    assert not {"unknown", "frequency_penalty", "parallel_tool_calls"} & set(asked.ignored)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("audio", {"voice": "a"}),
        ("modalities", ["text", "audio"]),
        ("web_search_options", {"x": 1}),
        ("functions", [{}]),
    ],
)
def test_36_meaningful_fields_that_cannot_be_are_refused_by_name(name: str, value: object) -> None:
    error = refusal(body(**{name: value}))
    assert error.param == name
    assert name in error.message


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ({"messages": [said("user", "x")]}, "model"),
        ({"model": MODEL}, "messages"),
        ({"model": MODEL, "messages": []}, "messages"),
        ({"model": MODEL, "messages": None}, "messages"),
        ({"model": MODEL, "messages": "Hi"}, "messages"),
        ({"model": 5, "messages": [said("user", "x")]}, "model"),
        ({"model": MODEL, "messages": ["Hi"]}, "messages.0"),
        ([], None),
        ("Hi", None),
        (None, None),
    ],
)
def test_37_missing_and_mistyped(value: object, param: str | None) -> None:
    error = refusal(value)
    assert error.param == param
    assert error.message.endswith(".")


def test_37_an_unknown_model_is_a_404_that_names_those_served() -> None:
    with pytest.raises(ModelNotFound) as caught:
        parse_chat(body() | {"model": "gpt-9"}, models=[MODEL])
    assert caught.value.status == 404
    assert MODEL in caught.value.message


def test_the_think_model_is_the_same_engine_with_inline_tags() -> None:
    asked = parse_chat(body() | {"model": f"{MODEL}-think"}, models=[MODEL])
    assert asked.inline_thinking
    with pytest.raises(ModelNotFound):
        parse_chat(body() | {"model": f"{MODEL}-think"}, models=[MODEL], think_model=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"thinking": {"type": "disabled"}}, {"thinking": False}, {"enable_thinking": False}, {"think": False},
        {"chat_template_kwargs": {"enable_thinking": False}}, {"chat_template_kwargs": {"thinking": False}},
        {"reasoning_effort": "none"}, {"reasoning": {"effort": "none"}}, {"reasoning": {"enabled": False}},
    ],
)  # fmt: skip
def test_29_every_switch_turns_thinking_off(fields: dict[str, object]) -> None:
    assert not request(**fields).thinking
    assert request().thinking


@pytest.mark.parametrize("fields", [{"thinking": {"type": "enabled"}}, {"think": "low"}, {"chat_template_kwargs": 5}])
def test_29_other_values_leave_it_on(fields: dict[str, object]) -> None:
    assert request(**fields).thinking


def test_limits_of_one_request() -> None:
    few = Limits(max_messages=2, max_tools=1)
    assert parse_chat(body("a", "b"), models=[MODEL], limits=few).messages
    assert refusal(body("a", "b", "c"), limits=few).param == "messages"
    assert refusal(body(tools=[TOOL, TOOL]), limits=few).param == "tools"


def test_stream_options() -> None:
    assert request(stream=True, stream_options={"include_usage": True, "include_obfuscation": False}).include_usage
    assert not request(stream_options=None).include_usage
    assert not request(stream_options={"include_usage": None}).include_usage
    assert refusal(body(stream_options=5)).param == "stream_options"


def allowed(mode: str, *names: str) -> dict[str, object]:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


@pytest.mark.parametrize(
    ("choice", "mode", "forced", "count"),
    [
        (None, "auto", None, 2), ("auto", "auto", None, 2), ("none", "none", None, 0),
        ("required", "required", None, 2),
        ({"type": "function", "function": {"name": "move"}}, "required", "move", 1),
        ({"type": "function", "name": "move"}, "required", "move", 1),
        (allowed("auto", "move"), "auto", None, 1), (allowed("required", "move"), "required", "move", 1),
        (allowed("required", "move", "stop"), "required", None, 2),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"name": "stop"}]}, "auto", None, 1),
        ({"type": "auto"}, "auto", None, 2), ({"type": "none"}, "none", None, 0),
        ({"type": "required"}, "required", None, 2), ({"type": "any"}, "required", None, 2),
        ({"type": "auto", "disable_parallel_tool_use": True}, "auto", None, 2),
        ({"type": "tool", "name": "move"}, "required", "move", 1),
    ],
)  # fmt: skip
def test_40_tool_choice(choice: object, mode: str, forced: str | None, count: int) -> None:
    other = {"type": "function", "function": {"name": "stop"}}
    asked = request(tools=[TOOL, other], tool_choice=choice)
    assert (asked.tool_mode, asked.forced_tool, len(asked.tools)) == (mode, forced, count)


@pytest.mark.parametrize(
    "choice",
    [
        "sometimes",
        {"function": {"name": "fly"}},
        {"function": 5},
        {"name": []},
        {},
        5,
        {"type": "allowed_tools"},
        {"type": "allowed_tools", "allowed_tools": 5},
        allowed("auto"),
        allowed("sometimes", "move"),
        allowed("auto", "move", "fly"),
    ],
)
def test_40_tool_choice_that_cannot_be(choice: object) -> None:
    assert refusal(body(tools=[TOOL], tool_choice=choice)).param == "tool_choice"


def test_40_a_choice_without_tools() -> None:
    assert refusal(body(tool_choice="required")).param == "tool_choice"
    assert refusal(body(tool_choice={"type": "any"})).param == "tool_choice"
    for choice in ("none", "auto", {"type": "none"}, {"type": "auto"}):
        assert request(tool_choice=choice, tools=None).tools == ()


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


def test_the_body_cannot_set_what_is_the_gateways_own() -> None:
    asked = parse_chat(body(namespace="x", inline_thinking=True, ignored=["a"]), models=[MODEL], namespace="key")
    assert (asked.namespace, asked.inline_thinking, asked.ignored) == ("key", False, ())


WORDS = st.text(st.sampled_from("aé漢\ud800😀\x00\n"), max_size=4) | st.sampled_from(["type", "function", "name"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["messages", "stream", "stream_options", "max_tokens", "stop", "n", "tools", "tool_choice", "response_format",
          "thinking", "reasoning", "modalities", "audio", "chat_template_kwargs"]  # fmt: skip


def outcome(value: object) -> BpuError | None:
    try:
        parse_chat(value, models=[MODEL])
    except BpuError as error:
        return error
    return None


@PROPERTY
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_any_value_anywhere_is_taken_or_refused_with_a_sentence(fields: dict[str, object]) -> None:
    error = outcome({**body(), **fields})
    assert error is None or (error.status == 400 and error.message.endswith(".") and error.message.encode())
