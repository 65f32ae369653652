"""`POST /v1/completions`: the older text completions, answered as a chat of one message."""

from __future__ import annotations

from flask import Blueprint, Response

from bpu.chat.chunks import ResponseMetadata
from bpu.chat.completions import PARAMS, TextCompletionFormat, parse_completion
from bpu.chat.requests import translate_params
from bpu.web import sse
from bpu.web.context import app_context
from bpu.web.endpoint_format import EndpointFormat
from bpu.web.request_body import read_json
from bpu.web.responder import options, respond

completions = Blueprint("completions", __name__)


@completions.post("/v1/completions")
def complete() -> Response:
    """Answer one text completion, streamed or not."""
    ctx = app_context()
    chat_request, echo = parse_completion(read_json(), **options(ctx))

    def endpoint_format(head: ResponseMetadata) -> EndpointFormat:
        completion = TextCompletionFormat(head, echo)
        return EndpointFormat(
            start=completion.start,
            events=completion.events,
            body=completion,
            encode=sse.event,
            content_type=sse.EVENT_STREAM,
            keepalive=completion.keepalive,
            terminator=sse.DONE,
        )

    with translate_params(PARAMS):
        return respond(ctx, chat_request, endpoint_format, "cmpl-")
