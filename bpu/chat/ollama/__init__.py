"""Ollama's API as a format of the chat: requests, answers, model objects and errors. Pure: no process, no Flask."""

from __future__ import annotations

from bpu.chat.ollama.errors import error_body

__all__ = ["error_body"]
