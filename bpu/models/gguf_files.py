"""Makes the small files beside a GGUF model that a console needs.

It makes them once, in a cache folder.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpu.models.gguf import GgufError, read_metadata
from bpu.models.gguf_tokenizer import tokenizer_config, tokenizer_json

#: Part of every folder's name; increase it to make all files again.
_FORMAT = 1
_TEMPLATE, _ABOUT = "chat_template.jinja", "model.json"
#: GGUF's names of recommended sampling, and those of `generation_config.json`.
_SAMPLING = {
    "general.sampling.temp": "temperature",
    "general.sampling.top_p": "top_p",
    "general.sampling.top_k": "top_k",
    "general.sampling.min_p": "min_p",
    "general.sampling.penalty_repeat": "repetition_penalty",
}


@dataclass(frozen=True)
class GgufModel:
    """A GGUF model with its console's tokenizer folder.

    `context` in tokens, None if the file has none.
    """

    path: Path
    folder: Path
    id: str
    context: int | None

    @property
    def template(self) -> Path:
        """The path of the chat template that was written from the file's metadata."""
        return self.folder / _TEMPLATE

    @property
    def counts_exactly(self) -> bool:
        """Whether the model's vocabulary could be converted, so that tokens are counted and not estimated."""
        return (self.folder / "tokenizer.json").is_file()


def prepare(path: Path, parent: Path) -> GgufModel:
    """Make the small files of the model in `path`, if they are missing.

    They are in a folder below `parent`. Safe for several processes at a time, because the folder is renamed into place.
    Raises `GgufError`, `OSError`.
    """
    path = path.resolve()
    status = path.stat()
    mark = zlib.crc32(f"{_FORMAT} {path} {status.st_size} {status.st_mtime_ns}".encode())
    folder = parent / f"{_slug(path.stem)}-{mark:08x}"
    if not (folder / _ABOUT).is_file():
        _make(read_metadata(path), folder, path.stem)
    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    return GgufModel(path, folder, about["id"], about["context"])


def _make(metadata: Mapping[str, Any], folder: Path, stem: str) -> None:
    if not isinstance(template := metadata.get("tokenizer.chat_template"), str) or not template:
        raise GgufError("it holds no chat template, so it is not a model that chats")
    texts = {
        _TEMPLATE: template,
        "tokenizer_config.json": json.dumps(tokenizer_config(metadata), indent=2),
        "generation_config.json": json.dumps(_sampling(metadata), indent=2),
        _ABOUT: json.dumps({"id": model_id(metadata, stem), "context": _context(metadata)}),
    }
    if (tokenizer := tokenizer_json(metadata)) is not None:
        texts["tokenizer.json"] = json.dumps(tokenizer, ensure_ascii=False)
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f"{folder.name}.new-", dir=folder.parent))
    try:
        new.chmod(0o755)
        for name, text in texts.items():
            # Lone surrogates have no UTF-8 and are in no prompt.
            (new / name).write_text(text, encoding="utf-8", errors="replace")
        with contextlib.suppress(OSError):  # another process made it first
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def model_id(metadata: Mapping[str, Any], stem: str) -> str:
    """Return a name in the usual form, `smollm2:135m`.

    It comes from the file's name if the model has none.
    """
    base, size = (str(metadata.get(f"general.{key}") or "") for key in ("basename", "size_label"))
    if base:
        return f"{_slug(base)}:{_slug(size)}" if size else _slug(base)
    return _slug(stem)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower())[:64].strip("-.") or "model"


def _context(metadata: Mapping[str, Any]) -> int | None:
    length = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    return length if isinstance(length, int) and length > 0 else None


def _sampling(metadata: Mapping[str, Any]) -> dict[str, float]:
    found = {theirs: metadata.get(ours) for ours, theirs in _SAMPLING.items()}
    return {name: value for name, value in found.items() if isinstance(value, (int, float))}
