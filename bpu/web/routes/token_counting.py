"""Token counts, tokens, and the properties of the server, all from memory without the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from bpu import __version__
from bpu.chat.requests import ChatRequest, parse_chat
from bpu.chat.responses.request import parse_response
from bpu.chat.tokens import Vocabulary
from bpu.errors import BadRequest, ModelNotFound, UnsupportedEndpoint
from bpu.web.context import AppContext, app_context
from bpu.web.request_body import read_object
from bpu.web.request_images import check_lifted
from bpu.web.responder import options
from bpu.web.served_models import ServedModel

counting = Blueprint("counting", __name__)


@counting.post("/v1/chat/completions/input_tokens")
def chat_tokens() -> Response:
    """Count the tokens of a chat request, also of one that is too long."""
    ctx = app_context()
    return _count_response(ctx, parse_chat(_body(ctx, may_hold_images=True), **options(ctx)))


@counting.post("/v1/responses/input_tokens")
def response_tokens() -> Response:
    """Count the tokens of a request of the Responses API, of any length."""
    ctx = app_context()
    return _count_response(ctx, parse_response(_body(ctx, may_hold_images=True), **options(ctx)))


def _count_response(ctx: AppContext, chat_request: ChatRequest) -> Response:
    check_lifted(chat_request)
    count = ctx.served.find(chat_request.model).parts.prompter.count(chat_request)
    return jsonify({"object": "response.input_tokens", "input_tokens": count})


@counting.post("/v1/tokenize")
def tokenize() -> Response:
    """Tokenize `content` (llama-server), or `prompt` or `messages` (vLLM)."""
    ctx, body = app_context(), _body(app_context())
    model = ctx.served.find(body["model"])
    text, vocabulary = _text(ctx, model, body), _vocabulary(model)
    tokens = vocabulary.encode(text, add_special=bool(body.get("add_special") or body.get("add_special_tokens")))
    pieces = {one: vocabulary.piece(one) for one in set(tokens)} if body.get("with_pieces") else {}
    shown = [{"id": one, "piece": pieces[one]} for one in tokens] if pieces else tokens
    length = {"max_model_len": model.context_size} if model.is_context_public else {}
    return jsonify({"tokens": shown, "count": len(tokens), **length})


@counting.post("/v1/detokenize")
def detokenize() -> Response:
    """Return the text of the token ids in `tokens`."""
    ctx, body = app_context(), _body(app_context())
    model = ctx.served.find(body["model"])
    tokens, vocabulary = body.get("tokens"), _vocabulary(model)
    most = model.parts.prompter.counted_at_once
    if not isinstance(tokens, list) or len(tokens) > most:
        raise BadRequest(f"`tokens` must be an array of at most {most} token ids.", param="tokens")
    if not all(type(one) is int and 0 <= one < vocabulary.size for one in tokens):
        raise BadRequest(f"A token id is a whole number from 0 to {vocabulary.size - 1}.", param="tokens")
    text = vocabulary.decode(tokens)
    return jsonify({"content": text, "prompt": text})


@counting.post("/v1/apply-template")
def apply_template() -> Response:
    """Render the prompt of a chat of these messages."""
    ctx = app_context()
    chat_request = parse_chat(_body(ctx, may_hold_images=True), **options(ctx))
    check_lifted(chat_request)
    return jsonify({"prompt": ctx.served.find(chat_request.model).parts.prompter.render(chat_request)})


@counting.get("/v1/props")
def props() -> Response:
    """Show the properties of the server and of one model in llama-server's format.

    The model is the one in the query; without it, or where that is not served, the default one.
    """
    ctx = app_context()
    status, model = ctx.engine.status(), _queried_model(ctx)
    card, prompter = model.card, model.parts.prompter
    length = {"n_ctx": card.context} if card.is_context_public else {}
    bos, eos = prompter.special_tokens
    return jsonify(
        {
            "default_generation_settings": {
                "id": 0,
                "id_task": -1,
                **length,
                "speculative": False,
                "is_processing": status["running"] is not None,
                "params": {"n_predict": -1, "stop": [], "stream": True},
            },
            "total_slots": 1,
            "model_path": card.file,
            "model_alias": card.id,
            "chat_template": prompter.template,
            "chat_template_caps": {"supports_tools": True},
            "modalities": {"vision": card.sees, "audio": False},
            "build_info": f"bpu-{__version__}",
            "bos_token": bos,
            "eos_token": eos,
            "is_sleeping": not model.is_loaded(status),
        }
    )


@counting.post("/v1/props")
def set_props() -> Response:
    """Refuse to change properties, because settings hold for a whole run."""
    raise UnsupportedEndpoint("Properties are the gateway's settings; they cannot be changed while it runs.")


def _queried_model(ctx: AppContext) -> ServedModel:
    try:
        return ctx.served.find(request.args.get("model", ""))
    except ModelNotFound:
        return ctx.served.default


def _body(ctx: AppContext, *, may_hold_images: bool = False) -> dict[str, Any]:
    """Read the body; without a model it means the default one. Raises `BadRequest` or `ModelNotFound`."""
    body = read_object(may_hold_images=may_hold_images)
    model = body.get("model") or ctx.served.default.id
    if not isinstance(model, str):
        raise BadRequest("`model` must be a string.", param="model")
    ctx.served.find(model)
    return {**body, "model": model}


def _text(ctx: AppContext, model: ServedModel, body: Mapping[str, Any]) -> str:
    text: Any
    if body.get("messages") is not None:
        text = model.parts.prompter.render(parse_chat(body, **options(ctx)))
        name = "messages"
    else:
        name = "prompt" if body.get("content") is None and body.get("prompt") is not None else "content"
        text = body.get(name)
    if not isinstance(text, str):
        raise BadRequest(f"`{name}` must be a string.", param=name)
    if len(text) > (most := model.parts.prompter.counted_at_once):
        raise BadRequest(f"`{name}` has {len(text)} characters; {most} are the most.", param=name)
    return text


def _vocabulary(model: ServedModel) -> Vocabulary:
    vocabulary = model.parts.counter.vocabulary
    if vocabulary is None:
        raise BadRequest(
            "There is no tokenizer of this model here, so its tokens are only estimated: set BPU_TOKENIZER_DIR to a "
            "folder with its `tokenizer.json`. Counts are at POST /v1/chat/completions/input_tokens."
        )
    return vocabulary
