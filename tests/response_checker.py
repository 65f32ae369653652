"""One checker for every stream of the Responses API: order, numbering, items that are opened, filled and closed."""

from __future__ import annotations

import json
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_ENDS = {"response.completed", "response.incomplete", "response.failed"}


def parse_events(data: bytes) -> list[dict[str, Any]]:
    """The events of a stream, comments left out; each is one that the openai package knows."""
    data.decode("ascii")
    assert data.endswith(b"\n\n")
    assert b"[DONE]" not in data
    events = []
    for block in data.decode().removesuffix("\n\n").split("\n\n"):
        if block == ": keep-alive":
            continue
        name, body = block.split("\n")
        event = json.loads(body.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        _EVENT.validate_python(event)
        events.append(event)
    return events


def check_response_stream(data: bytes) -> dict[str, Any]:
    """Assert all rules over a stream, and give its last event's response object."""
    events = parse_events(data)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] in _ENDS
    assert not any(event["type"] in _ENDS for event in events[:-1])
    final: dict[str, Any] = events[-1]["response"]
    Response.model_validate(final)
    assert {event["response"]["id"] for event in events if "response" in event} == {final["id"]}
    if final["status"] != "failed":
        assert _items(events) == final["output"]
    return final


def check_response(body: dict[str, Any]) -> dict[str, Any]:
    """The same for an answer in one piece."""
    Response.model_validate(body)
    usage = body["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    return body


def _items(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items as their events build them."""
    items: list[dict[str, Any]] = []
    text: dict[str, str] = {}
    for event in events:
        kind = event["type"]
        if kind == "response.output_item.added":
            assert event["output_index"] == len(items), "one item after the other"
            assert event["item"]["id"] not in text, "an id of its own"
            text[event["item"]["id"]] = ""
        elif kind.endswith(".delta"):
            assert event["delta"], "an empty delta"
            text[event["item_id"]] += event["delta"]
        elif kind.endswith((".output_text.done", ".reasoning_summary_text.done")):
            assert text[event["item_id"]] == event["text"]
        elif kind.endswith(".function_call_arguments.done"):
            assert text[event["item_id"]] == event["arguments"]
        elif kind == "response.output_item.done":
            assert event["output_index"] == len(items)
            items.append(event["item"])
    return items
