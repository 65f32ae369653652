"""The list of models for all APIs, and refusals of OpenAI's other endpoints."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from bpu.chat.ollama import timestamp
from bpu.errors import UnsupportedEndpoint
from bpu.web.context import AppContext, app_context
from bpu.web.routes.unsupported import METHODS, refuse_endpoints
from bpu.web.served_models import ServedModel

models = Blueprint("models", __name__)

#: First path segments after `/v1/` of OpenAI's endpoints that one language model cannot serve.
UNSUPPORTED = (
    *("embeddings", "audio", "images", "videos", "moderations", "rerank", "files", "uploads", "batches", "fine_tuning"),
    *("assistants", "threads", "vector_stores", "realtime", "conversations", "evals"),
)


@models.get("/v1/models")
def model_list() -> Response:
    """List the models that `limit`, `after_id` and `before_id` select; without them all."""
    found = entries(app_context())
    ids = [one["id"] for one in found]
    first, last = request.args.get("after_id", ""), request.args.get("before_id", "")
    start = ids.index(first) + 1 if first in ids else 0
    end = ids.index(last) if last in ids else len(ids)
    page = found[start:end][: max(1, request.args.get("limit", len(ids), int))]
    return jsonify(
        {
            "object": "list",
            "data": page,
            "has_more": start + len(page) < end,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
    )


@models.get("/v1/models/<path:model>")
def one_model(model: str) -> Response:
    """Show one model. Raises `ModelNotFound`."""
    ctx = app_context()
    return jsonify(entry(ctx, model, ctx.served.find(model)))


def entries(ctx: AppContext) -> list[dict[str, Any]]:
    """Return the entry of every model that a client may name."""
    return [entry(ctx, name, model) for name, model in ctx.served.listed]


def entry(ctx: AppContext, name: str, model: ServedModel) -> dict[str, Any]:
    """Return one model with the fields of OpenAI, Anthropic, vLLM, llama-server and OpenRouter together."""
    card, size = model.card, model.context_size
    lengths = {
        "context_length": size,
        "max_model_len": size,
        "max_input_tokens": size,
        "meta": {"n_ctx": size, "n_ctx_train": size},
    }
    status, reason = model.status(ctx.engine.status())
    return {
        "id": name,
        "object": "model",
        "created": card.created,
        "owned_by": "bpu",
        "type": "model",
        "display_name": name,
        "created_at": timestamp(card.created),
        **(lengths if card.is_context_public else {}),
        "aliases": list(model.aliases) if name == model.id else [],
        "capabilities": card.capabilities,
        "architecture": {"input_modalities": card.input_modalities, "output_modalities": ["text"]},
        "status": {"value": status, **({} if reason is None else {"reason": reason})},
    }


def _unsupported(name: str, rest: str = "") -> Response:
    raise UnsupportedEndpoint(
        f"/v1/{name} is not served: this gateway has one language model, for POST /v1/chat/completions."
    )


@models.route("/v1/responses/<path:rest>", methods=METHODS)
def _kept_response(rest: str) -> Response:
    raise UnsupportedEndpoint("This gateway keeps no responses, so none can be read, cancelled or deleted later.")


refuse_endpoints(models, "/v1", UNSUPPORTED, _unsupported)
