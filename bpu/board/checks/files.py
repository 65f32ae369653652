"""The SDK's files: runtime folder, console, libraries, model, tokenizer, template, and whether they fit together."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bpu.board.checks.finding import Finding, Level, broken, fine, note, warning
from bpu.board.checks.subject import Subject
from bpu.board.sizes import human
from bpu.errors import BpuError

#: Numbers of model types by SDK, from the sources and manuals of each; the first name found in the file's counts.
TYPES: Mapping[str, Mapping[str, int]] = {
    "0.9": {"deepseek": 3, "internvl": 4, "internlm": 2, "qwen": 1, "llama": 0},
    "1.0": {"deepseek": 1, "internvl": 0, "internlm": 4, "qwen2.5": 7, "qwen": 2, "llama": 3},
    "S600": {"deepseek": 1, "internvl": 0, "internlm": 4, "qwen3": 9, "qwen": 7, "llama": 3},
}
#: Settings of files that may lie anywhere.
FILES = frozenset({"console", "hbm_path", "tokenizer_dir", "template_path"})
#: ELF's e_machine of 64-bit ARM.
_AARCH64 = 183
_LDD_TIMEOUT_S = 20


def check_files(subject: Subject) -> Iterator[Finding]:
    """All checks of files; one note where the simulator is meant to answer."""
    if not subject.wants_console:
        yield note("engine", "simulator_answers")
        return
    runtime = _runtime(subject)
    yield runtime
    if runtime.level is Level.BROKEN and not subject.settings.explicit & FILES:
        return  # all that follows lies in this folder, so one finding names the one thing to do
    yield from _console(subject)
    yield _model(subject)
    yield _model_type(subject)
    yield _tokenizer(subject)
    yield _template(subject)


def _runtime(subject: Subject) -> Finding:
    folder = subject.settings.runtime_dir
    if folder.is_dir():
        return fine("runtime", "runtime", path=folder)
    return broken("runtime", "no_runtime", "get_sdk", path=folder)


def _console(subject: Subject) -> Iterator[Finding]:
    path = subject.console
    if not path.is_file():
        yield broken("console", "no_console", "set_console", path=path)
        return
    if not os.access(path, os.X_OK):
        yield broken("console", "not_executable", "make_executable", path=path)
        return
    yield fine("console", "console", path=path, profile=subject.profile)
    yield _libraries(subject, path)
    yield _buffering(subject, path)


def _libraries(subject: Subject, path: Path) -> Finding:
    """What the loader would miss, as the loader itself tells."""
    lib = subject.settings.runtime_dir / "lib"
    machine = _machine(path)
    if machine == _AARCH64 and os.uname().machine != "aarch64":
        return broken("libraries", "wrong_machine", "use_board", path=path, machine=os.uname().machine)
    try:
        told = subject.run(["ldd", path], timeout=_LDD_TIMEOUT_S, env={"LD_LIBRARY_PATH": str(lib)})
    except BpuError as error:
        return note("libraries", "not_asked", reason=error.message)
    missing = sorted(set(re.findall(r"(\S+) => not found", told.out + told.err)))
    if missing:
        return broken("libraries", "libraries_missing", "set_runtime", names=", ".join(missing), path=lib)
    return fine("libraries", "libraries", path=lib)


def _machine(path: Path) -> int:
    """ELF's e_machine; 0 for a script or what is no program."""
    head = _head(path, 20)
    return int.from_bytes(head[18:20], "little") if head[:4] == b"\x7fELF" else 0


def _buffering(subject: Subject, path: Path) -> Finding:
    """Without `stdbuf` a console's words come in blocks of 4 KiB; on some it is of no use."""
    if subject.find("stdbuf") is None:
        return broken("stdbuf", "no_stdbuf", "get_stdbuf")
    code = _head(path, 64 << 20)
    if code[:4] == b"\x7fELF" and b"libc.so" not in code:
        return warning("stdbuf", "static_console", "watch_stream", path=path)
    if b"setvbuf" in code:
        return note("stdbuf", "buffers_itself", "watch_stream", path=path)
    return fine("stdbuf", "stdbuf")


def _model(subject: Subject) -> Finding:
    size, path = subject.model_size, subject.model
    if size is None:
        return broken("model", "no_model", "get_model", path=path)
    named = re.search(r"_(\d{3,6})\.hbm$", path.name)
    if named and int(named[1]) < subject.context:
        return warning("model", "context_too_large", "lower_context", named=int(named[1]), context=subject.context)
    if size < 1 << 20:
        return broken("model", "model_tiny", "get_model", path=path, size=size)
    return fine("model", "model", path=path.name, size=human(size), bytes=size, context=subject.context)


def sdk_of(subject: Subject) -> str:
    """The key of `TYPES` for the console: by the board, then the version in the folder's name, then the program."""
    if "S600" in subject.board.upper() or subject.profile in ("llm", "vlm"):
        return "S600"
    version = re.search(r"_(\d+)\.(\d+)\.(\d+)", str(subject.settings.runtime_dir))
    if version:
        numbers = tuple(map(int, version.groups()))
        return "0.9" if numbers < (0, 9, 2) else "1.0"
    return "0.9" if subject.profile in ("xlm_demo", "hobot_xlm") else "1.0"


def _model_type(subject: Subject) -> Finding:
    sdk, name = sdk_of(subject), subject.model.name.lower().replace("_", "").replace("-", "")
    family = next((family for family in TYPES[sdk] if family in name), None)
    if family is None:
        return note("model_type", "unknown_family", number=subject.model_type, path=subject.model.name)
    wanted = TYPES[sdk][family]
    values = {"number": subject.model_type, "wanted": wanted, "family": family, "sdk": sdk}
    if subject.model_type != wanted:
        return warning("model_type", "model_type_differs", "set_model_type", **values)
    return fine("model_type", "model_type", **values)


def _tokenizer(subject: Subject) -> Finding:
    folder = subject.settings.in_runtime(subject.settings.tokenizer_dir)
    if not folder.is_dir():
        return broken("tokenizer", "no_tokenizer_dir", "set_tokenizer", path=folder)
    try:
        json.loads((folder / "tokenizer.json").read_bytes())
    except FileNotFoundError:
        return warning("tokenizer", "no_tokenizer", "copy_tokenizer", path=folder)
    except (OSError, ValueError) as error:
        return broken("tokenizer", "bad_tokenizer", "copy_tokenizer", path=folder, reason=error)
    return fine("tokenizer", "tokenizer", path=folder)


def _template(subject: Subject) -> Finding:
    path = subject.settings.in_runtime(subject.settings.template_path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        return broken("template", "no_template", "set_template", path=path, reason=getattr(error, "strerror", error))
    if "{" not in text:
        return warning("template", "odd_template", "set_template", path=path)
    return fine("template", "template", path=path.name)


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""
