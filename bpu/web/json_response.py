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

    def add(self, delta: Delta) -> object:
        """Add a delta of the answer."""

    def body(self) -> Mapping[str, Any]:
        """Return the whole answer as JSON values; legal after the `Finish`."""


class JsonBody:
    """The output of one answer that is not streamed.

    A worker's event loop adds to it, and the greenlet of the request takes the bytes. It joins the deltas, and says
    when the client must be sent something. That is at the end of the answer, and before it after `patience_s`, then
    after each `period_s`.
    """

    def __init__(
        self,
        builder: ResponseBuilder,
        *,
        patience_s: float,
        period_s: float,
        record: RequestRecord,
        clock: Clock = time.monotonic,
    ) -> None:
        self._builder, self._period_s, self._record, self._clock = builder, period_s, record, clock
        self._due = clock() + patience_s
        self._is_whole = False
        self.has_output = False

    def add(self, delta: Delta) -> None:
        """Add a delta, and note whether the client must be sent something now."""
        self._builder.add(delta)
        self._is_whole = self._is_whole or isinstance(delta, Finish)
        self.has_output = self._is_whole or self._is_due()

    def response(self, waits: Iterator[None]) -> Response:
        """Make the response; `waits` yields when there is output. After `patience_s` the body follows later."""
        for _ in waits:
            if self._is_due() and not self._is_whole:
                return _json_response(self._delayed_body(waits))
        return _json_response(_encode(self._builder.body()))

    def _is_due(self) -> bool:
        """Whether the client has waited so long that it must be sent something."""
        return self._clock() >= self._due

    def _restart(self) -> bytes:
        """Begin the next period of waiting; return what the client is sent."""
        self.has_output, self._due = False, self._clock() + self._period_s
        return KEEPALIVE

    def _delayed_body(self, waits: Iterator[None]) -> Iterator[bytes]:
        """Yield a line break every `period_s` of waiting, then the body.

        Raises `BodyCut` after an error was written instead.
        """
        record = self._record
        record.facts["error"] = "client_left"  # until the end is reached
        yield self._restart()
        try:
            for _ in waits:
                if self._is_due() and not self._is_whole:
                    yield self._restart()
            data, record.facts["error"] = _encode(self._builder.body()), None
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
