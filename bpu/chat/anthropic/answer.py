"""Turns deltas into events of Anthropic's content blocks, or into one message.

It writes no bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Union

from bpu.chat.anthropic.errors import error_body
from bpu.chat.chunks import ResponseMetadata
from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning, ToolCall, as_keepalive
from bpu.chat.usage import Usage
from bpu.errors import BpuError

Event = dict[str, Any]
#: The event of a keep-alive.
PING: Event = {"type": "ping"}


class MessageFormat:
    """Formats one answer: streamed (`start`, `events`), or whole (`add`, `body`).

    Without `shows_thinking` a thinking block comes without its text, with its signature alone.
    """

    def __init__(self, head: ResponseMetadata, *, request_id: str = "", shows_thinking: bool = True) -> None:
        self._head = head
        self._request_id = request_id
        self._shows_thinking = shows_thinking
        self._blocks: list[Event] = []
        self._open: Event | None = None
        self._blank = ""  # white space that begins a text block only if more of a text follows
        self._finish: Finish | None = None

    def start(self) -> list[Union[Event, KeepAlive]]:
        """Return the start of the message and a keep-alive, which come before the first delta."""
        usage = _usage(Usage(self._head.prompt_tokens, 1))
        return [{"type": "message_start", "message": self._message(usage)}, KeepAlive("queued")]

    def events(self, delta: Delta) -> list[Union[Event, KeepAlive]]:
        """Return the events of `delta`; a keep-alive for a delta without any."""
        return [*self.add(delta)] or [as_keepalive(delta)]

    def add(self, delta: Delta) -> list[Event]:
        """Return the events of `delta`; none for a keep-alive and for hidden reasoning."""
        if isinstance(delta, Reasoning):
            return self._think(delta.text)
        if isinstance(delta, Content):
            return self._say(delta.text)
        if isinstance(delta, ToolCall):
            return [*self._close(), *self._call(delta)]
        return self._end(delta) if isinstance(delta, Finish) else []

    def body(self) -> Event:
        """Return the message object; legal after the `Finish`."""
        assert self._finish is not None, "the answer is not finished"
        whole = self._message(self._figures(self._finish))
        return {**whole, "content": self._blocks, **_reason(self._finish), "stop_details": None}

    def failed(self, error: BpuError) -> list[Event]:
        """Return the last events of a stream that fails."""
        return [error_body(error, self._request_id)]

    def _message(self, usage: Mapping[str, Any]) -> Event:
        return {
            "id": self._head.id,
            "type": "message",
            "role": "assistant",
            "model": self._head.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }

    def _think(self, text: str) -> list[Event]:
        opening = self._begin({"type": "thinking", "thinking": "", "signature": ""})
        assert self._open is not None
        if not self._shows_thinking:
            return opening
        self._open["thinking"] += text
        return [*opening, self._delta(type="thinking_delta", thinking=text)]

    def _say(self, text: str) -> list[Event]:
        if self._is_open("text"):
            opening = []
        elif text.isspace():
            self._blank += text
            return []
        else:
            opening = self._begin({"type": "text", "text": ""})
        text, self._blank = self._blank + text, ""
        assert self._open is not None
        self._open["text"] += text
        return [*opening, self._delta(type="text_delta", text=text)]

    def _call(self, call: ToolCall) -> list[Event]:
        self._blank = ""
        given = json.loads(call.arguments)
        block = {"type": "tool_use", "id": self._head.call_id(call.index, "toolu_"), "name": call.name, "input": {}}
        opening = self._begin(block)
        assert self._open is not None
        self._open["input"] = given
        pieces = [self._delta(type="input_json_delta", partial_json=part) for part in ("", call.arguments)]
        return [*opening, *pieces, *self._close()]

    def _end(self, finish: Finish) -> list[Event]:
        self._finish = finish
        change = {"type": "message_delta", "delta": _reason(finish), "usage": self._figures(finish)}
        return [*self._close(), change, {"type": "message_stop"}]

    def _begin(self, block: Event) -> list[Event]:
        """Open `block`, unless one of its kind is open already."""
        if self._is_open(block["type"]):
            return []
        closing = self._close()
        self._open = dict(block)
        return [*closing, {"type": "content_block_start", "index": self._index, "content_block": block}]

    def _close(self) -> list[Event]:
        if self._open is None:
            return []
        block, index, events = self._open, self._index, []
        if block["type"] == "thinking":
            block["signature"] = _signature(self._head.id, block["thinking"])
            events.append(self._delta(type="signature_delta", signature=block["signature"]))
        self._blocks.append(block)
        self._open = None
        return [*events, {"type": "content_block_stop", "index": index}]

    def _is_open(self, kind: str) -> bool:
        return self._open is not None and self._open["type"] == kind

    @property
    def _index(self) -> int:
        return len(self._blocks)

    def _delta(self, **delta: str) -> Event:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _figures(self, finish: Finish) -> Event:
        details = {"thinking_tokens": finish.usage.reasoning_tokens}
        return {**_usage(finish.usage), "output_tokens_details": details}


def _usage(usage: Usage) -> Event:
    """Return Anthropic's counts: cached tokens are not part of `input_tokens`."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


def _reason(finish: Finish) -> Event:
    reason = {"tool_calls": "tool_use", "content_filter": "refusal", "length": "max_tokens"}.get(finish.reason)
    if finish.context_full:
        reason = "model_context_window_exceeded"
    return {
        "stop_reason": reason or ("stop_sequence" if finish.stop is not None else "end_turn"),
        "stop_sequence": finish.stop,
    }


def _signature(*parts: str) -> str:
    """Make an opaque signature for a thinking block.

    Clients send it back, and the gateway ignores it.
    """
    return base64.b64encode(hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest()).decode("ascii")
