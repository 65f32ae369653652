"""Holds the facts about one served model, for the model objects of every API.

It is pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)([BM])(?![a-z])", re.IGNORECASE)
_QUANTIZATION = re.compile(r"(?<![a-z])(w\d+a\d+|q\d+|int\d+)(?![a-z\d])", re.IGNORECASE)
_UNITS = {"B": 10**9, "M": 10**6}


@dataclass(frozen=True)
class ModelCard:
    """One served model. `created` in seconds since 1970, `size` of its file in bytes.

    `context` is the context size in tokens, `is_context_public` whether model lists may show it. `reasons`: the model
    thinks before it answers. `sees`: it takes images. `config` is the model's own `config.json`, empty where there is
    none.
    """

    id: str
    file: str = ""
    created: int = 0
    size: int = 0
    context: int = 4096
    is_context_public: bool = True
    reasons: bool = True
    sees: bool = False
    config: Mapping[str, Any] | None = None

    @property
    def capabilities(self) -> list[str]:
        """The model's capabilities, by Ollama's names."""
        return ["completion", "tools", *(["thinking"] if self.reasons else []), *(["vision"] if self.sees else [])]

    @property
    def input_modalities(self) -> list[str]:
        """The kinds of input: text, and images if the model sees."""
        return ["text", "image"] if self.sees else ["text"]

    @property
    def architecture(self) -> str:
        """The model's family, from its `config.json`."""
        kind = (self.config or {}).get("model_type")
        return kind if isinstance(kind, str) and kind else "unknown"

    @property
    def parameter_size(self) -> str:
        """The number of parameters, from the file's name (`1.5B`)."""
        found = _SIZE.search(self.file.replace("_", " ")) or _SIZE.search(self.id)
        return f"{found[1]}{found[2].upper()}" if found else "unknown"

    @property
    def parameter_count(self) -> int:
        """The number of parameters that the file's name tells, 0 if it tells none."""
        found = _SIZE.search(self.parameter_size)
        return int(float(found[1]) * _UNITS[found[2]]) if found else 0

    @property
    def quantization(self) -> str:
        """The quantization that the file's name tells in upper case, else `unknown`."""
        found = _QUANTIZATION.search(self.file.replace("_", " "))
        return found[1].upper() if found else "unknown"

    @property
    def digest(self) -> str:
        """A digest that changes when the file, its context or its capabilities change."""
        facts = (self.id, self.file, self.created, self.size, self.context, self.capabilities)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def number(self, key: str) -> int:
        """Return a number of the model's `config.json`, 0 where it has none."""
        value = (self.config or {}).get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0
