"""A gateway with a table of three models of two profiles, each on a simulator of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.live.chats import ConsoleInput
from tests.live.gateway import FAST, Gateway

R1, QWEN, CPM = "deepseek-r1:1.5b", "qwen3-4b", "minicpm5-2b"
MODELS = (R1, QWEN, CPM)
_PROFILES = {R1: "xlm_demo", QWEN: "oellm_multichat", CPM: "xlm_demo"}


def table(folder: Path, options: Mapping[str, str] = {}, entries: Mapping[str, str] = {}, default: str = R1) -> Path:
    """Write `models.toml`: `options` are further ones of a model's simulator, `entries` further lines of its entry."""
    text = f"default = {json.dumps(default)}\n"
    for model in MODELS:
        # Different arguments make different consoles, of which each has findings of its own.
        args = f"{FAST} --decode-rate {140 + MODELS.index(model)} --record {folder / 'lines'} {options.get(model, '')}"
        text += f'\n[[model]]\nid = "{model}"\nprofile = "{_PROFILES[model]}"\nargs = {json.dumps(args.split())}\n'
        text += {QWEN: 'aliases = ["qwen"]\n'}.get(model, "") + entries.get(model, "")
    path = folder / "models.toml"
    path.write_text(text)
    return path


def environment(folder: Path, **settings: Any) -> dict[str, str]:
    """The settings of a gateway with the table in `folder`."""
    return {"BPU_MODELS_FILE": str(folder / "models.toml"), **{key: str(value) for key, value in settings.items()}}


def status(gateway: Gateway) -> dict[str, str]:
    """The status of each model, by the list of models."""
    return {
        one["id"]: one["status"]["value"] for one in gateway.json("GET", "/v1/models")["data"] if one["id"] in MODELS
    }


def loaded_model(gateway: Gateway) -> str:
    """The model that is in memory; "" while none is."""
    return next((model for model, state in status(gateway).items() if state == "loaded"), "")


def read_order(folder: Path) -> list[str]:
    """The nonces of all lines that consoles have read, in the order of reading."""
    return [
        match[1] for _, line in ConsoleInput(folder / "lines").lines() if (match := re.search(r"nonce=(\w+)", line))
    ]


def process_count(folder: Path) -> int:
    """How many processes were asked something; one that was left never reads again."""
    lines = ConsoleInput(folder / "lines").lines()
    runs = [pid for index, (pid, _) in enumerate(lines) if index == 0 or lines[index - 1][0] != pid]
    assert len(runs) == len(set(runs)), "a console read a line after another one had begun"
    return len({pid for pid, line in lines if line not in ("reset", "exit")})
