"""`POST /v1/chat/completions`: parses the request and names the format; `bpu.web.responder` answers."""

from __future__ import annotations

from flask import Blueprint, Response

from bpu.chat.chunks import ChunkFormat, CompletionBuilder, ResponseMetadata, keepalive_chunk
from bpu.chat.requests import parse_chat
from bpu.web import sse
from bpu.web.context import app_context
from bpu.web.endpoint_format import EndpointFormat
from bpu.web.request_body import read_json
from bpu.web.responder import options, respond

openai = Blueprint("openai", __name__)


@openai.post("/v1/chat/completions")
def chat() -> Response:
    """Answer one chat completion, streamed or not."""
    ctx = app_context()
    return respond(ctx, parse_chat(read_json(may_hold_images=True), **options(ctx)), _endpoint_format, "chatcmpl-")


def _endpoint_format(head: ResponseMetadata) -> EndpointFormat:
    chunks = ChunkFormat(head)
    return EndpointFormat(
        start=chunks.start,
        events=chunks.events,
        body=CompletionBuilder(head),
        encode=sse.ChunkEncoder().encode,
        content_type=sse.EVENT_STREAM,
        keepalive=keepalive_chunk(head),
        terminator=sse.DONE,
    )
