"""Ollama's API as a format of the chat: requests, answers, model objects and errors.

It is pure: no process, no Flask.
"""

from __future__ import annotations

from bpu.chat.ollama.answer import GenerateFormat, LineFormat
from bpu.chat.ollama.errors import error_body
from bpu.chat.ollama.models import NEVER, ps_entry, show_answer, tags_entry, timestamp
from bpu.chat.ollama.request import model_id, parse_generate, parse_ollama_chat, parse_order

__all__ = [
    "NEVER", "GenerateFormat", "LineFormat", "error_body", "model_id", "parse_generate", "parse_ollama_chat",
    "parse_order", "ps_entry", "show_answer", "tags_entry", "timestamp",
]  # fmt: skip
