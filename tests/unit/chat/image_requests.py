"""Requests with images, for a gateway that serves one model with vision and one without."""

from __future__ import annotations

from typing import Any

from bpu.chat.requests import ChatRequest, parse_chat

EYES, URL = "eyes", "data:image/png;base64,AAAA"
OPTIONS: dict[str, Any] = {"models": ["text", EYES], "seeing": [EYES]}
IMAGE = {"type": "image_url", "image_url": {"url": URL, "detail": "high"}}
TEXT = {"type": "text", "text": "Look"}


def chat(*messages: dict[str, Any], model: str = EYES) -> ChatRequest:
    return parse_chat({"model": model, "messages": list(messages)}, **OPTIONS)


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}
