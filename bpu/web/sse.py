"""Server-sent events as every OpenAI client can read them: `data:` lines, comments, `[DONE]`, nothing else.

JSON is ASCII, because U+2028 and U+0085 split lines in some readers. `retry:` and `id:` crash openai-python,
an empty `data:` crashes most, and a comment that begins with `: ping` ends the stream for Continue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask import Response

from bpu.errors import BpuError
from bpu.web.error_handlers import internal
from bpu.web.request_log import RequestRecord

DONE = b"data: [DONE]\n\n"
COMMENT = b": keep-alive\n\n"
EVENT_STREAM = "text/event-stream; charset=utf-8"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

#: Made once: `json.dumps` with separators makes an encoder for every event.
_encode = json.JSONEncoder(separators=(",", ":")).encode

KeepAliveForm = Literal["chunk", "comment", "off"]


def event(body: Mapping[str, Any]) -> bytes:
    """One event with `body` as its data."""
    return f"data: {_encode(body)}\n\n".encode("ascii")


def named(body: Mapping[str, Any]) -> bytes:
    """One event with `body` as its data and its type as its name, as Responses and Anthropic's Messages have it."""
    return f"event: {body['type']}\n".encode("ascii") + event(body)


class Frames:
    """Writes the chunks of one chat completion. Chunks that say a piece of text differ in it alone, so what stands
    around it is encoded once: on cold caches that is the dearest step on a token's way."""

    def __init__(self) -> None:
        self._around: dict[str, tuple[bytes, bytes]] = {}

    def event(self, body: Mapping[str, Any]) -> bytes:
        """The same bytes as `event(body)`."""
        for choice in body.get("choices", ()):
            if len(choice["delta"]) == 1 and choice["finish_reason"] is None:
                [(key, text)] = choice["delta"].items()
                if isinstance(text, str):
                    before, after = self._around.get(key) or self._frame(body, key)
                    return before + _encode(text).encode("ascii") + after
        return event(body)

    def _frame(self, chunk: Mapping[str, Any], key: str) -> tuple[bytes, bytes]:
        [choice] = chunk["choices"]
        mark = "\0"
        marked = {**chunk, "choices": [{**choice, "delta": {key: mark}}]}
        before, _, after = event(marked).rpartition(_encode(mark).encode("ascii"))  # a delta stands near the end
        self._around[key] = before, after
        return before, after


@dataclass(frozen=True)
class StreamFormat:
    """How one endpoint's events are written. `silent` knows the bodies that say nothing but that the stream lives.

    Not `comments`: the format has no comments, or its clients do not count them, so a silent body is written whole.
    """

    silent: Callable[[dict[str, Any]], bool]
    event: Callable[[Mapping[str, Any]], bytes] = event
    failed: Callable[[BpuError], list[dict[str, Any]]] = lambda error: [error.body()]
    done: bytes = DONE
    comments: bool = True
    content_type: str = EVENT_STREAM


def stream(
    bodies: Iterable[dict[str, Any]], *, keepalive: KeepAliveForm, record: RequestRecord, style: StreamFormat
) -> Iterator[bytes]:
    """The events of `bodies`, each a write of its own, `[DONE]` last.

    An error is an event with the error object, then `[DONE]`; no chunk with a finish reason comes before it.
    Nothing is sent from a `finally`: after the client has left, there is nobody to send it to.
    """
    record.facts["error"] = "client_left"  # until the end is reached
    failure: BpuError | None = None
    try:
        for body in bodies:
            if not style.silent(body):
                yield style.event(body)
            elif keepalive != "off":
                words = record.waiting if style.comments else ""
                whole = body and (keepalive == "chunk" or not style.comments)
                yield _keepalive(words, style.event(body) if whole else b"")
        record.facts["error"] = None
    except BpuError as error:
        failure = error
    except Exception as error:
        failure = internal(error)
    if failure is not None:
        record.facts["error"] = failure.code
        for body in style.failed(failure):
            yield style.event(body)
    if style.done:
        yield style.done


def _keepalive(waiting: str, event: bytes) -> bytes:
    """A keep-alive: its event, and a comment where it has none or where `waiting` says what is waited for."""
    if not waiting:
        return event or COMMENT
    words = waiting.encode("ascii", "replace").replace(b"\n", b" ").replace(b"\r", b" ")
    return b": keep-alive, " + words + b"\n\n" + event


def response(events: Iterator[bytes], content_type: str = EVENT_STREAM) -> Response:
    """The response that carries `events`."""
    return Response(events, content_type=content_type, headers=HEADERS)
