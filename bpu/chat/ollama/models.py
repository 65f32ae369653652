"""Model objects in Ollama's form.

The entries of `tags` and `ps`, and the answer of `show`.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from bpu.chat.model_card import ModelCard
from bpu.chat.ollama.names import tagged

#: A date that means never, for clients that need a date.
NEVER = "2099-01-01T00:00:00Z"
#: llama.cpp's number of a file type that the file does not name.
_GUESSED = 1024
#: Clients search a template for the word `tools`, and for `.Suffix`, which would mean completion in the middle.
_TEMPLATE = "{{ .System }}{{ range .Messages }}{{ .Role }}: {{ .Content }}{{ end }}{{ .Tools }}{{/* tools */}}"


def timestamp(seconds: float) -> str:
    """Write `seconds` since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def tags_entry(card: ModelCard) -> dict[str, Any]:
    """Make one model's entry in `GET /api/tags`."""
    return {
        "name": tagged(card.id),
        "model": tagged(card.id),
        "modified_at": timestamp(card.created),
        "size": card.size,
        "digest": card.digest,
        "details": _details(card),
        "capabilities": card.capabilities,
    }


def ps_entry(card: ModelCard, expires_at: str = NEVER) -> dict[str, Any]:
    """Make one loaded model's entry in `GET /api/ps`."""
    length = {"context_length": card.context} if card.is_context_public else {}
    return {**tags_entry(card), "expires_at": expires_at, "size_vram": card.size, **length}


def show_answer(card: ModelCard, name: str) -> dict[str, Any]:
    """Make the answer of `POST /api/show` for a model that the client calls `name`."""
    architecture = card.architecture
    parameters = f"{'num_ctx':<30} {card.context}" if card.is_context_public else ""
    return {
        "modelfile": f"FROM {tagged(card.id)}\n",
        "parameters": parameters,
        "template": _TEMPLATE,
        "details": _details(card),
        "model_info": {
            "general.architecture": architecture,
            "general.basename": name,
            "general.file_type": _GUESSED,
            "general.parameter_count": card.parameter_count,
            f"{architecture}.context_length": card.context,
            f"{architecture}.embedding_length": card.number("hidden_size"),
            f"{architecture}.block_count": card.number("num_hidden_layers"),
            "tokenizer.ggml.model": "gpt2",
        },
        "capabilities": card.capabilities,
        "modified_at": timestamp(card.created),
    }


def _details(card: ModelCard) -> dict[str, Any]:
    length = {"context_length": card.context} if card.is_context_public else {}
    return {
        "parent_model": "",
        "format": "hbm",
        "family": card.architecture,
        "families": [card.architecture],
        "parameter_size": card.parameter_size,
        "quantization_level": card.quantization,
        **length,
        "embedding_length": card.number("hidden_size"),
    }
