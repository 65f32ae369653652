"""`POST /v1/responses`: the Responses API, answered as a chat; no response is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from bpu.chat.chunks import ResponseMetadata
from bpu.chat.requests import translate_params
from bpu.chat.responses.answer import ResponsesFormat
from bpu.chat.responses.request import PARAMS, parse_response
from bpu.errors import BadRequest
from bpu.web import sse
from bpu.web.context import app_context
from bpu.web.endpoint_format import EndpointFormat
from bpu.web.request_body import read_json
from bpu.web.responder import options, respond

responses = Blueprint("responses", __name__)

#: Fields of a request that its response repeats, and that are therefore held until its end.
REPEATED = ("instructions", "reasoning", "temperature", "text", "tool_choice", "tools", "top_p")
#: Limit of all of them as JSON, without the instructions, which the prompt's own limit bounds.
REPEATED_BYTES = 128 * 1024
#: OpenAI's own limits of `metadata`.
METADATA_PAIRS, METADATA_NAME, METADATA_VALUE = 16, 64, 512


@responses.post("/v1/responses")
def answer() -> Response:
    """Answer one response, streamed or not."""
    ctx, body = app_context(), read_json(may_hold_images=True)
    chat_request = parse_response(body, **options(ctx))
    repeated = _repeated(body)
    del body  # this frame lives for as long as a job waits

    def endpoint_format(head: ResponseMetadata) -> EndpointFormat:
        answer = ResponsesFormat(head, chat_request, repeated)
        return EndpointFormat(
            start=answer.start,
            events=answer.events,
            body=answer,
            encode=sse.named_event,
            content_type=sse.EVENT_STREAM,
            error_events=answer.failed,
        )

    with translate_params(PARAMS):
        return respond(ctx, chat_request, endpoint_format, "resp_")


def _repeated(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the response repeats.

    Raises `BadRequest` when they are too large to hold.
    """
    sizes = {name: len(json.dumps(body.get(name))) for name in REPEATED[1:]}
    if sum(sizes.values()) > REPEATED_BYTES:
        largest = max(sizes, key=lambda name: sizes[name])
        raise BadRequest(
            f"{' and '.join(f'`{name}`' for name in sizes)} are larger than {REPEATED_BYTES} bytes of JSON.",
            param=largest,
        )
    return {**{name: body.get(name) for name in REPEATED}, "metadata": _metadata(body.get("metadata"))}


def _metadata(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return None
    if len(given) > METADATA_PAIRS:
        raise BadRequest(f"`metadata` holds {len(given)} pairs; {METADATA_PAIRS} are the most.", param="metadata")
    for name, value in given.items():
        if len(name) > METADATA_NAME or (isinstance(value, str) and len(value) > METADATA_VALUE):
            raise BadRequest(
                f"A name in `metadata` has at most {METADATA_NAME} characters, a value {METADATA_VALUE}.",
                param="metadata",
            )
    return {name: value for name, value in given.items() if isinstance(value, str)}
