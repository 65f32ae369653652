"""GGUF files made for a test.

A head with whatever it is to say, and no weights.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bpu.engine.client import cpu_settings

_TEXT, _ARRAY, _INTEGER, _FLOAT, _BOOL = 8, 9, 5, 6, 7
#: A vocabulary of single bytes and three merges, in the letters of byte-level BPE.
TOKENS = ["<|end|>", "<|start|>", "<think>", *"abcdefghijklmnopqrstuvwxyz", "Ġ", "he", "hel", "lo"]
TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }} {{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant {% endif %}"
)
FACTS: Mapping[str, Any] = {
    "general.architecture": "llama",
    "general.basename": "Tiny Chat",
    "general.size_label": "1K",
    "llama.context_length": 512,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.token_type": [3, 3, 4, *[1] * (len(TOKENS) - 3)],
    "tokenizer.ggml.merges": ["h e", "he l", "l o"],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 0,
    "tokenizer.chat_template": TEMPLATE,
}


def gguf(path: Path, **changes: Any) -> Path:
    """A file with `FACTS`.

    `changes` by the last part of a key, None leaves one out.
    """
    facts = {key: changes.get(key.rpartition(".")[2], value) for key, value in FACTS.items()}
    path.write_bytes(head({key: value for key, value in facts.items() if value is not None}))
    return path


def head(facts: Mapping[str, Any]) -> bytes:
    pairs = b"".join(_text(key) + _typed(value) for key, value in facts.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(facts)) + pairs


def _typed(value: Any) -> bytes:
    return struct.pack("<I", _kind(value)) + _plain(value)


def _kind(value: Any) -> int:
    kinds = {bool: _BOOL, int: _INTEGER, float: _FLOAT, list: _ARRAY, str: _TEXT}
    return kinds[type(value)]


def _plain(value: Any) -> bytes:
    if isinstance(value, list):
        kind = _kind(value[0]) if value else _INTEGER
        return struct.pack("<IQ", kind, len(value)) + b"".join(map(_plain, value))
    if isinstance(value, str):
        return _text(value)
    return struct.pack({_BOOL: "<?", _INTEGER: "<i", _FLOAT: "<f"}[_kind(value)], value)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(data)) + data


def install_packages(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay llama.cpp and the model's package into `site`, without a model.

    As pip does; imports find them.
    """
    for name in (cpu_settings.LIBRARY, cpu_settings.MODEL_PACKAGE):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").write_text("raise RuntimeError('its code is not run')\n")
    monkeypatch.syspath_prepend(site)
