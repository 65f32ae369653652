"""Reads tables of models in tests."""

from __future__ import annotations

from pathlib import Path

from bpu.errors import SettingsError
from bpu.models.table import ModelTable, read_table
from bpu.settings import Settings

PATH = Path("/somewhere/models.toml")


def read(text: str, **settings: object) -> ModelTable:
    return read_table(text, Settings(**settings), PATH)  # type: ignore[arg-type]


def outcome(text: str) -> ModelTable | str:
    """The table, or the words of its refusal."""
    try:
        return read(text)
    except SettingsError as error:
        return error.message


ALL_KEYS = """\
default = "b"

[[model]]
id = "a"
aliases = ["a1", "a2"]
profile = "vlm"
runtime_dir = "/sdk"
console = "examples/vlm_demo/vlm"
hbm = "/m/Qwen3-VL-2B-Instruct_language_chunk_512_cache_1024_w4_nash-p_corenum_4_4.hbm"
tokenizer_dir = "configs/x"
template = "t.jinja"
model_type = 11
args = ["-x", "1 2"]
env = { HB_X = "1", EMPTY = "" }
context = 1000
thinking = "none"
vision = true
vit = "v.hbm"
embeddings = "/e.bin"
memory_mb = 3700
preload = false
idle_unload_s = 60
line_limit = 0
[model.vlm]
embed_dim = 2048

[[model]]
id = "b"
"""
