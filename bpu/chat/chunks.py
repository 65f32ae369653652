"""Turns deltas into objects of Chat Completions: streamed chunks, or one body.

It writes no bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Union

from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning, ToolCall


@dataclass(frozen=True)
class ResponseMetadata:
    """What all chunks of one answer share.

    `created` is in seconds since 1970, `model` the id the client used. `reasoning_key` is the field of the reasoning,
    `prompt_tokens` the prompt's count before the job begins.
    """

    id: str
    created: int
    model: str
    include_usage: bool = False
    system_fingerprint: str | None = None
    reasoning_key: str = "reasoning_content"
    prompt_tokens: int = 0

    def open(self, kind: str) -> dict[str, Any]:
        """Return the members with which every object of the kind begins."""
        body = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**body, "system_fingerprint": self.system_fingerprint} if self.system_fingerprint else body

    def call_id(self, index: int, prefix: str = "call_") -> str:
        """Return the id of a tool call.

        Unique like the answer's, letters and digits, 40 characters at most.
        """
        return f"{prefix}{self.id.rpartition('-')[2][-24:]}{index:02d}"


class ChunkFormat:
    """Formats one streamed answer as `chat.completion.chunk` objects: `start`, then `events` of each delta.

    Exactly one chunk has a finish reason; it holds the usage, or a further chunk does when the client asked for that.
    """

    def __init__(self, head: ResponseMetadata) -> None:
        self._head = head
        self._opening = head.open("chat.completion.chunk")

    def start(self) -> list[Union[dict[str, Any], KeepAlive]]:
        """Return the chunk before the first delta: the role."""
        return [_chunk(self._opening, {"role": "assistant", "content": ""})]

    def events(self, delta: Delta) -> list[Union[dict[str, Any], KeepAlive]]:
        """Return the chunks of `delta`; a keep-alive stays one, and `keepalive_chunk` is its chunk."""
        opening, head = self._opening, self._head
        if isinstance(delta, Content):
            return [_chunk(opening, {"content": delta.text})]
        if isinstance(delta, Reasoning):
            return [_chunk(opening, {head.reasoning_key: delta.text})]
        if isinstance(delta, ToolCall):
            arguments = {"index": delta.index, "function": {"arguments": delta.arguments}}
            return [
                _chunk(opening, {"tool_calls": [{**_call(delta, head, ""), "index": delta.index}]}),
                _chunk(opening, {"tool_calls": [arguments]}),
            ]
        if isinstance(delta, KeepAlive):
            return [delta]
        figures = {"usage": delta.usage.body(), "timings": delta.usage.timings()}
        last = _chunk(opening, {}, delta.reason)
        return [last, {**opening, "choices": [], **figures}] if head.include_usage else [{**last, **figures}]


def keepalive_chunk(head: ResponseMetadata) -> dict[str, Any]:
    """Return the chunk of a keep-alive: one with an empty delta."""
    return _chunk(head.open("chat.completion.chunk"), {})


def _chunk(opening: dict[str, Any], delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {**opening, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def _call(call: ToolCall, head: ResponseMetadata, arguments: str) -> dict[str, Any]:
    return {
        "id": head.call_id(call.index),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


@dataclass
class CompletionBuilder:
    """Joins deltas into one body: `add` each, then `body`.

    The greenlet of the request owns it.
    """

    head: ResponseMetadata
    _texts: dict[type, list[str]] = field(default_factory=lambda: {Content: [], Reasoning: []})
    _calls: list[ToolCall] = field(default_factory=list)
    _finish: Finish | None = None

    def add(self, delta: Delta) -> None:
        """Add a delta; a keep-alive has no effect."""
        if isinstance(delta, Finish):
            self._finish = delta
        elif isinstance(delta, ToolCall):
            self._calls.append(delta)
        elif not isinstance(delta, KeepAlive):
            self._texts[type(delta)].append(delta.text)

    def body(self) -> dict[str, Any]:
        """Return a `chat.completion` object; legal after the `Finish`."""
        assert self._finish is not None, "the answer is not finished"
        content = "".join(self._texts[Content])
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if self._calls:
            message["content"] = content or None
            message["tool_calls"] = [_call(call, self.head, call.arguments) for call in self._calls]
        if reasoning := "".join(self._texts[Reasoning]):
            message[self.head.reasoning_key] = reasoning
        choice = {"index": 0, "message": message, "finish_reason": self._finish.reason, "logprobs": None}
        figures = {"usage": self._finish.usage.body(), "timings": self._finish.usage.timings()}
        return {**self.head.open("chat.completion"), "choices": [choice], **figures}


def completion(deltas: Iterable[Delta], head: ResponseMetadata) -> dict[str, Any]:
    """Join `deltas` into one `chat.completion` object."""
    join = CompletionBuilder(head)
    for delta in deltas:
        join.add(delta)
    return join.body()
