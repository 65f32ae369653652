"""The texts of the terminal in English and Chinese, for all commands.

Each module beside this file is an area with a dictionary `TEXTS` of key to (English, Chinese), so that no text exists
in only one language. `translate("serve.help")` looks up the key `help` in `bpu/messages/serve.py`. Errors of the API
are not here, because clients match their English text. In a text `{bpu}` stands for the command that calls this
program, and `{sudo_bpu}` for the same as root.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from bpu.project import IMPORT_ROOT

Language = Literal["en", "zh"]
Texts = dict[str, tuple[str, str]]
#: gettext catalogues with the texts of other libraries.
LOCALE = Path(__file__).with_name("locale")


def language(environ: Mapping[str, str] = os.environ) -> Language:
    """Return the language of the terminal.

    The first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set decides.
    """
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def texts(area: str) -> Texts:
    """Return the texts of one area; empty if it has none."""
    name = f"{__name__}.{area}"
    try:
        found: Texts = import_module(name).TEXTS
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return {}
    return found


def has(key: str) -> bool:
    """Whether the text `area.name` exists."""
    area, _, name = key.partition(".")
    return name in texts(area)


def translate(key: str, /, *, lang: Language | None = None, **values: Any) -> str:
    """Return the text `area.name` in the terminal's language, placeholders filled. KeyError if there is none."""
    area, _, name = key.partition(".")
    english, chinese = texts(area)[name]
    text = chinese if (lang or language()) == "zh" else english
    if "bpu}" in text:
        text = text.replace("{bpu}", program()).replace("{sudo_bpu}", sudo_program())
    return text.format(**values) if values else text


def os_reason(error: Exception) -> str:
    """Return the operating system's reason for `error` in the terminal's language.

    For another error, return its own text.
    """
    if not isinstance(error, OSError):
        return str(error)
    key = f"os.{errno.errorcode.get(error.errno or 0, '')}"
    return translate(key) if has(key) else error.strerror or str(error)


#: The folders where sudo searches programs on Debian and Ubuntu.
_SECURE_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def program() -> str:
    """Return the command that calls this program.

    `bpu` if PATH finds this one, else a command for this folder.
    """
    return "bpu" if _command() is not None else _exact()


def sudo_program() -> str:
    """Return the command that calls this program as root.

    Sudo searches other folders than the user.
    """
    command = _command()
    return "sudo bpu" if command is not None and str(command.parent) in _SECURE_PATH else f"sudo {_exact()}"


def _command() -> Path | None:
    """Return `bpu` of PATH, if it belongs to this environment."""
    from shutil import which  # imported here, because the keeper imports this package and does not need it

    found = which("bpu")
    same = found is not None and Path(found).resolve() == _script().resolve()
    return Path(found) if found is not None and same else None


def _script() -> Path:
    return Path(sys.executable).with_name("bpu")


def _exact() -> str:
    """Return the command as a shell takes it, from this folder."""
    from shlex import quote  # imported here, because the keeper imports this package and does not need it

    script = _script()
    if script.is_file():
        with contextlib.suppress(OSError):  # the current folder may be gone
            if Path.cwd() == IMPORT_ROOT and script.is_relative_to(IMPORT_ROOT):
                return quote(str(script.relative_to(IMPORT_ROOT)))
        return quote(str(script))
    return f"{quote(sys.executable)} -m bpu"
