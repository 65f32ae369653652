"""Holds every answer of the suite against the checker of its endpoint.

Whichever test has asked for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.anthropic_checker import check_message, check_message_begun, check_message_stream, parse_events
from tests.support.checker import check_begun, check_completion, check_stream, payloads
from tests.support.ollama_checker import check_answer, check_lines, check_lines_begun, parse_lines
from tests.support.response_checker import check_response, check_response_stream, check_responses_begun
from tests.support.text_checker import check_text, check_text_begun, check_text_stream


def check_streamed(path: str, asked: Mapping[str, Any], data: bytes, *, inline: bool = False) -> None:
    """A whole stream of any endpoint; it may end in an error."""
    error = b'\n\ndata: {"error":' in b"\n\n" + data
    kind = _kind(path)
    if kind == "responses":
        check_response_stream(data, asked)
    elif kind == "chat":
        check_stream(data, asked, error=error, inline=inline)
    elif kind == "messages":
        check_message_stream(data, asked)
    elif kind == "ollama":
        check_lines(data, asked)
    else:
        check_text_stream(data, asked, error=error)


def check_whole(path: str, asked: Mapping[str, Any], body: dict[str, Any]) -> None:
    """An answer in one piece of any endpoint."""
    checks: dict[str, Callable[..., object]] = {
        "responses": check_response,
        "chat": check_completion,
        "messages": check_message,
        "ollama": check_answer,
        "text": check_text,
    }
    checks[_kind(path)](body, asked)


def check_recorded(folder: Path) -> int:
    """All streams that `tests.live.recorded` has written down; how many there were."""
    files = sorted(folder.iterdir())
    for file in files:
        head, _, data = file.read_bytes().partition(b"\n")
        asked = json.loads(head)
        try:
            (_check_begun if file.suffix == ".begun" else check_streamed)(**asked, data=data)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{asked}\n{data.decode('ascii', 'replace')[-3000:]}") from error
    return len(files)


def _check_begun(path: str, asked: Mapping[str, Any], data: bytes, *, inline: bool) -> None:
    """A stream whose client left, or whose worker was killed, perhaps while it wrote."""
    kind = _kind(path)
    end = b"\n" if kind == "ollama" else b"\n\n"
    data = data[: data.rfind(end) + len(end)] if end in data else b""
    if kind == "responses":
        check_responses_begun(data)
    elif kind == "ollama":
        check_lines_begun([one for one in parse_lines(data) if not one.get("done", True)] if data else [])
    elif kind == "messages":
        check_message_begun(parse_events(data) or [{"type": "message_start", "message": {}}])
    elif chunks := [one for one in payloads(data) if one != "[DONE]" and "error" not in one] if data else []:
        check_begun(chunks, asked, inline=inline) if kind == "chat" else check_text_begun(chunks)


def _kind(path: str) -> str:
    path = path.rstrip("/")
    if "/api/" in path:
        return "ollama"
    for kind in ("responses", "messages"):
        if path.endswith(f"/{kind}"):
            return kind
    return "chat" if path.endswith("/chat/completions") else "text"
