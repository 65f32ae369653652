"""Requests of the Messages API as chats: what its blocks become, and mistakes by the names that its clients know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.anthropic.request import BILLING, omits_thinking, parse_count, parse_message
from bpu.chat.requests import ChatRequest
from bpu.errors import BadRequest
from tests.unit.chat.kit import MODEL, PROPERTY, said


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 9, "messages": list(messages) or [said("user", "Hi")], **fields}


def parse(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    return parse_message(body(*messages, **fields), models=[MODEL])


def refused(value: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse_message(value, models=[MODEL])
    return caught.value


def chat(request: ChatRequest) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in request.messages]


TEXT = {"type": "text", "text": "Look"}
USE = {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "杯子"}}


def test_a_message_is_its_results_and_then_its_words() -> None:
    results = [
        {"type": "tool_result", "tool_use_id": "t1", "content": [TEXT, TEXT]},
        TEXT,
        {"type": "tool_result", "tool_use_id": "t2", "content": "no", "is_error": True},
    ]
    request = parse(said("user", "Hi"), said("assistant", [{"type": "thinking", "thinking": "Hm."}, TEXT, USE]),
                    said("user", results))  # fmt: skip
    assert chat(request) == [
        ("user", "Hi"), ("assistant", "Look"), ("tool", "Look\nLook"), ("tool", "Error: no"), ("user", "Look"),
    ]  # fmt: skip
    [call] = request.messages[1].tool_calls
    assert (call.name, json.loads(call.arguments)) == ("look", {"at": "杯子"})


def test_the_part_of_the_system_text_that_changes_with_each_request_is_left_out() -> None:
    blocks = [{"type": "text", "text": text} for text in (f"{BILLING} x", "Be brief.", "Be kind.")]
    assert chat(parse(system=blocks))[0] == ("system", "Be brief.\n\nBe kind.")
    assert chat(parse(system=blocks[:1])) == [("user", "Hi")]


@pytest.mark.parametrize(
    ("choice", "mode", "parallel"),
    [
        ({"type": "auto"}, "auto", True),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
        ({"type": "none"}, "none", True),
        ({"type": "tool", "name": "look"}, "required", True),
    ],
)
def test_a_choice_of_tools(choice: dict[str, Any], mode: str, parallel: bool) -> None:
    request = parse(tools=[{"name": "look", "input_schema": {}}], tool_choice=choice)
    assert (request.tool_mode, request.parallel_tool_calls) == (mode, parallel)
    assert (request.forced_tool == "look") is (choice["type"] == "tool")


def test_tools_that_run_elsewhere_are_ignored_and_named_and_the_others_keep_their_index() -> None:
    tools: list[dict[str, Any]] = [{"type": "web_search_20250305", "name": "web"}, {"name": "look", "input_schema": {}}]
    request = parse(tools=tools)
    assert [tool.name for tool in request.tools] == ["look"]
    assert "tools.web_search_20250305" in request.ignored
    tools[1]["input_schema"] = 5
    assert refused(body(tools=tools)).param == "tools.1.input_schema"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"messages": [said("user", [TEXT, {"type": "text"}])]}, "messages.0.content.1.text"),
        ({"messages": [said("user", [{"type": "tool_result"}])]}, "messages.0.content.0.tool_use_id"),
        ({"messages": [said("assistant", [{**USE, "input": []}])]}, "messages.0.content.0.input"),
        ({"messages": [said("tool", "x")]}, "messages.0.role"),
        ({"system": [{"type": "image"}]}, "system.0"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"stop_sequences": [5]}, "stop_sequences"),
        ({"thinking": {"type": "loud"}}, "thinking.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
    ],
)
def test_a_mistake_is_named_as_its_client_wrote_it(fields: dict[str, Any], param: str) -> None:
    assert refused(body(**fields)).param == param


def test_a_count_needs_no_limit_and_0_is_the_shortest_answer() -> None:
    counted = body()
    del counted["max_tokens"]
    assert parse_count(counted, models=[MODEL]).max_tokens is None
    assert parse(max_tokens=0).max_tokens == 1


def test_reasoning_is_shown_to_those_who_ask_and_its_text_may_be_left_out() -> None:
    assert not parse().show_reasoning
    assert parse(thinking={"type": "enabled", "budget_tokens": 1024}).show_reasoning
    assert omits_thinking({"thinking": {"type": "enabled", "display": "omitted"}})
    assert not omits_thinking({"thinking": "omitted"})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(["", "text", "user", "tool_use", "auto", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "name", "input", "source", "format"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
FIELDS = ("messages", "system", "tools", "tool_choice", "thinking", "output_config", "stop_sequences", "max_tokens")


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3))
@PROPERTY
def test_any_value_anywhere_is_a_request_or_a_sentence(fields: dict[str, Any]) -> None:
    try:
        outcome: object = parse_message(body(**fields), models=[MODEL]).messages
    except BadRequest as error:
        outcome = error.message
    assert outcome
