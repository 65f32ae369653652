"""The older text completions: a thin face of the chat, at an address of its own."""

from __future__ import annotations

from flask import Blueprint, Response

from bpu.chat.chunks import ResponseMetadata
from bpu.chat.completions import PARAMS, TextCompletionFormat, is_keepalive, parse_completion
from bpu.chat.requests import translate_params
from bpu.web import sse
from bpu.web.context import gateway
from bpu.web.request_body import read_json
from bpu.web.responder import EndpointFormat, options, respond

completions = Blueprint("completions", __name__)


@completions.post("/v1/completions")
def complete() -> Response:
    """One text completion, streamed or not."""
    here = gateway()
    asked, echo = parse_completion(read_json(), **options(here))

    def face(head: ResponseMetadata) -> EndpointFormat:
        shape = TextCompletionFormat(head, echo)
        return EndpointFormat(shape.events, shape, sse.StreamFormat(silent=is_keepalive))

    with translate_params(PARAMS):
        return respond(here, asked, face, "cmpl-")
