"""What a chat request may hold, what it may not, and how the refusal names the place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.requests import Limits, parse_chat
from bpu.errors import BpuError, ModelNotFound
from tests.unit.chat.kit import refusal

from .kit import MODEL, PROPERTY, body, request, said

TOOL = {"type": "function", "function": {"name": "move", "description": None, "parameters": None}}


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


def test_40_a_choice_of_no_tool_of_the_request_names_it() -> None:
    """Each API reaches this rule, so its words name no value of one API alone."""
    refused = refusal(body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "fly" * 100}}))
    assert refused.message == f"`tool_choice` names '{('fly' * 100)[:100]}', which is none of `tools`."


def test_40_a_choice_without_tools() -> None:
    assert refusal(body(tool_choice="required")).param == "tool_choice"
    assert refusal(body(tool_choice={"type": "any"})).param == "tool_choice"
    for choice in ("none", "auto", {"type": "none"}, {"type": "auto"}):
        assert request(tool_choice=choice, tools=None).tools == ()


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
