"""An answer in one piece, and signs of life for the client that waits for it. It shapes no answer itself.

Node's fetch gives up after 300 s without headers. So after some patience the headers go out, and line breaks,
which JSON allows before a value, until the body is there. Before that, an error is a true status. Behind it the error
is written and the body is cut off, because clients crash on an error where an answer should be. Tried with their usual
repeats, a cut makes openai and anthropic for Python ask three times, as a 502 does; openai for Node, the AI SDK, ollama
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
    """What makes one body of an answer: every delta is added, then the body is legal."""

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
    """The join of `answer`; waits for it up to `patience_s`, then answers with a body that is still to come."""
    due = clock() + patience_s
    for delta in answer:
        builder.add(delta)
        if clock() >= due and not isinstance(delta, Finish):
            return _json(_late(answer, builder, period_s, record, clock))
    return _json(_dumped(builder.body()))


def _late(
    answer: Iterator[Delta], builder: ResponseBuilder, period_s: float, record: RequestRecord, clock: Clock
) -> Iterator[bytes]:
    """Line breaks every `period_s` of waiting, then the body.

    Raises `BodyCut` behind the error that took its place.
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
        data, record.facts["error"] = _dumped(builder.body()), None
    except Exception as error:
        failure = error if isinstance(error, BpuError) else internal(error)
        record.facts["error"] = failure.code
        yield _dumped(record.error_body(failure))
        raise BodyCut from None
    yield data


def _dumped(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode("ascii")


def _json(body: bytes | Iterator[bytes]) -> Response:
    return Response(body, content_type="application/json; charset=utf-8", headers={"Cache-Control": "no-cache"})
