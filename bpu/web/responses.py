"""The Responses API: a thin, stateless face of the chat, at an address of its own."""

from __future__ import annotations

from flask import Blueprint, Response

from bpu.chat.chunks import Head
from bpu.chat.requests import renamed
from bpu.chat.response_shape import ResponseShape
from bpu.chat.responses import PARAMS, parse_response
from bpu.web import sse
from bpu.web.answering import Face, options, respond
from bpu.web.body import read_json
from bpu.web.gateway import gateway

responses = Blueprint("responses", __name__)


@responses.post("/v1/responses")
def answer() -> Response:
    """One response, streamed or not. Nothing of it is kept."""
    here, body = gateway(), read_json()
    asked = parse_response(body, **options(here))

    def face(head: Head) -> Face:
        shape = ResponseShape(head, asked, body)
        style = sse.Style(silent=lambda event: not event, event=sse.named, failed=shape.failed, done=b"")
        return Face(shape.events, shape, style)

    with renamed(PARAMS):
        return respond(here, asked, face, "resp_")
