"""Requests for chat completions in tests of the web side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.web.conftest import FlaskClient

MODEL = "deepseek-r1:1.5b"
URL = "/v1/chat/completions"
RequestLog = Callable[[], list[dict[str, Any]]]


def body(*, text: str = "Hi", **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


def streamed(client: FlaskClient, **fields: Any) -> bytes:
    return bytes(client.post(URL, json=body(stream=True, **fields)).data)
