"""Makes the gettext catalogue with click's Chinese texts from `bpu/messages/click.py`.

The format is that of GNU gettext's `.mo` files. Run it after a change of those texts; a test compares the two.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
CATALOGUE = PROJECT / "bpu" / "messages" / "locale" / "zh" / "LC_MESSAGES" / "messages.mo"
_MAGIC = 0x950412DE
_HEADER = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=1; plural=0;\n"
_TABLES_AT = 28


def compile_catalogue(texts: dict[str, str]) -> bytes:
    """Make a `.mo` file.

    A head of seven words, two tables of lengths and offsets, then the strings. Each text stands there a second time as
    one with a plural, which gettext finds by its singular alone.
    """
    plurals = {f"{english}\0{english}": other for english, other in texts.items()}
    pairs = sorted((english.encode(), other.encode()) for english, other in {"": _HEADER, **texts, **plurals}.items())
    count = len(pairs)
    place = _TABLES_AT + 16 * count
    tables, strings = b"", b""
    for side in (0, 1):
        for pair in pairs:
            tables += struct.pack("<2I", len(pair[side]), place + len(strings))
            strings += pair[side] + b"\0"
    head = struct.pack("<7I", _MAGIC, 0, count, _TABLES_AT, _TABLES_AT + 8 * count, 0, place)
    return head + tables + strings


def main() -> None:
    sys.path.insert(0, str(PROJECT))
    from bpu.messages import texts

    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    CATALOGUE.write_bytes(compile_catalogue(dict(texts("click").values())))
    print(f"{CATALOGUE.relative_to(PROJECT)}: {len(texts('click'))} texts")


if __name__ == "__main__":
    main()
