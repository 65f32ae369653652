"""One checker for every stream of text completions.

The rules of the chat's, in the older shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openai.types import Completion

from tests.support.checker import check_error, check_usage, parse_sse

_REASONS = {"stop", "length"}


def check_text_stream(data: bytes, request: Mapping[str, Any], *, error: bool = False) -> str:
    """Assert all rules over a stream that answers the body `request`, and give its text."""
    chunks = parse_sse(data)
    if error:
        check_error(chunks.pop())
    text = check_text_begun(chunks)
    reasons = [one["finish_reason"] for chunk in chunks for one in chunk["choices"] if one["finish_reason"]]
    with_usage = [number for number, chunk in enumerate(chunks) if chunk.get("usage")]
    if error:
        assert (reasons, with_usage) == ([], [])
        return text
    wanted = bool((request.get("stream_options") or {}).get("include_usage"))
    assert len(reasons) == 1
    assert chunks[-2 if wanted else -1]["choices"][0]["finish_reason"] in _REASONS
    assert with_usage == [len(chunks) - 1], "usage comes once, in the last chunk"
    assert (chunks[-1]["choices"] == []) is wanted
    check_usage(chunks[-1]["usage"])
    return text


def check_text_begun(chunks: list[Any]) -> str:
    """Assert the rules that hold at every point of a stream."""
    for chunk in chunks:
        Completion.model_validate({**chunk, "choices": [_final(one) for one in chunk["choices"]]}, strict=True)
    assert len({(one["id"], one["created"], one["model"], one["object"]) for one in chunks}) == 1
    return "".join(one["text"] for chunk in chunks for one in chunk["choices"])


def check_text(body: dict[str, Any], request: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The same for an answer in one piece; gives its one choice."""
    Completion.model_validate(body, strict=True)
    check_usage(body["usage"])
    (choice,) = body["choices"]
    assert choice["finish_reason"] in _REASONS
    if choice["finish_reason"] == "stop" and not request.get("stop"):
        assert choice["text"].strip(), "stop with nothing said"
    return dict(choice)


def _final(choice: dict[str, Any]) -> dict[str, Any]:
    """Check a chunk with a finish reason.

    The package's model has no chunk of its own, and its finish reason is never null.
    """
    return {**choice, "finish_reason": choice["finish_reason"] or "stop"}
