"""One checker for every stream of chat completion chunks in the whole suite.

What all clients rely on, at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Union

from openai.types import ErrorObject
from openai.types.chat import ChatCompletion, ChatCompletionChunk

REASONS = {"stop", "length", "tool_calls", "content_filter"}
#: A closing tag that a model speaks about stands in quotation marks.
_BARE_TAG = re.compile("(?<![`\"'“‘「『«])</think>")
_SPECIAL = re.compile(r"<[|｜][^<>]{1,40}[|｜]>|\[Assistant\] >>> |\[User\] <<< |\x1b")


class JoinedStream(dict[str, Any]):
    """What a stream said, joined: content, reasoning, tool_calls, finish_reason, usage, timings, keepalives, error."""


def parse_sse(data: bytes) -> list[Any]:
    """The payloads of a whole stream, comments and the `[DONE]` at its end left out."""
    assert data.endswith(b"\n\n"), "the last event is not complete"
    events = payloads(data)
    assert events, "no event at all"
    assert events[-1] == "[DONE]", "the stream does not end with [DONE]"
    assert events.count("[DONE]") == 1
    return events[:-1]


#: The one comment; during a load or an examination it says so, with the seconds left if they are known.
KEEPALIVE = re.compile(r": keep-alive(, (loading \S+|checking the console, \d+ of \d+ answers)(, \d+ s)?)?")


def payloads(data: bytes) -> list[Any]:
    """The payloads of complete events, comments left out.

    `[DONE]` is the string, everything else decoded JSON.
    """
    data.decode("ascii")
    events: list[Any] = []
    for event in data.decode().removesuffix("\n\n").split("\n\n"):
        assert "\n" not in event, f"an event of more than one line: {event!r}"
        if KEEPALIVE.fullmatch(event):
            continue
        assert event.startswith("data: "), f"neither data nor the one comment: {event!r}"
        payload = event[len("data: ") :]
        assert payload, "an empty data line"
        events.append(payload if payload == "[DONE]" else json.loads(payload))
    return events


def check_stream(
    stream: Union[bytes, Iterable[Mapping[str, Any]]],
    request: Mapping[str, Any],
    *,
    error: bool = False,
    inline: bool = False,
) -> JoinedStream:
    """Assert all rules over a stream that answers the body `request`.

    Bytes as sent, or the decoded chunks. `error`: the stream is expected to end with the error object instead of a
    finish reason. `inline`: the gateway is set to put all reasoning into the content.
    """
    chunks = parse_sse(stream) if isinstance(stream, bytes) else [dict(one) for one in stream]
    failure = check_error(chunks.pop()) if error else None
    joined = check_begun(chunks, request, inline=inline)
    joined["error"] = failure
    _check_end(chunks, request, joined)
    if joined["finish_reason"] == "stop" and not request.get("stop"):
        assert joined["content"].strip(), "stop with nothing said"
    return joined


def check_begun(chunks: list[Any], request: Mapping[str, Any], *, inline: bool = False) -> JoinedStream:
    """Assert the rules that hold at every point of a stream.

    Its end need not have been seen.
    """
    assert not any("error" in chunk for chunk in chunks)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    _check_same_head(chunks)
    joined = _join(chunks)
    for text in (joined["content"], joined["reasoning"]):
        assert not _SPECIAL.search(text), f"a marker or special token leaked: {text!r}"
    if inline or request["model"].endswith("-think"):
        assert not joined["reasoning"], "reasoning beside the inline block"
    assert not _BARE_TAG.search(joined["reasoning"]), f"reasoning beyond its end: {joined['reasoning']!r}"
    if not request.get("tools"):
        assert not joined["tool_calls"]
    return joined


def check_error(body: Any) -> dict[str, Any]:
    """The error object in `body`: its four keys, and a message in words.

    A 422 holds the model's words, too.
    """
    assert set(body) == {"error"}
    failure: dict[str, Any] = body["error"]
    assert set(failure) - {"output"} == {"message", "type", "param", "code"}
    assert "output" not in failure or failure["code"] in {"response_format_failed", "tool_call_failed"}
    ErrorObject.model_validate(failure, strict=True)
    assert failure["message"]
    return failure


def check_completion(body: dict[str, Any], request: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The same for an answer in one piece; gives its one choice."""
    ChatCompletion.model_validate(body, strict=True)
    check_usage(body["usage"])
    (choice,) = body["choices"]
    assert choice["finish_reason"] in REASONS
    assert (choice["finish_reason"] == "tool_calls") is bool(choice["message"].get("tool_calls"))
    for call in choice["message"].get("tool_calls", ()):
        json.loads(call["function"]["arguments"])
    if choice["finish_reason"] == "stop" and not request.get("stop"):
        assert choice["message"]["content"].strip(), "stop with nothing said"
    return dict(choice)


def check_usage(usage: Mapping[str, Any]) -> None:
    """Integers that add up."""
    prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    hit, miss = usage["prompt_cache_hit_tokens"], usage["prompt_cache_miss_tokens"]
    for number in (prompt, completion, cached, reasoning, hit, miss, usage["total_tokens"]):
        assert type(number) is int
        assert number >= 0
    assert usage["total_tokens"] == prompt + completion
    assert hit + miss == prompt
    assert hit == cached
    assert reasoning <= completion


def _check_same_head(chunks: list[Any]) -> None:
    heads = {(one["id"], one["object"], one["created"], one["model"], one.get("system_fingerprint")) for one in chunks}
    assert len(heads) == 1, f"more than one head: {heads}"
    assert chunks[0]["object"] == "chat.completion.chunk"
    first = chunks[0]["choices"][0]
    assert first["delta"] == {"role": "assistant", "content": ""}
    assert first["finish_reason"] is None


def _join(chunks: list[Any]) -> JoinedStream:
    joined = JoinedStream(
        content="", reasoning="", tool_calls=[], finish_reason=None, usage=None, timings=None, keepalives=0
    )
    for chunk in chunks[1:]:
        for choice in chunk["choices"]:
            assert choice["index"] == 0
            assert joined["finish_reason"] is None, "something comes after the finish reason"
            _add_delta(joined, choice["delta"], choice["finish_reason"])
            joined["finish_reason"] = choice["finish_reason"]
        joined["usage"] = chunk.get("usage") or joined["usage"]
        joined["timings"] = chunk.get("timings") or joined["timings"]
    return joined


def _add_delta(joined: JoinedStream, delta: Mapping[str, Any], reason: str | None) -> None:
    assert "role" not in delta, "the role comes once"
    assert set(delta) <= {"content", "reasoning_content", "reasoning", "tool_calls"}
    assert len(delta) <= 1, "a delta says one thing"
    if reason is not None:
        assert delta == {}
        return
    joined["keepalives"] += not delta
    thought = delta.get("reasoning_content", delta.get("reasoning", ""))
    assert not (thought and (joined["content"] or joined["tool_calls"])), "reasoning after the answer has begun"
    joined["reasoning"] += thought
    joined["content"] += delta.get("content", "")
    for call in delta.get("tool_calls", ()):
        _add_call(joined["tool_calls"], call)
    assert all(value for value in delta.values()), "an empty or null field"


def _add_call(calls: list[Any], call: Mapping[str, Any]) -> None:
    index = call["index"]
    if index == len(calls):
        assert call["id"]
        assert call["type"] == "function"
        assert call["function"]["arguments"] == ""
        calls.append({"id": call["id"], "name": call["function"]["name"], "arguments": ""})
        return
    assert index == len(calls) - 1, "calls come one after the other"
    assert set(call) == {"index", "function"}, "id and type come once"
    assert set(call["function"]) == {"arguments"}
    calls[index]["arguments"] += call["function"]["arguments"]


def _check_end(chunks: list[Any], request: Mapping[str, Any], joined: JoinedStream) -> None:
    if joined["error"] is not None:
        assert joined["finish_reason"] is None, "a finish reason and an error"
        return
    assert joined["finish_reason"] in REASONS
    with_usage = [number for number, chunk in enumerate(chunks) if chunk.get("usage")]
    assert with_usage == [len(chunks) - 1], "usage comes once, in the last chunk"
    wanted = (request.get("stream_options") or {}).get("include_usage")
    assert (chunks[-1]["choices"] == []) is bool(wanted)
    check_usage(joined["usage"])
    assert joined["timings"]["cache_n"] == joined["usage"]["prompt_cache_hit_tokens"]
    if joined["finish_reason"] == "tool_calls":
        assert joined["tool_calls"]
        assert len({call["id"] for call in joined["tool_calls"]}) == len(joined["tool_calls"])
        for call in joined["tool_calls"]:
            json.loads(call["arguments"])
