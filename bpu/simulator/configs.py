"""Reads the JSON configuration files of the consoles.

They are checked as each console checks them. Key names and refusals are those of the SDKs 1.0.0 (`oellm_multichat`) and
1.0.2 to 1.0.5 of the S600 (`llm`, `vlm`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_CORES = re.compile(r"_corenum_(\d+)(?:_\d+)?\.hbm$")
_CACHE = re.compile(r"_cache_(\d+)_w\d+_nash-[emp]_corenum_\d+_\d+\.hbm$|_ctx(\d+)_\w+\.hbm$|_(\d{3,6})\.hbm$")
#: On-chip memory of a core in MiB: the least that the S600's graphs need, and the limit that it must stay below.
_L2M_LEAST, _L2M_LIMIT = 6, 7
L2M = "HB_DNN_USER_DEFINED_L2M_SIZES"


class BadConfig(Exception):
    """The console refuses the file. `line` is what it prints."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


class Config(NamedTuple):
    """The values that a console reads from its file.

    `reasons` and `keeps` are None where it has no key for them. `cores` are the numbers of cores given to each model
    file. `parts` are files that must exist besides.
    """

    hbm_path: str
    tokenizer_dir: str
    template_path: str = ""
    model_type: int | None = None
    reasons: bool | None = None
    keeps: bool | None = None
    cores: tuple[tuple[str, int], ...] = ()
    parts: tuple[str, ...] = ()


def read(kind: str, path: str) -> Config:
    """Read the configuration of a console of this kind: `plain`, `llm` or `vlm`. Raises `BadConfig`."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        return READERS[kind](values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BadConfig(f"Error: cannot read config file: {path}") from None


def _plain(values: Mapping[str, Any]) -> Config:
    number = int(values["model_type"]) if "model_type" in values else None
    hbm, tokenizer, template = (str(values.get(key) or "") for key in ("hbm_path", "tokenizer_dir", "template_path"))
    return Config(hbm, tokenizer, template, number)


def _llm(values: Mapping[str, Any]) -> Config:
    hbm, cores = _text(values, "hbm_path"), _cores(values, "bpu_core")
    return Config(
        hbm,
        _text(values, "tokenizer_dir"),
        model_type=int(values["model_type"]),
        reasons=_flag(values, "enable_thinking", default=True),
        keeps=_flag(values, "enable_multi_turn", default=False),
        cores=((hbm, cores),),
    )


def _vlm(values: Mapping[str, Any]) -> Config:
    if _text(values, "model_type") not in ("Qwen2.5-VL", "Qwen3-VL"):
        raise ValueError
    folder = _text(values, "model_dir")
    parts = ("llm_model_file", "vit_model_file", "embed_weight_file_path")
    llm, vit, embeddings = (str(Path(folder, _text(values, key))) for key in parts)
    for key in ("text_end_token", "img_start_token", "img_end_token", "img_context_token"):
        _text(values, key)
    for key in ("temporal_patch_size", "vocab_size", "embed_dim", "image_height", "image_width"):
        int(values[key])
    if not all(len(values[key]) == 3 for key in ("image_net_mean", "image_net_std")):
        raise ValueError
    return Config(
        llm,
        _text(values, "vocabulary_path"),
        model_type=11,
        keeps=True,
        reasons=False,
        cores=(
            (vit, _cores(values, "vit_bpu_core")),
            (llm, _cores(values, "prefill_bpu_core")),
            (llm, _cores(values, "decode_bpu_core")),
        ),
        parts=(vit, embeddings),
    )


READERS: Mapping[str, Callable[[Mapping[str, Any]], Config]] = {"plain": _plain, "llm": _llm, "vlm": _vlm}


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values[key]
    if not isinstance(value, str):
        raise TypeError
    return value


def _flag(values: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = values.get(key, default)
    if not isinstance(value, bool):
        raise TypeError
    return value


def _cores(values: Mapping[str, Any], key: str) -> int:
    cores = values[key]
    if not isinstance(cores, list) or not cores or not all(type(core) is int for core in cores):
        raise TypeError
    return len(cores)


def context_of(hbm_path: str) -> int | None:
    """Return the tokens of the KV cache that the model was compiled for.

    Return None if its name does not have them.
    """
    found = _CACHE.search(hbm_path)
    return int(next(filter(None, found.groups()))) if found else None


def wrong_cores(config: Config) -> str | None:
    """Return the library's error at the first prompt for a wrong number of cores.

    The model was compiled for another number.
    """
    for path, given in config.cores:
        compiled = _CORES.search(path)
        if compiled and int(compiled[1]) != given:
            return (
                "The number of BPU cores set in the backend should be the same as the number of cores in the actual "
                f"model compilation, given: {given}, compiled model bpu core num: {compiled[1]}"
            )
    return None


def wrong_l2m(config: Config, sizes: str) -> str | None:
    """The library's error when the cores have no on-chip memory, or more than exists."""
    cores = max((given for _, given in config.cores), default=0)
    mib = [int(size) if size.isdigit() else 0 for size in sizes.split(":")]
    if any(size >= _L2M_LIMIT for size in mib):
        return f"Allocate l2M memory failed, size: {max(mib) << 20}"
    if len(mib) < cores or any(size < _L2M_LEAST for size in mib):
        return f"L2 memory not enough, required l2 memspace info: [3244032], user-assigned l2 memspace size: {mib}"
    return None
