"""Encodes a prompt as exactly one line of a console's input.

It shortens nothing and interprets nothing. The consoles read a line with `fgets` or `getline` and compare it with their
commands byte by byte (docs/console-protocol.md#input).
"""

from __future__ import annotations

import re

from bpu.console.errors import LineTooLong
from bpu.console.profiles import COMMAND_PREFIXES, COMMANDS, Profile

__all__ = ["LineTooLong", "encode_line", "escape_special_tokens"]

#: Everything that some reader takes for the end of a line; CR LF is one.
_BREAK = re.compile("\r\n|[\n\v\f\r\x85\u2028\u2029]")

#: The other control characters of C0 and C1 and DEL, tab excepted.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")

_SURROGATE = re.compile("[\ud800-\udfff]")

_SPECIAL = re.compile(r"<(?=[|｜][^|｜<>]{1,128}[|｜]>)")


def encode_line(text: str, *, profile: Profile, newline: str = "\\n", limit: int | None = None) -> bytes:
    """Encode `text` as the bytes of one line in UTF-8.

    They do not include the newline that sends the line.

    - A line break of any kind (CR, LF, CR LF, VT, FF, U+0085, U+2028, U+2029) becomes `newline`.
    - Every other control character (NUL would cut the line) becomes a blank; a tab stays; a lone surrogate,
      which has no UTF-8, becomes U+FFFD.
    - A line that is a command of any known console, or begins like one, gets one leading blank: consoles compare
      commands byte by byte, so the line stays a question. An empty line becomes one blank.
    - Everything else stays byte for byte.

    `limit` is the longest line in bytes; None: the profile's, 0: no limit. Raises `LineTooLong` with both numbers and
    never cuts. Raises `ValueError` if `newline` itself holds a line break or a control character.
    """
    if _BREAK.search(newline) or _CONTROL.search(newline) or _SURROGATE.search(newline):
        raise ValueError("What stands for a line break must itself be free of line breaks and control characters.")
    text = _CONTROL.sub(" ", _BREAK.sub(lambda _: newline, text))
    line = _SURROGATE.sub("\ufffd", text).encode()
    if not line or line in COMMANDS or line.startswith(COMMAND_PREFIXES):
        line = b" " + line
    longest = profile.line_limit if limit is None else limit
    if longest and len(line) > longest:
        raise LineTooLong(len(line), longest)
    return line


def escape_special_tokens(text: str) -> str:
    """Put a blank into every `<｜...｜>` and `<|...|>` of `text`.

    No tokenizer then reads a special token there. Think and tool tags stay unchanged.
    """
    return _SPECIAL.sub("< ", text)
