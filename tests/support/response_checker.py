"""One checker for every stream of the Responses API.

Order, numbering, items that are opened, filled and closed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.support.checker import KEEPALIVE

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_ENDS = {"response.completed", "response.incomplete", "response.failed"}


def parse_events(data: bytes) -> list[dict[str, Any]]:
    """The events of a stream, comments left out.

    Each is one that the openai package knows.
    """
    data.decode("ascii")
    assert b"data: [DONE]" not in data
    events: list[dict[str, Any]] = []
    if not data:
        return events
    assert data.endswith(b"\n\n")
    for block in data.decode().removesuffix("\n\n").split("\n\n"):
        if KEEPALIVE.fullmatch(block):
            continue
        name, body = block.split("\n")
        event = json.loads(body.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        _EVENT.validate_python(event, strict=True)
        events.append(event)
    return events


def check_response_stream(data: bytes, request: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Assert all rules over a stream, and return its response object.

    The stream answers the body `request`; the object is its last event's.
    """
    events = check_responses_begun(data)
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] in _ENDS
    final: dict[str, Any] = events[-1]["response"]
    assert events[-1]["type"] == f"response.{final['status']}"
    items, text = _items(events)
    if final["status"] != "failed":
        assert items == final["output"]
        assert len(text) == len(items), "an item was never closed"
        check_response(final, request)
    return final


def check_responses_begun(data: bytes) -> list[dict[str, Any]]:
    """Assert the rules that hold at every point of a stream, and give its events."""
    events = parse_events(data)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert not any(event["type"] in _ENDS for event in events[:-1])
    assert len({event["response"]["id"] for event in events if "response" in event}) <= 1
    _items(events)
    return events


def check_response(body: dict[str, Any], request: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The same for an answer in one piece."""
    Response.model_validate(body, strict=True)
    usage = body["usage"]
    counts = usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]
    details = usage["input_tokens_details"]["cached_tokens"], usage["output_tokens_details"]["reasoning_tokens"]
    assert all(type(number) is int and number >= 0 for number in (*counts, *details))
    assert counts[2] == counts[0] + counts[1]
    assert details[0] <= counts[0]
    assert details[1] <= counts[1]
    assert (body["status"] == "incomplete") is (body["incomplete_details"] is not None)
    if body["status"] == "completed":
        assert all(item.get("status", "completed") == "completed" for item in body["output"])
        assert request.get("stop") or any(item["type"] != "reasoning" for item in body["output"]), "nothing said"
    for item in body["output"]:
        _check_item(item)
    return body


def _check_item(item: dict[str, Any]) -> None:
    if item["type"] == "function_call":
        assert isinstance(json.loads(item["arguments"]), dict)
    for part in item.get("content", ()):
        assert not re.search(r"<[|｜][^<>]{1,40}[|｜]>", part["text"]), "a special token leaked"


def _items(events: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The items as their events build them, and the text of each, closed or not."""
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
    return items, text
