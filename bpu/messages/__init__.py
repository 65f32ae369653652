"""What a person reads in the terminal, in English and Chinese; the one mechanism for all commands.

Texts live beside this file, one module an area, each a dictionary `TEXTS` of key to (English, Chinese), so that a
text can never exist in one language alone. `say("serve.help")` looks up the key `help` in `bpu/messages/serve.py`.
Errors on the wire are not here: clients match their English words.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

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
    return text.format(**values) if values else text
