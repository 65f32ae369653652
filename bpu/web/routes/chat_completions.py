"""The chat endpoint: a body in, chunks or one completion out. The way between is `bpu.web.responder`."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response

from bpu.chat.chunks import CompletionBuilder, ResponseMetadata, chunks, is_keepalive
from bpu.chat.requests import parse_chat
from bpu.web import sse
from bpu.web.context import gateway
from bpu.web.request_body import read_json
from bpu.web.responder import EndpointFormat, options, respond

openai = Blueprint("openai", __name__)


@openai.post("/v1/chat/completions")
def chat() -> Response:
    """One chat completion, streamed or not."""
    here = gateway()
    return respond(here, parse_chat(read_json(), **options(here)), _face, "chatcmpl-")


def _face(head: ResponseMetadata) -> EndpointFormat:
    style = sse.StreamFormat(silent=is_keepalive, event=sse.Frames().event)
    return EndpointFormat(partial(chunks, head=head), CompletionBuilder(head), style)
