"""Checks the error object of every API, by the path that was asked.

Without help of the code under test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.checker import check_error

#: The types that Anthropic's documentation lists, as far as a gateway can have them.
ANTHROPIC_TYPES = {
    "invalid_request_error", "authentication_error", "permission_error", "not_found_error", "request_too_large",
    "rate_limit_error", "api_error", "timeout_error", "overloaded_error",
}  # fmt: skip
#: Paths of Anthropic's API alone, and those that are its own when the client names its version.
_ANTHROPIC = ("/v1/messages", "/v1/complete", "/v1/skills")
_SHARED = ("/v1/models", "/v1/files")


def check_error_at(path: str, body: Any, headers: Mapping[str, str] = {}) -> None:
    """Assert that `body` is an error as clients of `path` expect it.

    With nothing of another API's.
    """
    if _below(path, ("/api",)):
        check_ollama_error(body)
    elif _below(path, _ANTHROPIC) or (_below(path, _SHARED) and "anthropic-version" in headers):
        check_anthropic_error(body)
    else:
        check_error(body)


def check_ollama_error(body: Any) -> str:
    """Assert that `body` is Ollama's error object, and give its words."""
    assert {"error"} <= set(body) <= {"error", "code", "output"}, body
    words = body["error"]
    assert isinstance(words, str)
    assert words
    return words


def check_anthropic_error(body: Any) -> dict[str, Any]:
    """Assert that `body` is Anthropic's error object, and give its inner one."""
    assert set(body) == {"type", "error", "request_id"}, body
    assert body["type"] == "error"
    assert body["request_id"].startswith("req_")
    failure: dict[str, Any] = body["error"]
    assert {"type", "message"} <= set(failure) <= {"type", "message", "code", "output"}, failure
    assert failure["type"] in ANTHROPIC_TYPES
    assert failure["message"]
    return failure


def _below(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)
