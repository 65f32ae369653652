"""Server-sent events as every OpenAI client can read them: `data:` lines, comments, `[DONE]`, nothing else.

JSON is ASCII, because U+2028 and U+0085 split lines in some readers. `retry:` and `id:` crash openai-python,
an empty `data:` crashes most, and a comment that begins with `: ping` ends the stream for Continue.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from flask import Response

from bpu.chat.chunks import is_keepalive
from bpu.errors import BpuError
from bpu.web.errors import internal
from bpu.web.trace import Record

DONE = b"data: [DONE]\n\n"
COMMENT = b": keep-alive\n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

KeepAliveForm = Literal["chunk", "comment", "off"]


def event(body: Mapping[str, Any]) -> bytes:
    """One event with `body` as its data."""
    return f"data: {json.dumps(body, separators=(',', ':'))}\n\n".encode("ascii")


def stream(chunks: Iterable[dict[str, Any]], *, keepalive: KeepAliveForm, record: Record) -> Iterator[bytes]:
    """The events of `chunks`, each a write of its own, `[DONE]` last.

    An error is an event with the error object, then `[DONE]`; no chunk with a finish reason comes before it.
    Nothing is sent from a `finally`: after the client has left, there is nobody to send it to.
    """
    record.facts["error"] = "client_left"  # until the end is reached
    try:
        for chunk in chunks:
            if not is_keepalive(chunk) or keepalive == "chunk":
                yield event(chunk)
            elif keepalive == "comment":
                yield COMMENT
        record.facts["error"] = None
    except BpuError as error:
        record.facts["error"] = error.code
        yield event(error.body())
    except Exception as error:
        record.facts["error"] = BpuError.code
        yield event(internal(error).body())
    yield DONE


def response(events: Iterator[bytes]) -> Response:
    """The response that carries `events`."""
    return Response(events, content_type="text/event-stream; charset=utf-8", headers=HEADERS)
