"""Reads the files of a model's prompts: its chat template and its tokenizer's special tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpu.chat.prompt import Thinking
from bpu.chat.template import Template
from bpu.errors import SettingsError


def load_template(
    template_path: Path,
    tokenizer_dir: Path | None,
    *,
    strftime_now: Callable[[str], str] | None = None,
    thinking: Thinking = "auto",
) -> Template:
    """Read the template in `template_path`, with the special tokens of `tokenizer_config.json` in `tokenizer_dir`.

    A `.json` file is a tokenizer's configuration that holds the template as `chat_template`. `strftime_now` gives
    templates that ask for it the date. Raises `SettingsError` when the template cannot be read or used.
    """
    try:
        text = template_path.read_text(encoding="utf-8")
        if template_path.suffix == ".json":
            text = _held_template(text)
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(
            f"BPU_TEMPLATE_PATH: {template_path} cannot be read ({error}). Name the model's chat template."
        ) from None
    config = _config(tokenizer_dir)
    bos, eos = _word(config.get("bos_token")), _word(config.get("eos_token"))
    found = config.get("additional_special_tokens")
    special = [_word(value) for value in found] if isinstance(found, list) else []
    closes = thinking == "off"
    return Template(text, bos=bos, eos=eos, special=special, strftime_now=strftime_now, closes_thinking=closes)


def model_reasons(thinking: Thinking, template_path: Path | None) -> bool:
    """Whether a model reasons: by its entry, else by its template.

    False if the template cannot be read.
    """
    if thinking != "auto":
        return thinking in ("template", "model")
    try:
        return template_path is not None and load_template(template_path, None).reasons
    except SettingsError:
        return False


def _held_template(text: str) -> str:
    config = json.loads(text)
    template = config.get("chat_template") if isinstance(config, dict) else None
    if not isinstance(template, str):
        raise ValueError("it holds no `chat_template`")
    return template


def _config(folder: Path | None) -> dict[str, Any]:
    """Read `tokenizer_config.json`; empty without it, because then only the frame's token count is less exact."""
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")) if folder else {}
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _word(value: Any) -> str:
    """Read a special token, a string or an object with its `content`."""
    word = value.get("content") if isinstance(value, dict) else value
    return word if isinstance(word, str) else ""
