"""Errors in Anthropic's form: `{"type": "error", "error": {"type", "message"}, "request_id"}`."""

from __future__ import annotations

from typing import Any

from bpu.errors import BpuError, ContextLengthExceeded

#: Anthropic's error types by status. Other statuses below 500 are the client's mistake.
STATUSES = {
    "authentication_error": (401,),
    "permission_error": (403,),
    "not_found_error": (404,),
    "timeout_error": (408, 504),
    "request_too_large": (413,),
    "rate_limit_error": (429,),
    "overloaded_error": (503,),
    "api_error": (424, 499),
}


def error_body(error: BpuError, request_id: str) -> dict[str, Any]:
    """Make the body of `error`.

    It has the gateway's code and the model's text (`output`) besides Anthropic's fields.
    """
    usual = "invalid_request_error" if error.status < 500 else "api_error"
    kind = next((kind for kind, statuses in STATUSES.items() if error.status in statuses), usual)
    ours = error.body()["error"]
    more = {name: ours[name] for name in ("code", "output") if name in ours}
    return {
        "type": "error",
        "error": {"type": kind, "message": _message(error), **more},
        "request_id": request_id,
    }


def _message(error: BpuError) -> str:
    """Return the message behind the field's path.

    Claude Code parses both numbers of a too long prompt.
    """
    if isinstance(error, ContextLengthExceeded) and error.prompt_tokens:
        return f"prompt is too long: {error.prompt_tokens} tokens > {error.fitting_tokens} maximum. {error.message}"
    return f"{error.param}: {error.message}" if error.param else error.message
