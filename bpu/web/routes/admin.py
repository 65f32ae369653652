"""The state of the gateway and its administration: health, readiness, slots, orders to the engine.

No view waits for the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from bpu import __version__
from bpu.errors import STATE_FOLDER_REMEDY, BadRequest, EngineUnavailable
from bpu.web import ollama_bind
from bpu.web.context import AppContext, app_context
from bpu.web.request_body import read_object

ops = Blueprint("ops", __name__)

#: The reason why a state is not ready. A state that is not here takes requests.
NOT_READY = {
    "starting": "The model is being loaded.",
    "checking": "The console is being examined, which happens only once.",
    "stopping": "The engine is being stopped.",
    "failed": "The engine has failed.",
}
#: Retry time before the first answer of an examination, when its remaining time cannot be predicted.
EXAMINATION_RETRY_S = 10.0
#: What to do about a state, where the engine's own error does not say it.
REMEDIES = {
    "stopped": "Nothing: the next request loads the model. POST /v1/engine/load loads it now.",
    "starting": "Wait: requests are taken and wait for the model.",
    "checking": "Wait: requests are taken, and wait at most BPU_EXAM_LIMIT_S for the end of the examination.",
    "failed": "Read `error` and the lines in `log`, put the cause right, then POST /v1/engine/load.",
}
#: Replaces an error's message for a request without a key.
ASK_WITH_KEY = "The reason is shown to requests with a key."


class JobNotFound(BadRequest):
    """No job with that id waits or runs."""

    status = 404
    code = "job_not_found"


@ops.get("/health")
def health() -> Response:
    """Answer 200 while the gateway itself runs, whatever the engine's state."""
    return jsonify(_health())


@ops.get("/ready")
def ready() -> tuple[Response, int]:
    """Answer 200 while requests are served without an operator's action, else 503 and the reason."""
    ctx = app_context()
    status = _status()
    reason = _not_ready(status, preload=ctx.settings.preload)
    if reason is None and not ctx.engine.is_reachable:
        reason = f"The engine's keeper or its state folder cannot be used at the moment. {STATE_FOLDER_REMEDY}"
    body: dict[str, Any] = {"ready": reason is None, "state": status["state"], "reason": reason}
    response = jsonify(body)
    if reason is not None and (seconds := _retry_after_s(status)):
        response.headers["Retry-After"] = str(max(1, min(60, round(seconds))))
    return response, 200 if reason is None else 503


@ops.get("/slots")
def slots() -> Response:
    """Show the one slot, the job in it, and the waiting jobs in their order.

    Ages are in seconds.
    """
    ctx = app_context()
    status = ctx.engine.status()
    running = status["running"]
    return jsonify(
        {
            "slots": [{"id": 0, "state": status["state"], "is_processing": running is not None, "job": running}],
            "waiting": list(status["waiting"]),
            "queue_limit": ctx.settings.queue_limit,
            "n_ctx": ctx.context_size,
            "cache_tokens": status["cache_tokens"],
            "model": ctx.model_id,
            "swap_after_s": ctx.settings.swap_after_s,
        }
    )


@ops.post("/v1/jobs/<job_id>/cancel")
def cancel(job_id: str) -> Response:
    """Cancel a waiting or running job; its client gets `job_cancelled`."""
    if not app_context().engine.cancel(job_id):
        raise JobNotFound("No job of this id waits or runs; GET /slots lists those that do.", param="id")
    return jsonify({"id": job_id, "cancelled": True})


@ops.post("/v1/engine/load")
def load() -> tuple[Response, int]:
    """Order a load without waiting for it.

    Without `model` in the body the last model is loaded.
    """
    ctx, has_body = app_context(), request.content_length or "Transfer-Encoding" in request.headers
    body = read_object() if has_body else {}
    name = body.get("model")
    if name is None:
        ctx.engine.load()
    elif isinstance(name, str):
        model = ctx.served.find(name)
        if model.problem is not None:
            raise EngineUnavailable(model.problem)
        ctx.engine.load(model.id)
    else:
        raise BadRequest("`model` must be a string.", param="model")
    return jsonify(_health()), 202


@ops.post("/v1/engine/unload")
def unload() -> tuple[Response, int]:
    """Order an unload without waiting for it; the next request loads the model again."""
    app_context().engine.unload()
    return jsonify(_health()), 202


@ops.post("/v1/engine/examine")
def examine() -> tuple[Response, int]:
    """Order an examination of the console's capabilities; it begins when no job is left."""
    app_context().engine.examine()
    return jsonify(_health()), 202


def _status() -> Mapping[str, Any]:
    """Return the engine's status; without a key, without console lines and error text."""
    status = app_context().engine.status()
    if g.get("has_key", True):
        return status
    return {**status, "log": [], "error": ASK_WITH_KEY if status["error"] else None}


def _health() -> dict[str, Any]:
    ctx = app_context()
    status = _status()
    state = status["state"]
    return {
        "status": "error" if state == "failed" else "ok",
        "version": __version__,
        "model": ctx.model_id,
        "context_length": ctx.context_size,
        "simulated": ctx.simulated,
        "notice": _notice(ctx),
        "ollama_bind": ollama_bind.state(),
        "engine": {**status, "waiting": len(status["waiting"]), "running": status["running"] is not None},
        "since_s": status["since_s"],
        "error": status["error"],
        "remedy": status.get("remedy") or REMEDIES.get(state),
    }


def _retry_after_s(status: Mapping[str, Any]) -> float | None:
    if status["state"] != "checking":
        return status.get("retry_after_s")
    rest_s = (status["examination"] or {}).get("rest_s")
    return EXAMINATION_RETRY_S if rest_s is None else max(1.0, rest_s)


def _notice(ctx: AppContext) -> str | None:
    """Return a notice if the answers do not come from the board's BPU, else None."""
    if ctx.on_cpu:
        return "A small model on this computer's processor, not the BPU."
    return "A simulator: its answers are stored texts, no model and no BPU is used." if ctx.simulated else None


def _not_ready(status: Mapping[str, Any], *, preload: bool) -> str | None:
    state = status["state"]
    if state == "stopped" and preload and not status["loads"]:
        return "The model is not loaded yet."
    if (reason := NOT_READY.get(state)) is None:
        return None
    return f"{reason} {status['error']}" if status["error"] else reason
