"""One checker for every answer of Ollama's chat and generate, with the official package's types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ollama import ChatResponse, GenerateResponse

from tests.support.api_errors import check_ollama_error

FIGURES = (
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
)


def parse_lines(data: bytes) -> list[dict[str, Any]]:
    """The objects of a stream: one a line, and no line is empty."""
    assert data.endswith(b"\n")
    lines = data.decode("ascii").removesuffix("\n").split("\n")
    assert all(line.startswith("{") for line in lines)
    return [json.loads(line) for line in lines]


def check_lines(data: bytes, request: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Assert all rules of a stream, and return the answer of its lines.

    Or the line of its error.
    """
    lines = parse_lines(data)
    if "error" in lines[-1]:
        check_ollama_error(lines[-1])
        assert not any(line.get("done") for line in lines)
        return lines[-1]
    check_lines_begun(lines[:-1])
    last = lines[-1]
    text, thinking, calls = _joined(lines)
    if "message" in last:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        message.update({"thinking": thinking} if thinking else {})
        message.update({"tool_calls": calls} if calls else {})
        return check_answer({**last, "message": message}, request)
    return check_answer({**last, "response": text, **({"thinking": thinking} if thinking else {})}, request)


def check_lines_begun(lines: list[dict[str, Any]]) -> None:
    """Assert the rules of the lines before the last one."""
    said = False
    for line in lines:
        assert line["done"] is False
        assert (line["model"], line["created_at"]) == (lines[0]["model"], lines[0]["created_at"])
        part = line.get("message", line)
        text = part["content"] if "message" in line else part["response"]
        assert isinstance(text, str)
        if "message" in line:
            assert part["role"] == "assistant"
        if "thinking" in part:
            assert part["thinking"]
            assert not text
            assert not said, "thinking behind the answer"
        said = said or bool(text.strip())


def check_answer(body: dict[str, Any], request: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Assert all rules of an answer in one piece, and give it."""
    (ChatResponse if "message" in body else GenerateResponse).model_validate(body)
    assert body["done"] is True
    assert body["created_at"].endswith("Z")
    part = body.get("message", body)
    assert part.get("thinking", "x")
    calls = part.get("tool_calls", [])
    assert [call["function"]["index"] for call in calls] == list(range(len(calls)))
    assert all(isinstance(call["function"]["arguments"], dict) for call in calls)
    if body["done_reason"] in ("load", "unload"):
        return body
    assert body["done_reason"] in ("stop", "length")
    assert all(type(body[name]) is int and body[name] >= 0 for name in FIGURES)
    parts = body["load_duration"] + body["prompt_eval_duration"] + body["eval_duration"]
    assert body["total_duration"] >= parts
    assert ("context" in body) is ("message" not in body)
    if request.get("think") is False:
        assert "thinking" not in part
    return body


def _joined(lines: list[dict[str, Any]]) -> tuple[str, str, list[Any]]:
    parts = [line.get("message", line) for line in lines]
    text = "".join(part.get("content", part.get("response", "")) for part in parts)
    calls = [call for part in parts for call in part.get("tool_calls", ())]
    return text, "".join(part.get("thinking", "") for part in parts), calls
