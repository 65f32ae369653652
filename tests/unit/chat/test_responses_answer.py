"""The Responses API's events and object: every item is opened, filled and closed, and both modes end in one object."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning, ToolCall
from bpu.chat.responses.answer import ResponsesFormat
from bpu.chat.responses.request import parse_response
from bpu.chat.usage import Usage
from bpu.errors import EngineCrashed
from tests.support.response_checker import check_response, check_response_stream
from tests.unit.chat.kit import MODEL, PROPERTY, head

USAGE = Usage(prompt_tokens=12, completion_tokens=5, reasoning_tokens=2, cached_tokens=3)
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}


def formatter(**fields: Any) -> ResponsesFormat:
    body = {"model": MODEL, "input": "Hi", "tools": [TOOL], **fields}
    return ResponsesFormat(head(), parse_response(body, models=[MODEL]), body)


def streamed(deltas: list[Delta], **fields: Any) -> dict[str, Any]:
    made = formatter(**fields)
    events = [*made.start(), *(event for delta in deltas for event in made.events(delta))]
    return check_response_stream(data(events))


def data(events: list[Any]) -> bytes:
    written = [event for event in events if not isinstance(event, KeepAlive)]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in written).encode()


def whole(deltas: list[Delta], **fields: Any) -> dict[str, Any]:
    made = formatter(**fields)
    for delta in deltas:
        made.add(delta)
    return check_response(made.body())


PARTS: st.SearchStrategy[Delta] = st.one_of(
    st.builds(Content, st.text(min_size=1, max_size=5)),
    st.builds(Reasoning, st.text(min_size=1, max_size=5)),
)


@given(st.lists(PARTS, min_size=1, max_size=8), st.integers(0, 2), st.sampled_from(["stop", "length"]))
@PROPERTY
def test_any_answer_is_the_same_object_in_both_modes(parts: list[Delta], calls: int, reason: str) -> None:
    # An answer that ended by itself has words or a call.
    assume(reason == "length" or calls or any(isinstance(part, Content) for part in parts))
    made: list[Delta] = [*parts, *(ToolCall(number, "look", "{}") for number in range(calls))]
    deltas = [*made, Finish("tool_calls" if calls and reason == "stop" else reason, USAGE)]  # type: ignore[arg-type]
    answer = streamed(deltas)
    assert answer == whole(deltas)
    assert answer["status"] == ("incomplete" if reason == "length" else "completed")
    words = "".join(part.text for part in parts if isinstance(part, Content))
    said = [piece["text"] for item in answer["output"] if item["type"] == "message" for piece in item["content"]]
    assert "".join(said) == words
    assert len({item["id"] for item in answer["output"]}) == len(answer["output"])


def test_the_object_repeats_what_was_asked_in_the_api_s_own_form() -> None:
    asked = {"tool_choice": {"function": {"name": "look"}}, "temperature": True, "metadata": {"a": "b", "c": 5}}
    answer = whole([Content("Yes"), Finish("stop", USAGE)], max_output_tokens=7, reasoning={"effort": "low"}, **asked)
    assert answer["tool_choice"] == {"type": "function", "name": "look"}
    assert (answer["temperature"], answer["metadata"], answer["max_output_tokens"]) == (1.0, {"a": "b"}, 7)
    assert answer["reasoning"] == {"effort": "low", "summary": None}
    assert [tool["name"] for tool in answer["tools"]] == ["look"]


def test_the_usage_has_the_api_s_names() -> None:
    usage = whole([Content("Yes"), Finish("stop", USAGE)])["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (12, 5, 17)
    assert usage["input_tokens_details"]["cached_tokens"] == 3
    assert usage["output_tokens_details"]["reasoning_tokens"] == 2


def test_a_stream_that_fails_ends_in_the_error_in_both_places() -> None:
    made = formatter()
    events = [*made.start(), *made.events(Content("Ye")), *made.failed(EngineCrashed("SIGSEGV."))]
    error, failed = events[-2:]
    assert isinstance(error, dict)
    assert isinstance(failed, dict)
    assert (error["code"], error["message"], error["error"]["message"]) == ("engine_crashed", "SIGSEGV.", "SIGSEGV.")
    assert failed["response"]["error"] == {"code": "server_error", "message": "SIGSEGV."}
    assert failed["response"]["status"] == "failed"


def test_what_has_no_event_keeps_the_connection_alive() -> None:
    waiting = KeepAlive("queued", 2)
    assert formatter().events(waiting) == [waiting]
    assert formatter().add(waiting) == []
