"""Server-sent events as every OpenAI client can read them: `data:` lines, comments, `[DONE]`, nothing else.

JSON is ASCII, because U+2028 and U+0085 split lines in some readers. `retry:` and `id:` crash openai-python,
an empty `data:` crashes most, and a comment that begins with `: ping` ends the stream for Continue.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Union

from flask import Response

from bpu.chat.deltas import Delta, KeepAlive
from bpu.errors import BpuError
from bpu.web.endpoint_format import EndpointFormat
from bpu.web.error_handlers import internal
from bpu.web.request_log import RequestRecord

DONE = b"data: [DONE]\n\n"
COMMENT = b": keep-alive\n\n"
EVENT_STREAM = "text/event-stream; charset=utf-8"
#: Events that a client has not read are joined to writes of about this size. Each write has the time limit of a client
#: that reads nothing, so one that reads slowly must be able to take it within that.
WRITE_BYTES = 16 * 1024
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

#: Made once, because `json.dumps` with separators makes an encoder for each event.
_encode = json.JSONEncoder(separators=(",", ":")).encode
#: The same for a text alone.
_encode_text = json.encoder.encode_basestring_ascii

KeepAliveForm = Literal["chunk", "comment", "off"]


def event(body: Mapping[str, Any]) -> bytes:
    """Encode one event with `body` as its data."""
    return f"data: {_encode(body)}\n\n".encode("ascii")


def named_event(body: Mapping[str, Any]) -> bytes:
    """Encode one event with its type as its name.

    Responses and Anthropic's Messages have it so.
    """
    return f"event: {body['type']}\n".encode("ascii") + event(body)


class ChunkEncoder:
    """Encodes the chunks of one chat completion, in a worker's event loop.

    Chunks with a piece of text differ in the text alone. The constant part around it is encoded once: a chunk takes
    0.4 µs so, and 7 µs when the whole of it is encoded, both warm.
    """

    def __init__(self) -> None:
        self._around: dict[str, tuple[bytes, bytes]] = {}

    def encode(self, body: Mapping[str, Any]) -> bytes:
        """Return the same bytes as `event(body)`."""
        for choice in body.get("choices", ()):
            if len(choice["delta"]) == 1 and choice["finish_reason"] is None:
                [(key, text)] = choice["delta"].items()
                if isinstance(text, str):
                    before, after = self._around.get(key) or self._encode_around(body, key)
                    return before + _encode_text(text).encode("ascii") + after
        return event(body)

    def _encode_around(self, chunk: Mapping[str, Any], key: str) -> tuple[bytes, bytes]:
        [choice] = chunk["choices"]
        mark = "\0"
        marked = {**chunk, "choices": [{**choice, "delta": {key: mark}}]}
        before, _, after = event(marked).rpartition(_encode(mark).encode("ascii"))  # a delta stands near the end
        self._around[key] = before, after
        return before, after


class EventStream:
    """The output of one streamed answer.

    A worker's event loop encodes each delta at once, and the greenlet of the request takes the bytes.
    """

    def __init__(self, endpoint_format: EndpointFormat, *, keepalive: KeepAliveForm, record: RequestRecord) -> None:
        self._format, self._keepalive, self._record = endpoint_format, keepalive, record
        self._pieces = deque[bytes]()
        self.has_output = False

    def add(self, delta: Delta) -> None:
        """Encode a delta; `take` returns the bytes."""
        self._encode(self._format.events(delta))

    def take(self) -> bytes:
        """Return the next write.

        One event, or several if the client is slower than the model.
        """
        taken, size = [], 0
        while self._pieces and size < WRITE_BYTES:
            taken.append(self._pieces.popleft())
            size += len(taken[-1])
        self.has_output = bool(self._pieces)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def response(self, waits: Iterable[None]) -> Response:
        """Make the response; `waits` yields when there is output."""
        return response(self._bytes(waits), self._format.content_type)

    def _encode(self, events: Iterable[Union[dict[str, Any], KeepAlive]]) -> None:
        for event in events:
            if not isinstance(event, KeepAlive):
                self._pieces.append(self._format.encode(event))
            elif self._keepalive != "off":
                self._pieces.append(_keepalive(self._format, self._keepalive, self._record))
        self.has_output = bool(self._pieces)

    def _bytes(self, waits: Iterable[None]) -> Iterator[bytes]:
        """Yield the output as it comes, and end with the format's terminator.

        An error becomes the format's error events; no chunk with a finish reason comes before them. Nothing is sent
        from a `finally`, because it also runs after the client has left.
        """
        record = self._record
        record.facts["error"] = "client_left"  # until the end is reached
        failure: BpuError | None = None
        try:
            self._encode(self._format.start())
            while self.has_output:
                yield self.take()
            for _ in waits:
                while self.has_output:
                    yield self.take()
            record.facts["error"] = None
        except BpuError as error:
            failure = error
        except Exception as error:
            failure = internal(error)
        if failure is not None:
            record.facts["error"] = failure.code
            self._encode(self._format.error_events(failure))
            while self.has_output:
                yield self.take()
        if self._format.terminator:
            yield self._format.terminator


def _keepalive(endpoint_format: EndpointFormat, form: KeepAliveForm, record: RequestRecord) -> bytes:
    """Encode a keep-alive as its event, a comment with the record's waiting reason, or both."""
    has_comments, body = endpoint_format.has_comments, endpoint_format.keepalive
    is_event = body is not None and (form == "chunk" or not has_comments)
    event = endpoint_format.encode(body) if body is not None and is_event else b""
    if not (has_comments and record.waiting):
        return event or COMMENT
    words = record.waiting.encode("ascii", "replace").replace(b"\n", b" ").replace(b"\r", b" ")
    return b": keep-alive, " + words + b"\n\n" + event


def response(events: Iterator[bytes], content_type: str = EVENT_STREAM) -> Response:
    """Make the response that carries `events`."""
    return Response(events, content_type=content_type, headers=HEADERS)
