"""The format of one endpoint's answers, in which the answering endpoints differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from bpu.chat.chunks import ResponseMetadata
from bpu.chat.deltas import Delta, KeepAlive
from bpu.errors import BpuError
from bpu.web.json_response import ResponseBuilder


def _error_body(error: BpuError) -> list[dict[str, Any]]:
    return [error.body()]


@dataclass(frozen=True)
class EndpointFormat:
    """How one answer is written: `start`, `events` and `encode` when streamed, else `body`.

    A worker makes one for each answer; the greenlet of the request uses it.
    """

    #: Makes the events before the first delta, and those of each delta; `KeepAlive` passes through.
    start: Callable[[], Sequence[Union[dict[str, Any], KeepAlive]]]
    events: Callable[[Delta], Sequence[Union[dict[str, Any], KeepAlive]]]
    body: ResponseBuilder
    #: Makes the bytes of one event.
    encode: Callable[[Mapping[str, Any]], bytes]
    content_type: str
    #: The event of a keep-alive; None: a comment is the only form.
    keepalive: Mapping[str, Any] | None = None
    #: Makes the events that end a stream with an error.
    error_events: Callable[[BpuError], list[dict[str, Any]]] = _error_body
    #: Ends every stream, also one that ended with an error.
    terminator: bytes = b""
    #: False: the format has no comments, or clients time out in spite of them, so a keep-alive is an event.
    has_comments: bool = True


FormatFactory = Callable[[ResponseMetadata], EndpointFormat]
