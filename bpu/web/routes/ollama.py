"""Ollama's API: model lists, chat and generate, and refusals of its other endpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify

from bpu import __version__
from bpu.chat.chunks import ResponseMetadata
from bpu.chat.ollama import (
    NEVER,
    GenerateFormat,
    LineFormat,
    model_id,
    parse_generate,
    parse_ollama_chat,
    parse_order,
    ps_entry,
    show_answer,
    tags_entry,
    timestamp,
)  # fmt: skip
from bpu.chat.requests import ChatRequest
from bpu.errors import BadRequest, EngineUnavailable, UnsupportedEndpoint
from bpu.web import request_log, sse
from bpu.web.context import AppContext, app_context
from bpu.web.endpoint_format import EndpointFormat
from bpu.web.model_loading import load_and_wait
from bpu.web.request_body import read_json
from bpu.web.responder import options, respond
from bpu.web.routes.unsupported import refuse_endpoints
from bpu.web.served_models import ServedModel

ollama = Blueprint("ollama", __name__)

#: The version of Ollama whose API is served; clients refuse old ones.
VERSION = "0.12.6"
NDJSON = "application/x-ndjson"
#: Ollama's endpoints that one model on a BPU cannot serve.
UNSUPPORTED = ("embed", "embeddings", "create", "push", "copy", "delete", "blobs", "me", "signout", "status",
               "experimental")  # fmt: skip

Parser = Callable[..., ChatRequest]


@ollama.get("/api/version")
def version() -> Response:
    """Show the version of Ollama's API, and the gateway's own."""
    return jsonify({"version": VERSION, "bpu": __version__})


@ollama.get("/api/tags")
def tags() -> Response:
    """List the models without the `-think` ones, because these clients read the reasoning separately."""
    return jsonify({"models": [tags_entry(model.card) for model in app_context().served.models]})


@ollama.get("/api/ps")
def ps() -> Response:
    """List the models that are loaded at present."""
    ctx = app_context()
    status = ctx.engine.status()
    return jsonify(
        {"models": [ps_entry(one.card, _expires(one)) for one in ctx.served.models if one.is_loaded(status)]}
    )


def _expires(model: ServedModel) -> str:
    return timestamp(time.time() + model.idle_unload_s) if model.idle_unload_s else NEVER


@ollama.post("/api/show")
def show() -> Response:
    """Show the facts of one model. Raises `BadRequest` or `ModelNotFound`."""
    ctx, body = app_context(), read_json()
    return jsonify(show_answer(_model(ctx, body).card, _name(body)))


@ollama.post("/api/pull")
def pull() -> Response:
    """Report success for a model whose files are there; nothing is downloaded. Raises `EngineUnavailable`."""
    ctx, body = app_context(), read_json()
    if (problem := _model(ctx, body).problem) is not None:
        raise EngineUnavailable(problem)
    steps = [{"status": "pulling manifest"}, {"status": "success"}]
    if body.get("stream") is False:
        return jsonify(steps[-1])
    return sse.response(map(_encode_line, steps), NDJSON)


@ollama.post("/api/chat")
def chat() -> Response:
    """Answer a conversation, streamed unless `stream` is false."""
    return _answer(read_json(may_hold_images=True), "messages", parse_ollama_chat, LineFormat)


@ollama.post("/api/generate")
def generate() -> Response:
    """Answer a prompt, streamed unless `stream` is false."""
    return _answer(read_json(may_hold_images=True), "prompt", parse_generate, GenerateFormat)


def _answer(body: Any, prompt: str, parse: Parser, line_format: type[LineFormat]) -> Response:
    """Answer `body`; without the field named `prompt`, load or unload the model."""
    ctx = app_context()
    order = parse_order(body, prompt, **options(ctx))
    name, model = _name(body), _model(ctx, body)
    if order is not None:
        if not order.unloads:
            load_and_wait(ctx, model)
        else:
            ctx.engine.unload(model.id)
        head = ResponseMetadata(id=request_log.current().id, created=int(time.time()), model=name)
        return jsonify(line_format(head, name).done("unload" if order.unloads else "load"))
    chat_request = parse(body, reasons=model.reasons, **options(ctx))
    del body  # this frame lives for as long as a job waits

    def endpoint_format(head: ResponseMetadata) -> EndpointFormat:
        answer = line_format(head, name)
        return EndpointFormat(
            start=answer.start,
            events=answer.events,
            body=answer,
            encode=_encode_line,
            content_type=NDJSON,
            keepalive=answer.keepalive,
            error_events=answer.failed,
            has_comments=False,
        )

    return respond(ctx, chat_request, endpoint_format, "ollama-")


def _encode_line(body: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(body, separators=(',', ':'))}\n".encode("ascii")


def _name(body: Mapping[str, Any]) -> str:
    """Return the client's own name for the model, which its answer repeats."""
    return str(body.get("model") or body.get("name"))


def _model(ctx: AppContext, body: Any) -> ServedModel:
    """Find the model that `body` names. Raises `BadRequest` or `ModelNotFound`."""
    if not isinstance(body, Mapping):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    return ctx.served.find(model_id(body, **options(ctx)))


def _unsupported(name: str, rest: str = "") -> Response:
    raise UnsupportedEndpoint("This gateway has one language model: it makes, copies and embeds nothing.")


refuse_endpoints(ollama, "/api", UNSUPPORTED, _unsupported)
