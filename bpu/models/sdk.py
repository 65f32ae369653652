"""Finds an SDK's console, libraries, tokenizers and templates, and its generation. It only reads folders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from bpu.models.families import Sdk, vision

#: Paths of consoles below the runtime folder, by SDK generation: 0.9, 1.0 of the S100, 1.0 of the S600.
_PROGRAM_PLACES = (
    "bin/{name}",
    "{name}",
    "example/{name}",
    "example/*/{name}",
    "examples/*/{name}",
    "example/*/*/{name}",
)
#: Consoles in the order in which an SDK's folder is searched for one; `llm` first where an SDK has both of the S600.
CONSOLES = ("xlm_demo", "llm", "oellm_multichat", "oellm_run")
#: Files that exist only in the generation that has its own server.
_SECOND_GENERATION = ("include/oellm_runtime_basic/oellm_runtime.h", "lib/liboellm_runtime.so")
#: Folders that all models of a family share: those of the S600's SDK, then of the S100's, by the file's beginning.
_FAMILY_FOLDERS = {
    "Qwen3-VL": "Qwen3_VL_config",
    "Qwen2.5-VL": "Qwen2.5_VL_config",
    "Qwen3": "Qwen3_config",
    "DeepSeek_R1_Distill_Qwen_": "DeepSeek_R1_Distill_Qwen_1.5B_config",
    "Qwen2.5_": "Qwen2.5_1.5B_Instruct_config",
}
_INFO = "MODEL_INFO.json"
#: More than any tokenizer's configuration, with its list of special tokens, has.
_MOST_JSON = 16 << 20
#: The keys of `MODEL_INFO.json` are not published: the names that such files use elsewhere.
_INFO_CONTEXT = ("context_length", "context_size", "context", "ctx", "max_context_length", "cache_len")


def is_file(path: Path) -> bool:
    """Whether a file exists; an invalid name or an unreadable folder is not an error."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_dir(path: Path) -> bool:
    """Whether a folder exists; an invalid name or an unreadable parent is not an error."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except (OSError, ValueError):
        return []


def is_second_generation(runtime_dir: Path) -> bool:
    """Whether the SDK is OELLM 2.x, whose models and configurations no console of 1.x reads."""
    roots = (runtime_dir, runtime_dir / "oellm_runtime")
    return any(is_file(root / path) for root in roots for path in _SECOND_GENERATION)


def sdk_of(profile: str, runtime_dir: Path) -> Sdk:
    """Return the SDK of a console.

    The program decides, then the version in the folder's name.
    """
    if profile in ("llm", "vlm"):
        return "S600"
    return "0.9" if profile in ("xlm_demo", "hobot_xlm") and not _is_since_092(runtime_dir) else "1.0"


def _is_since_092(runtime_dir: Path) -> bool:
    version = re.search(r"_(\d+)\.(\d+)\.(\d+)", str(runtime_dir))
    return version is not None and tuple(map(int, version.groups())) >= (0, 9, 2)


def find_console(runtime_dir: Path, names: tuple[str, ...] = CONSOLES) -> Path | None:
    """Find the first console program of these names in an SDK's runtime folder."""
    for name in names:
        for place in _PROGRAM_PLACES:
            for path in _glob(runtime_dir, place.format(name=name)):
                if is_file(path):
                    return path
    return None


def library_folder(runtime_dir: Path, console: Path) -> Path:
    """Return the folder of the console's libraries.

    It is the one with `libxlm.so`, else the first that exists.
    """
    candidates = [
        runtime_dir / "lib",
        runtime_dir / "oellm_runtime" / "lib",
        *(folder / "lib" for folder in console.absolute().parents if folder != Path("/")),
    ]
    with_library = (folder for folder in candidates[:6] if _glob(folder, "libxlm.so*"))
    there = (folder for folder in candidates[:2] if is_dir(folder))
    return next(with_library, None) or next(there, None) or runtime_dir / "lib"


def find_tokenizer(hbm: Path, runtime_dir: Path) -> Path | None:
    """Find the tokenizer's folder of a model.

    Beside the model, else in the SDK by the model's name.
    """
    return next((folder for folder in _tokenizer_places(hbm, runtime_dir) if is_dir(folder)), None)


def usual_tokenizer(hbm: Path, runtime_dir: Path) -> Path:
    """Return the folder in the SDK where the tokenizer of a model should be."""
    places = [folder for folder in _tokenizer_places(hbm, runtime_dir) if folder.is_relative_to(runtime_dir)]
    return next((folder for folder in reversed(places) if is_dir(folder.parent)), places[-1])


def _tokenizer_places(hbm: Path, runtime_dir: Path) -> Iterator[Path]:
    yield hbm.parent / "tokenizer"
    if is_file(hbm.parent / "tokenizer.json"):
        yield hbm.parent
    stem = hbm.stem.partition("_language_")[0]
    bare = stem.rsplit("_", 1)[0] if stem.rpartition("_")[2].isdigit() else stem
    known = vision(hbm.name)
    folders = [known.vocabulary] if known else []
    folders += [folder for start, folder in _FAMILY_FOLDERS.items() if hbm.name.startswith(start)]
    for config in ("config", "configs"):
        yield runtime_dir / config / f"{bare}_config"
        yield from (runtime_dir / config / folder for folder in folders)


def find_template(tokenizer_dir: Path) -> Path | None:
    """Find the chat template in a tokenizer's folder.

    It is a template file, else a tokenizer configuration with one.
    """
    for pattern in ("simple-chat.jinja", "chat_template.jinja", "*.jinja"):
        for path in _glob(tokenizer_dir, pattern):
            return path
    config = tokenizer_dir / "tokenizer_config.json"
    return config if isinstance(_json(config).get("chat_template"), str) else None


def find_sibling(hbm: Path, pattern: str) -> Path | None:
    """Find the one file of `pattern` beside the model.

    It has the same beginning of its name.
    """
    start = hbm.name.partition("_language_")[0]
    found = [path for path in _glob(hbm.parent, pattern) if path.name.startswith(start)]
    return found[0] if len(found) == 1 else None


def info_context(hbm: Path) -> int | None:
    """Read the context in `MODEL_INFO.json` beside a model; None if there is none."""
    info = _json(hbm.parent / _INFO)
    values = (info.get(key) for key in _INFO_CONTEXT)
    return next((value for value in values if isinstance(value, int) and 16 <= value <= 1 << 20), None)


def _json(path: Path) -> dict[str, object]:
    if not is_file(path):
        return {}
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_MOST_JSON))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
