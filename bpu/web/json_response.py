"""An answer as one JSON body, with keep-alives for the client that waits for it.

Node's fetch gives up after 300 s without headers. So after `patience_s` the headers are sent, then line breaks, which
JSON allows before a value, until the body is ready. Before that, an error has its own status. After that the error is
written and the body is cut off, because clients crash on an error in place of an answer. Tried with their usual
retries, a cut makes openai and anthropic for Python ask three times, as a 502 does; openai for Node, the AI SDK, ollama
for Python and curl ask once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from flask import Response

from bpu.chat.deltas import Delta, Finish
from bpu.errors import BpuError
from bpu.web.body_cut import BodyCut
from bpu.web.error_handlers import internal
from bpu.web.request_log import RequestRecord

Clock = Callable[[], float]
KEEPALIVE = b"\n"


class ResponseBuilder(Protocol):
    """Builds one body of an answer: `add` is called with every delta, then `body` once."""

    def add(self, delta: Delta) -> object: ...

    def body(self) -> Mapping[str, Any]: ...


def response(
    answer: Iterator[Delta],
    builder: ResponseBuilder,
    *,
    patience_s: float,
    period_s: float,
    record: RequestRecord,
    clock: Clock = time.monotonic,
) -> Response:
    """Build the response of `answer`; after `patience_s` respond with a body that follows later."""
    due = clock() + patience_s
    for delta in answer:
        builder.add(delta)
        if clock() >= due and not isinstance(delta, Finish):
            return _json_response(_delayed_body(answer, builder, period_s, record, clock))
    return _json_response(_encode(builder.body()))


def _delayed_body(
    answer: Iterator[Delta], builder: ResponseBuilder, period_s: float, record: RequestRecord, clock: Clock
) -> Iterator[bytes]:
    """Yield a line break every `period_s` of waiting, then the body.

    Raises `BodyCut` after an error was written instead.
    """
    record.facts["error"] = "client_left"  # until the end is reached
    yield KEEPALIVE
    sent = clock()
    try:
        for delta in answer:
            builder.add(delta)
            if clock() - sent >= period_s:
                yield KEEPALIVE
                sent = clock()
        data, record.facts["error"] = _encode(builder.body()), None
    except Exception as error:
        failure = error if isinstance(error, BpuError) else internal(error)
        record.facts["error"] = failure.code
        yield _encode(record.error_body(failure))
        raise BodyCut from None
    yield data


def _encode(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode("ascii")


def _json_response(body: bytes | Iterator[bytes]) -> Response:
    return Response(body, content_type="application/json; charset=utf-8", headers={"Cache-Control": "no-cache"})
