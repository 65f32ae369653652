"""Checks the SDK's files: runtime folder, console, libraries, model, tokenizer, template, and whether they match."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from bpu.board.checks.finding import Finding, Level, failure, note, success, warning
from bpu.board.checks.subject import Subject
from bpu.board.layout import known_board
from bpu.board.sizes import human
from bpu.errors import BpuError
from bpu.messages import os_reason
from bpu.models.families import TYPES, Sdk, family_of
from bpu.models.names import read_name
from bpu.models.readiness import refusals
from bpu.models.sdk import library_folder
from bpu.models.sdk import sdk_of as sdk_of_console
from bpu.settings import Settings

#: ELF's e_machine of 64-bit ARM.
_AARCH64 = 183
_LDD_TIMEOUT_S = 20


def check_files(subject: Subject) -> Iterator[Finding]:
    """Run all checks of files.

    Return one note if the settings use no console of the SDK.
    """
    if subject.settings.engine == "cpu":
        yield note("engine", "cpu_answers", model=subject.settings.model_id, path=subject.settings.hbm_path)
        return
    if not subject.wants_console:
        yield note("engine", "simulator_answers")
        return
    runtime = _runtime(subject)
    yield runtime
    if runtime.level is Level.BROKEN and _lies_in_runtime(subject.settings):
        return  # one finding names the one thing to do
    yield from _console(subject)
    yield _model(subject)
    for reason in refusals(subject.models[0], known_board(subject.root)) if subject.models else ():
        yield failure("refused", "refused", "choose_model", reason=reason)
    yield _model_type(subject)
    yield _tokenizer(subject)
    yield _template(subject)


def _lies_in_runtime(settings: Settings) -> bool:
    """Whether all files of the model lie in the runtime folder."""
    paths = (settings.console, settings.hbm_path, settings.tokenizer_dir, settings.template_path)
    return all(settings.in_runtime(path).is_relative_to(settings.runtime_dir) for path in paths)


def _runtime(subject: Subject) -> Finding:
    folder = subject.settings.runtime_dir
    if folder.is_dir():
        return success("runtime", "runtime", path=folder)
    return failure("runtime", "no_runtime", "get_sdk", path=folder)


def _console(subject: Subject) -> Iterator[Finding]:
    path = subject.console
    if not path.is_file():
        yield failure("console", "no_console", "set_console", path=path)
        return
    if not os.access(path, os.X_OK):
        yield failure("console", "not_executable", "make_executable", path=path)
        return
    yield success("console", "console", path=path, profile=subject.profile)
    yield _libraries(subject, path)
    yield _buffering(subject, path)


def _libraries(subject: Subject, path: Path) -> Finding:
    """Ask the dynamic loader which libraries are missing."""
    lib = library_folder(subject.settings.runtime_dir, path)
    machine = _machine(path)
    if machine == _AARCH64 and os.uname().machine != "aarch64":
        return failure("libraries", "wrong_machine", "use_board", path=path, machine=os.uname().machine)
    try:
        result = subject.run(["ldd", path], timeout=_LDD_TIMEOUT_S, env={"LD_LIBRARY_PATH": str(lib)})
    except BpuError as error:
        return note("libraries", "not_asked", reason=error.message)
    missing = sorted(set(re.findall(r"(\S+) => not found", result.out + result.err)))
    if missing:
        return failure("libraries", "libraries_missing", "set_runtime", names=", ".join(missing), path=lib)
    return success("libraries", "libraries", path=lib)


def _machine(path: Path) -> int:
    """Return ELF's e_machine; 0 for any other file."""
    head = _head(path, 20)
    return int.from_bytes(head[18:20], "little") if head[:4] == b"\x7fELF" else 0


def _buffering(subject: Subject, path: Path) -> Finding:
    """Check `stdbuf`, without which a console's output comes in blocks of 4 KiB.

    On some it has no effect.
    """
    if subject.find("stdbuf") is None:
        return failure("stdbuf", "no_stdbuf", "get_stdbuf")
    code = _head(path, 64 << 20)
    if code[:4] == b"\x7fELF" and b"libc.so" not in code:
        return warning("stdbuf", "static_console", "watch_stream", path=path)
    if b"setvbuf" in code:
        return note("stdbuf", "buffers_itself", "watch_stream", path=path)
    return success("stdbuf", "stdbuf")


def _model(subject: Subject) -> Finding:
    size, path = subject.model_size, subject.model
    if size is None:
        return failure("model", "no_model", "get_model", path=path)
    named = read_name(path.name).context
    if named is not None and named < subject.context:
        return warning("model", "context_too_large", "lower_context", named=named, context=subject.context)
    if size < 1 << 20:
        return failure("model", "model_tiny", "get_model", path=path, size=size)
    return success("model", "model", path=path.name, size=human(size), bytes=size, context=subject.context)


def sdk_of(subject: Subject) -> Sdk:
    """Return the key of `TYPES` for the console.

    The board decides, then the console and the folder's name.
    """
    return "S600" if "S600" in subject.board.upper() else sdk_of_console(subject.profile, subject.settings.runtime_dir)


def _model_type(subject: Subject) -> Finding:
    sdk = sdk_of(subject)
    family = family_of(subject.model.name, TYPES[sdk])
    if family is None:
        return note("model_type", "unknown_family", number=subject.model_type, path=subject.model.name)
    wanted = TYPES[sdk][family]
    values = {"number": subject.model_type, "wanted": wanted, "family": family, "sdk": sdk}
    if subject.model_type != wanted:
        return warning("model_type", "model_type_differs", "set_model_type", **values)
    return success("model_type", "model_type", **values)


def _tokenizer(subject: Subject) -> Finding:
    folder = subject.settings.in_runtime(subject.settings.tokenizer_dir)
    if not folder.is_dir():
        return failure("tokenizer", "no_tokenizer_dir", "set_tokenizer", path=folder)
    try:
        json.loads((folder / "tokenizer.json").read_bytes())
    except FileNotFoundError:
        return warning("tokenizer", "no_tokenizer", "copy_tokenizer", path=folder)
    except (OSError, ValueError) as error:
        return failure("tokenizer", "bad_tokenizer", "copy_tokenizer", path=folder, reason=os_reason(error))
    return success("tokenizer", "tokenizer", path=folder)


def _template(subject: Subject) -> Finding:
    path = subject.settings.in_runtime(subject.settings.template_path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        return failure("template", "no_template", "set_template", path=path, reason=os_reason(error))
    if "{" not in text:
        return warning("template", "odd_template", "set_template", path=path)
    return success("template", "template", path=path.name)


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""
