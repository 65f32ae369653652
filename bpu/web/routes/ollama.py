"""Ollama's API: lists of models, chat and generate as lines of JSON, and a clear no for what only Ollama can do."""

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
from bpu.errors import BadRequest, UnsupportedEndpoint
from bpu.web import request_log, sse
from bpu.web.context import AppContext, gateway
from bpu.web.model_loading import load_and_wait
from bpu.web.request_body import read_json
from bpu.web.responder import EndpointFormat, options, respond
from bpu.web.served_models import ServedModel

ollama = Blueprint("ollama", __name__)

#: The version of Ollama whose API this is: clients read it as three numbers and refuse old ones.
VERSION = "0.12.6"
NDJSON = "application/x-ndjson"
#: What Ollama has and one model on a BPU has not.
UNSUPPORTED = ("embed", "embeddings", "create", "push", "copy", "delete", "blobs", "me", "signout", "status",
               "experimental")  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

Parser = Callable[..., ChatRequest]


@ollama.get("/api/version")
def version() -> Response:
    return jsonify({"version": VERSION, "bpu": __version__})


@ollama.get("/api/tags")
def tags() -> Response:
    """The models, the `-think` ones not among them: these clients read the reasoning apart."""
    return jsonify({"models": [tags_entry(model.card) for model in gateway().served.models]})


@ollama.get("/api/ps")
def ps() -> Response:
    """The models that are loaded at the moment."""
    here = gateway()
    status = here.engine.status()
    return jsonify(
        {"models": [ps_entry(one.card, _expires(one)) for one in here.served.models if one.is_loaded(status)]}
    )


def _expires(model: ServedModel) -> str:
    return timestamp(time.time() + model.idle_unload_s) if model.idle_unload_s else NEVER


@ollama.post("/api/show")
def show() -> Response:
    here, body = gateway(), read_json()
    return jsonify(show_answer(_model(here, body).card, _name(body)))


@ollama.post("/api/pull")
def pull() -> Response:
    """Success for a model that is served; nothing is downloaded."""
    here, body = gateway(), read_json()
    _model(here, body)
    steps = [{"status": "pulling manifest"}, {"status": "success"}]
    if body.get("stream") is False:
        return jsonify(steps[-1])
    return sse.response(map(_line, steps), NDJSON)


@ollama.post("/api/chat")
def chat() -> Response:
    """One answer of a conversation, streamed unless `stream` is false."""
    return _answer(read_json(), "messages", parse_ollama_chat, LineFormat)


@ollama.post("/api/generate")
def generate() -> Response:
    """One answer to a prompt, streamed unless `stream` is false."""
    return _answer(read_json(), "prompt", parse_generate, GenerateFormat)


def _answer(body: Any, prompt: str, parse: Parser, form: type[LineFormat]) -> Response:
    """The answer to `body`; without a `prompt` (the field's name) the model is loaded or unloaded."""
    here = gateway()
    order = parse_order(body, prompt, **options(here))
    name, model = _name(body), _model(here, body)
    if order is not None:
        if not order.unloads:
            load_and_wait(here, model)
        elif here.model_id == model.id:
            here.engine.unload()
        head = ResponseMetadata(id=request_log.current().id, created=int(time.time()), model=name)
        return jsonify(form(head, name).done("unload" if order.unloads else "load"))
    asked = parse(body, reasons=model.reasons, **options(here))
    del body  # this frame lives for as long as a job waits

    def face(head: ResponseMetadata) -> EndpointFormat:
        shape = form(head, name)
        style = sse.StreamFormat(
            silent=lambda line: line is shape.keepalive,
            event=_line,
            failed=shape.failed,
            done=b"",
            comments=False,
            content_type=NDJSON,
        )
        return EndpointFormat(shape.events, shape, style)

    return respond(here, asked, face, "ollama-")


def _line(body: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(body, separators=(',', ':'))}\n".encode("ascii")


def _name(body: Mapping[str, Any]) -> str:
    """The client's own word for the model, which its answer repeats."""
    return str(body.get("model") or body.get("name"))


def _model(here: AppContext, body: Any) -> ServedModel:
    """The model that `body` names. Raises `BadRequest` or `ModelNotFound`."""
    if not isinstance(body, Mapping):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    return here.served.find(model_id(body, **options(here)))


def _unsupported(rest: str = "") -> Response:
    raise UnsupportedEndpoint("This gateway has one language model: it makes, copies and embeds nothing.")


for _part in UNSUPPORTED:
    for _rule in (f"/api/{_part}", f"/api/{_part}/<path:rest>"):
        ollama.add_url_rule(_rule, "unsupported", _unsupported, methods=METHODS)
