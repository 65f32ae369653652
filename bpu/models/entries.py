"""Appends entries to the table of models. The existing text stays byte for byte."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpu.errors import SettingsError
from bpu.messages import os_reason, translate
from bpu.models.names import read_name
from bpu.models.sdk import find_console, is_dir, is_file
from bpu.models.spec import from_settings
from bpu.models.table import ModelTable, read_table, writable_file
from bpu.settings import Settings
from bpu.trusted_files import read_trusted


def entry_text(entry: Mapping[str, Any]) -> str:
    """Format an entry as a `[[model]]` in TOML."""
    import tomlkit

    table = tomlkit.table()
    for key, value in entry.items():
        table.add(key, str(value) if isinstance(value, Path) else value)
    array = tomlkit.aot()
    array.append(table)
    document = tomlkit.document()
    document.add("model", array)
    return tomlkit.dumps(document)


def entry_of_folder(
    folder: Path, settings: Settings, *, name: str = "", runtime_dir: Path | None = None
) -> dict[str, Any]:
    """Make the entry of the one language model in `folder`.

    Raises `SettingsError` if there are none or several.
    """
    found = [path for path in sorted(folder.rglob("*.hbm")) if read_name(path.name).kind == "language"]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "-"
        raise SettingsError(translate("models.one_model", folder=folder, count=len(found), names=names))
    [hbm] = found
    return entry_of_file(hbm.absolute(), settings, name=name, runtime_dir=runtime_dir)


def entry_of_file(hbm: Path, settings: Settings, *, name: str = "", runtime_dir: Path | None = None) -> dict[str, Any]:
    """Make the entry of a model file.

    It has only the values that differ from the settings.
    """
    runtime = runtime_dir or _sdk_near(hbm)
    for path in (hbm, runtime):
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        if path is not None and shown != str(path):
            raise SettingsError(translate("models.no_utf8", path=shown))
    entry: dict[str, Any] = {"id": name or hbm.stem.lower(), "hbm": hbm}
    if runtime is not None and runtime != settings.runtime_dir:
        entry["runtime_dir"] = runtime.absolute()
    return entry


def _sdk_near(hbm: Path) -> Path | None:
    """Find the runtime folder around the model, or beside its folder."""
    for folder in hbm.parents[:4]:
        for runtime in (folder, folder / "runtime", folder / "oellm_runtime"):
            if is_dir(runtime / "lib") and find_console(runtime) is not None:
                return runtime
    return None


def add_entry(entry: Mapping[str, Any], settings: Settings) -> tuple[Path, ModelTable]:
    """Append an entry; return the file and the new table. After `SettingsError` nothing is written.

    A new table begins with the settings' model, if its file exists, so that it stays the default.
    """
    path = writable_file(settings)
    text = read_trusted(path) if os.access(path, os.F_OK) else _initial_text(settings)
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    after = text + gap + entry_text(entry)
    table = read_table(after, settings, path)
    _write(path, after)
    return path, table


def check_writable(settings: Settings) -> None:
    """Raise `SettingsError` if no entry can be written; called before a download."""
    path = writable_file(settings)
    folder = next(place for place in path.parents if os.access(place, os.F_OK))
    if not os.access(path if os.access(path, os.F_OK) else folder, os.W_OK) or not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(translate("models.not_written", path=path, reason=translate("settings.no_right")))


def _initial_text(settings: Settings) -> str:
    present = from_settings(settings)
    if not is_file(present.hbm):
        return ""
    return f"default = {_toml_string(present.id)}\n\n{entry_text({'id': present.id})}"


def _toml_string(text: str) -> str:
    import tomlkit

    return tomlkit.item(text).as_string()


def _write(path: Path, text: str) -> None:
    """Replace the file atomically."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        target = path.resolve()
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise SettingsError(translate("models.not_written", path=path, reason=os_reason(error))) from None
