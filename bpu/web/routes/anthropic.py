"""Anthropic's Messages API: `POST /v1/messages` and `POST /v1/messages/count_tokens`."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from bpu.chat.anthropic import PING, MessageFormat, omits_thinking, parse_count, parse_message
from bpu.chat.chunks import ResponseMetadata
from bpu.errors import UnsupportedEndpoint
from bpu.web import request_log, sse
from bpu.web.context import app_context
from bpu.web.endpoint_format import EndpointFormat
from bpu.web.request_body import read_json
from bpu.web.request_images import check_lifted
from bpu.web.responder import options, respond
from bpu.web.routes.unsupported import refuse_endpoints

anthropic = Blueprint("anthropic", __name__)

#: First path segments after `/v1/` of Anthropic's endpoints that one language model cannot serve.
UNSUPPORTED = ("messages/batches", "complete", "skills")


@anthropic.post("/v1/messages")
def message() -> Response:
    """Answer one message, streamed or not."""
    ctx, body = app_context(), read_json(may_hold_images=True)
    chat_request = parse_message(body, **options(ctx))
    shows_thinking = not omits_thinking(body)
    del body  # this frame lives for as long as a job waits

    def endpoint_format(head: ResponseMetadata) -> EndpointFormat:
        answer = MessageFormat(head, request_id=request_log.current().request_id, shows_thinking=shows_thinking)
        return EndpointFormat(
            start=answer.start,
            events=answer.events,
            body=answer,
            encode=sse.named_event,
            content_type=sse.EVENT_STREAM,
            keepalive=PING,
            error_events=answer.failed,
            has_comments=False,
        )

    return respond(ctx, chat_request, endpoint_format, "msg_")


@anthropic.post("/v1/messages/count_tokens")
def count_tokens() -> Response:
    """Count the tokens of a prompt, also of one that is too long."""
    ctx = app_context()
    chat_request = parse_count(read_json(may_hold_images=True), **options(ctx))
    check_lifted(chat_request)
    return jsonify({"input_tokens": ctx.served.find(chat_request.model).parts.prompter.count(chat_request)})


def _unsupported(name: str, rest: str = "") -> Response:
    raise UnsupportedEndpoint("This gateway has one language model, for POST /v1/messages, and keeps nothing.")


refuse_endpoints(anthropic, "/v1", UNSUPPORTED, _unsupported)
