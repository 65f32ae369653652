"""The list of models, and the parts of OpenAI's API that one language model cannot serve, each with a clear no."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from bpu.errors import ModelNotFound, UnsupportedEndpoint
from bpu.web.gateway import Gateway, gateway

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
    if model not in here.served:
        raise ModelNotFound(
            f"The model `{model[:100]}` does not exist. This gateway serves {' and '.join(here.served)}.", param="model"
        )
    return jsonify(entry(here, model))


def entries(here: Gateway) -> list[dict[str, Any]]:
    """Every model that a client may name."""
    return [entry(here, model) for model in here.served]


def entry(here: Gateway, model: str) -> dict[str, Any]:
    """One model as OpenAI shapes it; the context length in tokens under both names that clients read."""
    size = here.context_size if here.settings.publish_context else None
    extras = {} if size is None else {"context_length": size, "max_model_len": size}
    return {"id": model, "object": "model", "created": here.created, "owned_by": "bpu", **extras}


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
