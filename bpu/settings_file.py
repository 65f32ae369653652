"""Finds, reads and writes the one settings file, whose values the environment overrides.

The first existing one is the settings file: the system's, the user's own, the project's `.env`. It is read only if no
other user could have written it (`bpu.trusted_files`). Runs in the CLI and in gunicorn's master, before any thread.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shlex
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from bpu.errors import SettingsError
from bpu.messages import os_reason, translate
from bpu.project import INSTALLED, PROJECT
from bpu.trusted_files import read_trusted

SYSTEM_FILE = Path("/etc/bpu/bpu.env")
#: The variable that names another settings file; `/dev/null` means none.
VARIABLE = "BPU_SETTINGS_FILE"
#: Prefixes of the gateway's settings, and of the SDK's, which are passed to the console.
PREFIXES = ("BPU_", "HB_")
#: Keys are secrets, and every user may read the settings; the file of the keys is named by `BPU_API_KEYS_FILE`.
SECRET = "BPU_API_KEYS"


@dataclass(frozen=True)
class SettingsFile:
    """The settings file that was read.

    `path` is None without one; `notices` say which files were ignored.
    """

    path: Path | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


#: The variables that the last `adopt` of this process set, so that the next call can replace them.
_adopted: dict[str, str] = {}
_loaded = SettingsFile()


def user_file() -> Path:
    """Return the settings file of the user who runs this process."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "bpu" / "bpu.env"


def usual_files() -> list[Path]:
    """List the places of the settings file in the order of search."""
    return [SYSTEM_FILE, user_file(), *([] if INSTALLED else [PROJECT / ".env"])]


def target_file() -> Path:
    """Return the file to write changes to.

    It is the existing one, else the user's, or for root the system's.
    """
    named = os.environ.get(VARIABLE)
    places = [Path(named).absolute()] if named else [path for path in usual_files() if os.path.lexists(path)]
    return next(iter(places), SYSTEM_FILE if os.geteuid() == 0 else user_file())


def find(environ: Mapping[str, str] = os.environ, *, may_be_missing: bool = False) -> SettingsFile:
    """Find and read the settings file.

    Raises `SettingsError` for a broken line, or if a named file is unusable. A named file may be missing only for a
    command that creates it. Another file that is not trusted is ignored, with a notice.
    """
    if named := environ.get(VARIABLE):
        path = Path(named).absolute()
        if named == os.devnull or (may_be_missing and not os.path.lexists(path)):
            return SettingsFile()
        return SettingsFile(path, read(path))
    path_found = next((path for path in usual_files() if os.path.lexists(path)), None)
    if path_found is None:
        other = sudo_user_file()
        return SettingsFile(notices=() if other is None else (translate("settings.sudo_file", path=other[0]),))
    try:
        text = read_trusted(path_found)
    except FileNotFoundError:
        return SettingsFile()
    except SettingsError as error:
        return SettingsFile(notices=(error.message,))
    return SettingsFile(path_found, parse(text, path_found))


def adopt(environ: MutableMapping[str, str] = os.environ, *, may_be_missing: bool = False) -> SettingsFile:
    """Set the file's values in `environ` unless they are set already.

    Replace those of the last call.
    """
    global _loaded
    release(environ)
    _loaded = find(environ, may_be_missing=may_be_missing)
    for name, value in _loaded.values.items():
        if not environ.get(name):
            environ[name] = _adopted[name] = value
    return _loaded


def release(environ: MutableMapping[str, str] = os.environ) -> None:
    """Remove from `environ` what `adopt` set, for a program that reads the file itself."""
    for name, value in _adopted.items():
        if environ.get(name) == value:
            del environ[name]
    _adopted.clear()


def source(variable: str, environ: Mapping[str, str] = os.environ) -> Path | str:
    """Return where the value of `variable` comes from: a file, `environment` or `default`."""
    if not environ.get(variable):
        return "default"
    return _loaded.path if variable in _adopted and _loaded.path is not None else "environment"


def read(path: Path) -> dict[str, str]:
    """Read the variables of a file. Raises `SettingsError` if it is missing or not trusted."""
    try:
        return parse(read_trusted(path), path)
    except FileNotFoundError as error:
        raise SettingsError(translate("files.unreadable", path=path, reason=os_reason(error))) from None


def parse(text: str, path: Path) -> dict[str, str]:
    """Parse the variables of `text`.

    Raises `SettingsError` for a broken line, or for keys that others can read.
    """
    values = {name: value for name, value in variables(text, path) if name.startswith(PREFIXES)}
    if values.get(SECRET) and path.exists() and path.stat().st_mode & 0o044:
        raise SettingsError(translate("settings.open_keys", path=path))
    return values


def variables(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line, with the syntax of systemd's `EnvironmentFile=`."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words[0] in "#;":
            continue
        name, equals, value = words.partition("=")
        try:
            plain = " ".join(shlex.split(value))
        except ValueError:
            equals = ""
        if not equals or not name.strip().isidentifier():
            raise SettingsError(translate("cli.env_line", path=path, number=number))
        yield name.strip(), plain


def apply_changes(text: str, changes: Mapping[str, str]) -> str:
    """Return `text` with changed lines replaced and new ones at the end.

    An empty value removes the line. Raises `SettingsError` for a value that one line cannot hold.
    """
    lines = text.splitlines()
    for name, value in changes.items():
        if not _fits_one_line(value):
            raise SettingsError(translate("settings.one_line", name=name, value=ascii(value)))
        own = re.compile(rf"\s*{re.escape(name)}\s*=")
        places = [index for index, line in enumerate(lines) if own.match(line)]
        new = [f"{name}={quote(value)}"] if value else []
        if places:
            lines[places[-1] : places[-1] + 1] = new
            # systemd uses the last line of a name, so earlier ones are removed.
            lines = [line for index, line in enumerate(lines) if index not in places[:-1]]
        else:
            lines += new
    return "".join(f"{line}\n" for line in lines)


def _fits_one_line(value: str) -> bool:
    """Whether `value` is UTF-8 text of one line."""
    # A byte that is not UTF-8, in a file's name say, is a surrogate in a string.
    return len(f"{value}.".splitlines()) == 1 and not re.search("[\ud800-\udfff]", value)


def quote(value: str) -> str:
    """Quote `value` for a line of the file, unless it is plain."""
    if re.fullmatch(r"[\w./:@%+,=-]*", value):
        return value
    return f"'{value}'" if "'" not in value else '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def write(path: Path, changes: Mapping[str, str]) -> None:
    """Change the file at `path` atomically.

    A new file is readable by other users only in `/etc`. Raises `SettingsError`.
    """
    try:
        text = apply_changes(read_trusted(path) if os.path.lexists(path) else "", changes)
        system = path.is_relative_to("/etc")
        path.parent.mkdir(mode=0o755 if system else 0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644 if system else 0o600
        part = path.with_name(f".{path.name}.new")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    except OSError as error:
        key = "needs_root" if isinstance(error, PermissionError) and path == SYSTEM_FILE else "not_written"
        raise SettingsError(translate(f"settings.{key}", path=path, reason=os_reason(error))) from None


def sudo_user_file() -> tuple[Path, int] | None:
    """Under sudo, return the calling user's settings file and that user's number; None without one."""
    number = os.environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not number.isdigit() or number == "0":
        return None
    with contextlib.suppress(KeyError):
        home = Path(pwd.getpwuid(int(number)).pw_dir)
        places = [home / ".config" / "bpu" / "bpu.env", *([] if INSTALLED else [PROJECT / ".env"])]
        return next(((path, int(number)) for path in places if os.path.lexists(path)), None)
    return None


def read_as(path: Path, user: int) -> dict[str, str]:
    """Read the variables of a file of `user` with that user's rights.

    It is for root only; raises `SettingsError`.
    """
    group = os.getegid()
    os.setegid(pwd.getpwuid(user).pw_gid)
    os.seteuid(user)
    try:
        return read(path)
    finally:
        os.seteuid(0)
        os.setegid(group)
