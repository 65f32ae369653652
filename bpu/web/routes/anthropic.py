"""Anthropic's Messages: a body in, events or one message out, and the count of a prompt's tokens."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from bpu.chat.anthropic import MessageFormat, is_ping, omits_thinking, parse_count, parse_message
from bpu.chat.chunks import ResponseMetadata
from bpu.errors import UnsupportedEndpoint
from bpu.web import request_log, sse
from bpu.web.context import gateway
from bpu.web.request_body import read_json
from bpu.web.responder import EndpointFormat, options, respond

anthropic = Blueprint("anthropic", __name__)

#: First parts after `/v1/` of what Anthropic has and a language model on a BPU has not.
UNSUPPORTED = ("messages/batches", "complete", "skills")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@anthropic.post("/v1/messages")
def message() -> Response:
    """One message, streamed or not."""
    here, body = gateway(), read_json()
    asked = parse_message(body, **options(here))
    shows_thinking = not omits_thinking(body)
    del body  # this frame lives for as long as a job waits

    def face(head: ResponseMetadata) -> EndpointFormat:
        form = MessageFormat(head, request_id=request_log.current().request_id, shows_thinking=shows_thinking)
        style = sse.StreamFormat(silent=is_ping, event=sse.named, failed=form.failed, done=b"", comments=False)
        return EndpointFormat(form.events, form, style)

    return respond(here, asked, face, "msg_")


@anthropic.post("/v1/messages/count_tokens")
def count_tokens() -> Response:
    """The tokens of a prompt, also of one that is too long."""
    here = gateway()
    asked = parse_count(read_json(), **options(here))
    return jsonify({"input_tokens": here.served.find(asked.model).parts.prompter.count(asked)})


def _unsupported(rest: str = "") -> Response:
    raise UnsupportedEndpoint("This gateway has one language model, for POST /v1/messages, and keeps nothing.")


for _name in UNSUPPORTED:
    for _rule in (f"/v1/{_name}", f"/v1/{_name}/<path:rest>"):
        anthropic.add_url_rule(_rule, "unsupported", _unsupported, methods=METHODS)
