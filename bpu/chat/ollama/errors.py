"""Errors in Ollama's form: `{"error": "message"}`, a string, with the gateway's own code beside it."""

from __future__ import annotations

from typing import Any

from bpu.errors import BpuError, ModelNotFound


def error_body(error: BpuError, request_id: str) -> dict[str, Any]:
    """Make the body of `error`.

    Clients show the string unchanged, and some search it for `not found`.
    """
    missing = error.model if isinstance(error, ModelNotFound) else ""
    ours = error.body()["error"]
    more = {name: ours[name] for name in ("code", "output") if name in ours}
    return {"error": f"model '{missing}' not found" if missing else error.message, **more}
