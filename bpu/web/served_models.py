"""The models that this gateway serves, as the lists of every API show them. Reads small files, never the engine."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from bpu.chat.model_card import ModelCard
from bpu.engine.plan import choose_files
from bpu.web.gateway import Gateway


def served_models(here: Gateway) -> list[ModelCard]:
    """Every model of the gateway, the `-think` names not among them. Today there is one."""
    files = choose_files(here.settings)
    return [
        ModelCard(
            id=model,
            file=files.model.name,
            created=here.created,
            size=files.model.stat().st_size if files.model.is_file() else 0,
            context=here.context_size,
            is_context_public=here.settings.publish_context,
            reasons=here.prompter.reasons,
            config=_config(files.tokenizer_dir),
        )
        for model in here.models
    ]


@lru_cache(maxsize=8)
def _config(folder: Path) -> dict[str, Any]:
    """The model's `config.json`; empty where it cannot be read."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
