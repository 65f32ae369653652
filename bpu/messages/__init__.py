"""What a person reads in the terminal, in English and Chinese; the one mechanism for all commands.

Texts live beside this file, one module an area, each a dictionary `TEXTS` of key to (English, Chinese), so that a
text can never exist in one language alone. `say("serve.help")` looks up the key `help` in `bpu/messages/serve.py`.
Errors on the wire are not here: clients match their English words. In a text `{bpu}` stands for the words that call
this very program, and `{sudo_bpu}` for those that call it as root.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from bpu.project import IMPORT_ROOT

Language = Literal["en", "zh"]
Texts = dict[str, tuple[str, str]]
#: What other libraries say in the terminal, as catalogues for gettext.
LOCALE = Path(__file__).with_name("locale")


def language(environ: Mapping[str, str] = os.environ) -> Language:
    """The language of the terminal: the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set decides."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def texts(area: str) -> Texts:
    """The catalogue of one area; empty when the area has none."""
    name = f"{__name__}.{area}"
    try:
        found: Texts = import_module(name).TEXTS
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return {}
    return found


def has(key: str) -> bool:
    area, _, name = key.partition(".")
    return name in texts(area)


def say(key: str, /, *, lang: Language | None = None, **values: Any) -> str:
    """The text of `area.name` in the terminal's language, with `{placeholders}` filled. KeyError if there is none."""
    area, _, name = key.partition(".")
    english, chinese = texts(area)[name]
    text = chinese if (lang or language()) == "zh" else english
    if "bpu}" in text:
        text = text.replace("{bpu}", program()).replace("{sudo_bpu}", sudo_program())
    return text.format(**values) if values else text


#: Where sudo looks for programs, as Debian and Ubuntu set it up.
_SECURE_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def program() -> str:
    """The words that call this command line: `bpu` if that is this one, else the line that works in this folder."""
    return "bpu" if _command() is not None else _exact()


def sudo_program() -> str:
    """The same as root: sudo searches other folders than the user's own."""
    command = _command()
    return "sudo bpu" if command is not None and str(command.parent) in _SECURE_PATH else f"sudo {_exact()}"


def _command() -> Path | None:
    """`bpu` of PATH, if it is of this environment."""
    from shutil import which  # the keeper imports this package, and needs no remedies

    found = which("bpu")
    same = found is not None and Path(found).resolve() == _script().resolve()
    return Path(found) if found is not None and same else None


def _script() -> Path:
    return Path(sys.executable).with_name("bpu")


def _exact() -> str:
    script = _script()
    if script.is_file():
        with contextlib.suppress(OSError):  # the current folder may be gone
            if Path.cwd() == IMPORT_ROOT and script.is_relative_to(IMPORT_ROOT):
                return str(script.relative_to(IMPORT_ROOT))
        return str(script)
    return f"{sys.executable} -m bpu"
