"""The list of models, and the parts of OpenAI's API that one language model cannot serve, each with a clear no."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bpu.web.errors import UnsupportedEndpoint
from bpu.web.gateway import Gateway, gateway
from bpu.web.served_models import ServedModel

models = Blueprint("models", __name__)

#: First parts after `/v1/` of what OpenAI has and a language model on a BPU has not.
UNSUPPORTED = (
    *("embeddings", "audio", "images", "videos", "moderations", "rerank", "files", "uploads", "batches", "fine_tuning"),
    *("assistants", "threads", "vector_stores", "realtime", "conversations", "evals"),
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@models.get("/v1/models")
def model_list() -> Response:
    here = gateway()
    return jsonify({"object": "list", "data": entries(here)})


@models.get("/v1/models/<path:model>")
def one_model(model: str) -> Response:
    here = gateway()
    return jsonify(entry(here, model, here.served.find(model)))


def entries(here: Gateway) -> list[dict[str, Any]]:
    """Every model that a client may name."""
    return [entry(here, name, model) for name, model in here.served.listed]


def entry(here: Gateway, name: str, model: ServedModel) -> dict[str, Any]:
    """One model as OpenAI shapes it; the context length in tokens under the three names that clients read."""
    size = model.context_size if here.settings.publish_context else None
    extras = {} if size is None else {"context_length": size, "max_model_len": size, "meta": {"n_ctx": size}}
    status, reason = model.status(here.engine.status())
    return {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": "bpu",
        **extras,
        "aliases": list(model.aliases) if name == model.id else [],
        "status": status,
        **({} if reason is None else {"reason": reason}),
        "capabilities": ["completion", "tools", *(["thinking"] if model.thinks else [])],
        "input_modalities": ["text"],
    }


def _unsupported(name: str, rest: str = "") -> Response:
    raise UnsupportedEndpoint(
        f"/v1/{name} is not served: this gateway has one language model, for POST /v1/chat/completions."
    )


@models.route("/v1/responses/<path:rest>", methods=METHODS)
def _kept_response(rest: str) -> Response:
    raise UnsupportedEndpoint("This gateway keeps no responses, so none can be read, cancelled or deleted later.")


for _name in UNSUPPORTED:
    for _rule in (f"/v1/{_name}", f"/v1/{_name}/<path:rest>"):
        models.add_url_rule(_rule, "unsupported", _unsupported, methods=METHODS, defaults={"name": _name})
