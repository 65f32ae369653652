"""Checks every message and event stream of Anthropic's API.

With the official package's types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from tests.support.api_errors import check_anthropic_error

_REASONS = {"end_turn", "max_tokens", "stop_sequence", "tool_use", "model_context_window_exceeded"}
_DELTAS = {
    "thinking": {"thinking_delta", "signature_delta"},
    "text": {"text_delta"},
    "tool_use": {"input_json_delta"},
}


@cache
def _official_types() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    """Return the official types of a message and an event.

    Their import takes seconds, and few processes need it.
    """
    from anthropic.types import Message, RawMessageStreamEvent

    return TypeAdapter(Message), TypeAdapter(RawMessageStreamEvent)


def parse_events(data: bytes) -> list[dict[str, Any]]:
    """The events of a stream.

    Each has its type as its name, and there is no comment and no `[DONE]`.
    """
    assert data.endswith(b"\n\n") or not data
    events: list[dict[str, Any]] = []
    for block in filter(None, data.decode("ascii").split("\n\n")):
        name, body = block.split("\n")
        event = json.loads(body.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def check_message(body: dict[str, Any], request: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Assert all rules of a whole message, and give it."""
    _official_types()[0].validate_python(body, strict=True)
    assert body["id"].startswith("msg_")
    assert body["stop_reason"] in _REASONS
    assert (body["stop_reason"] == "stop_sequence") is (body["stop_sequence"] is not None)
    assert (body["stop_reason"] == "tool_use") is any(block["type"] == "tool_use" for block in body["content"])
    for block in body["content"]:
        if block["type"] == "thinking":
            assert block["signature"]
        if block["type"] == "text":
            assert block["text"].strip()
            assert "citations" not in block, "the AI SDK takes an array alone"
    usage = body["usage"]
    for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"):
        assert type(usage[name]) is int
        assert usage[name] >= 0
    if not request.get("thinking"):
        assert all(block["type"] != "thinking" for block in body["content"])
    return body


def check_message_stream(data: bytes, request: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Assert all rules of a stream, and return its message.

    Or the error that ended it.
    """
    events = parse_events(data)
    message = check_message_begun(events)
    last = events[-1]
    if last["type"] == "error":
        check_anthropic_error(last)
        return last
    assert last == {"type": "message_stop"}
    return check_message(message, request)


def check_message_begun(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Assert the rules that hold at every point of a stream.

    One start, one open block at a time, no gap.
    """
    assert events[0]["type"] == "message_start"
    message: dict[str, Any] = events[0]["message"]
    blocks: list[dict[str, Any]] = []
    is_open, is_over = False, False
    pieces: list[str] = []
    for event in events:
        kind = event["type"]
        if kind in ("ping", "error"):
            continue
        _official_types()[1].validate_python(event, strict=True)
        assert not is_over or kind == "message_stop"
        if kind == "content_block_start":
            assert not is_open
            assert event["index"] == len(blocks)
            blocks.append(dict(event["content_block"]))
            is_open, pieces = True, []
        elif kind == "content_block_delta":
            assert is_open
            assert event["index"] == len(blocks) - 1
            _apply(blocks[-1], event["delta"], pieces)
        elif kind == "content_block_stop":
            assert is_open
            assert event["index"] == len(blocks) - 1
            is_open = False
            if blocks[-1]["type"] == "tool_use":
                blocks[-1]["input"] = json.loads("".join(pieces))
        elif kind == "message_delta":
            assert not is_open
            message = {**message, **event["delta"], "usage": {**message["usage"], **event["usage"]}}
            is_over = True
    assert [event["type"] for event in events].count("message_start") == 1
    return {**message, "content": blocks}


def _apply(block: dict[str, Any], delta: Mapping[str, Any], pieces: list[str]) -> None:
    assert delta["type"] in _DELTAS[block["type"]]
    if delta["type"] == "input_json_delta":
        pieces.append(delta["partial_json"])
        return
    name = delta["type"].removesuffix("_delta")
    assert not (name == "thinking" and block["signature"]), "thinking behind its signature"
    block[name] += delta[name]
