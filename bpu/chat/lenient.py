"""Reads JSON as small models write it: strictly first, then with repairs that cannot change a value's meaning.

Repaired: single quotes, Python's `True`, `False` and `None`, a comma before a closing bracket, raw line breaks in
strings, a bracket too many at the end, and, when the text is complete, brackets that were never closed. Never
repaired: a string that was never closed, because what it should have held is not known.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)"""
    r"""|(?P<word>True|False|None)\b|(?P<space>\s+)|(?P<quote>["'])|(?P<other>[^"'{}\[\],\s]+)""",
    re.DOTALL,
)
_WORDS = {"True": "true", "False": "false", "None": "null"}
_CLOSERS = {"{": "}", "[": "]"}
_SURPLUS = "}]`; \t\r\n"


class NoJson(ValueError):
    """The text holds no JSON, not even after repair."""


def loads(text: str, *, close: bool = True) -> Any:
    """The JSON value of the whole `text`. Raises `NoJson`; numbers beyond JSON's are none.

    Not `close`: brackets that are open at the end are no mistake of the writer's, and are not closed.
    """
    try:
        return _strict(text)
    except NoJson:
        return _strict(repair(text, close=close))


def dumps(value: Any) -> str:
    """`value` as compact JSON text, characters as they are; raises `NoJson` for what JSON cannot hold."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise NoJson(str(error)) from None


def _strict(text: str) -> Any:
    text = text.strip()
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise NoJson(str(error)) from None
    if text[end:].strip(_SURPLUS):
        raise NoJson("something follows the value")
    return value


def _number(text: str) -> float | int:
    """A whole number is one, however it was written: clients re-write 1.0 as 1, and a chat must be recognised."""
    value = float(text)
    if value - value != 0:
        raise ValueError("a number out of range")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(strict=False, parse_float=_number, parse_constant=_constant)


def repair(text: str, *, close: bool = True) -> str:
    """`text` with the repairs applied; whether JSON came of it is for the reader to see. Linear in its length."""
    out: list[str] = []
    stack: list[str] = []
    for token in _TOKEN.finditer(text):
        kind, words = token.lastgroup, token.group()
        if kind == "quote":
            raise NoJson("a string was never closed")
        if kind == "close":
            _drop_comma(out)
            if not stack or stack.pop() != words:
                break  # one bracket too many: the value is complete, or the text is beyond repair
        elif kind == "open":
            stack.append(_CLOSERS[words])
        out.append(_rewritten(kind, words))
    if stack and not close:
        raise NoJson("a bracket was never closed")
    _drop_comma(out)
    return "".join([*out, *reversed(stack)])


def _rewritten(kind: str | None, words: str) -> str:
    if kind == "word":
        return _WORDS[words]
    if kind == "string" and words[0] == "'":
        inner = re.sub(r"\\(.)|(\")", lambda one: '\\"' if one[2] else _unescaped(one[1]), words[1:-1], flags=re.DOTALL)
        return f'"{inner}"'
    return words


def _unescaped(character: str) -> str:
    return "'" if character == "'" else f"\\{character}"


def _drop_comma(out: list[str]) -> None:
    """Take back a comma that nothing follows."""
    at = len(out) - 1
    while at >= 0 and out[at].isspace():
        at -= 1
    if at >= 0 and out[at] == ",":
        del out[at]


class Balance:
    """Finds where a JSON object or array that begins a text ends, fed in pieces, at linear cost."""

    def __init__(self) -> None:
        self._depth = 0
        self._string = False
        self._escaped = False

    @property
    def in_string(self) -> bool:
        return self._string

    def feed(self, piece: str) -> int:
        """How many characters of `piece` belong to the value when it is complete, -1 while it is not."""
        for at, character in enumerate(piece):
            if self._step(character):
                return at + 1
        return -1

    def _step(self, character: str) -> bool:
        if self._string:
            self._string = self._escaped or character != '"'
            self._escaped = character == "\\" and not self._escaped
            return False
        if character == '"':
            self._string = True
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth -= 1
            return self._depth <= 0
        return False
