"""Parses JSON as small models write it.

Strictly first, then with repairs that cannot change a value's meaning. Repaired: single quotes, Python's `True`,
`False` and `None`, full-width colons and commas, a comma before a closing bracket, keys without quotation marks,
comments, raw line breaks in strings, a backslash that begins no escape, a bracket too many at the end, and, when the
text is complete, brackets that were never closed. Never repaired: a string that was never closed, because its content
is not known. Time and memory are linear in a text's length.
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # the decoder's own scanner, in C
from typing import Any, NoReturn

#: Tokens outside strings. Every expression is one class of characters or one word, so none backtracks.
_TOKEN = re.compile(
    r"""(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>[,，])|(?P<colon>[:：])|(?P<word>(?:True|False|None)\b)"""
    r"""|(?P<space>\s+)|(?P<quote>["'])|(?P<comment>//|/\*)|(?P<other>[^"'{}\[\],，:：\s/]+|/)"""
)
#: Characters with a meaning inside a string.
_MARK = re.compile(r"[\"'\\]")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_KEY = re.compile(r"(?!(?:true|false|null)\Z)[^\W\d][\w-]*")
_REWRITTEN = {"True": "true", "False": "false", "None": "null", "，": ",", "：": ":"}
_CLOSERS = {"{": "}", "[": "]"}
_COMMENT_ENDS = {"//": "\n", "/*": "*/"}
#: Python's reader accepts no deeper values.
_MAX_DEPTH = 500
_SURPLUS = "}]`; \t\r\n"
#: A longer text is refused: no answer and no call that fits a model's context is nearly as long.
MAX_LENGTH = 256 * 1024


class JsonError(ValueError):
    """The text holds no JSON, not even after repair."""


class WrittenInteger(int):
    """A whole number that Python writes in another way, such as `2.0`, `1e3` and `-0`.

    `written` is its spelling.
    """

    written: str


class WrittenFloat(float):
    """A number with a fraction; `written` is its spelling."""

    written: str


def loads(text: str, *, close: bool = True) -> Any:
    """Parse the whole `text` as one JSON value. Raises `JsonError`, also for infinite numbers.

    Without `close` the text was cut, so brackets that are open at the end are not closed.
    """
    if len(text) > MAX_LENGTH:
        raise JsonError("the text is too long")
    try:
        return _strict(text)
    except JsonError:
        return _strict(repair(text, close=close))


def dumps(value: Any) -> str:
    """Write `value` as JSON text without escaping characters. Raises `JsonError` for what JSON cannot hold."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        # A lone surrogate, which JSON can hold and UTF-8 cannot, stays an escape.
        return text if _is_whole(text) else json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise JsonError(str(error)) from None


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _strict(text: str) -> Any:
    text = text.strip()
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise JsonError(str(error)) from None
    if text[end:].strip(_SURPLUS):
        raise JsonError("something follows the value")
    return value


def _number(text: str) -> float | int:
    """Read 1.0 as a whole number.

    Clients send it back as 1, and the chat must be recognized.
    """
    value = float(text)
    if value - value != 0:
        raise ValueError("a number out of range")
    number = WrittenInteger(value) if value.is_integer() and abs(value) < 2**53 else WrittenFloat(value)
    number.written = text
    return number


def _integer(text: str) -> int:
    """Read a whole number.

    Minus zero keeps its spelling, for a parameter that is a string.
    """
    if text != "-0":
        return int(text)
    number = WrittenInteger(0)
    number.written = text
    return number


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(strict=False, parse_float=_number, parse_int=_integer, parse_constant=_constant)


def repair(text: str, *, close: bool = True) -> str:
    """Apply the repairs to `text`; the result need not be JSON.

    Time is linear in its length.
    """
    out: list[str] = []
    stack: list[str] = []
    at = 0
    while match := _TOKEN.match(text, at):
        kind, words, at = match.lastgroup, match.group(), match.end()
        if kind == "quote":
            words, at = _string(text, match.start())
        elif kind == "close":
            _drop_comma(out)
            if not stack or stack.pop() != words:
                if text[match.start() :].strip(_SURPLUS):
                    raise JsonError("a bracket too many")
                break
        elif kind == "open":
            stack.append(_CLOSERS[words])
            if len(stack) > _MAX_DEPTH:
                raise JsonError("the value is nested too deep")
        elif kind == "colon":
            _quote_key(out)
        elif kind == "comment":
            words, at = "", _comment_end(text, at, _COMMENT_ENDS[words])
        out.append(_REWRITTEN.get(words, words))
    if stack and not close:
        raise JsonError("a bracket was never closed")
    _drop_comma(out)
    return "".join([*out, *reversed(stack)])


def _string(text: str, start: int) -> tuple[str, int]:
    """Rewrite the string that opens at `start` as JSON; return it and its end.

    Raises `JsonError` without an end.
    """
    quote = text[start]
    if quote == '"':
        try:
            end = scanstring(text, start + 1, False)[1]
            return text[start:end], end
        except ValueError:
            pass  # never closed, or a backslash that begins no escape
    parts, at = ['"'], start + 1
    while match := _MARK.search(text, at):
        parts.append(text[at : match.start()])
        found, at = match.group(), match.end()
        if found == quote:
            return "".join([*parts, '"']), at
        if found == "\\":
            found, at = _escape(text, match.start())
        parts.append('\\"' if found == '"' else found)
    raise JsonError("a string was never closed")


def _escape(text: str, start: int) -> tuple[str, int]:
    """Read the backslash at `start` as an escape, an apostrophe, or itself.

    Return it and its end.
    """
    if match := _ESCAPE.match(text, start):
        return match.group(), match.end()
    if text.startswith("'", start + 1):
        return "'", start + 2
    return "\\\\", start + 1


def _comment_end(text: str, at: int, closer: str) -> int:
    """Find the end of the comment that begins at `at`.

    Raises `JsonError` if it has none.
    """
    end = text.find(closer, at)
    if end < 0:
        raise JsonError("a comment was never closed")
    return end + len(closer)


def _quote_key(out: list[str]) -> None:
    """Write the last token as a string if it is a bare key."""
    at = _last(out, len(out))
    if at > 0 and _KEY.fullmatch(out[at]) and out[_last(out, at)] in ("{", ","):
        out[at] = f'"{out[at]}"'


def _drop_comma(out: list[str]) -> None:
    """Remove a comma before a closing bracket."""
    at = _last(out, len(out))
    if at >= 0 and out[at] == ",":
        del out[at]


def _last(out: list[str], stop: int) -> int:
    """Return the index of the last non-blank token before `stop`, -1 for none."""
    at = stop - 1
    while at >= 0 and not out[at].strip():
        at -= 1
    return at


class BracketMatcher:
    """Finds where the JSON object or array at the beginning of a text ends.

    Fed in pieces, at linear cost.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._string = False
        self._escaped = False

    @property
    def in_string(self) -> bool:
        """Whether the text so far ends inside a string."""
        return self._string

    def feed(self, piece: str) -> int:
        """Return how many characters of `piece` complete the value, -1 while it is incomplete."""
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
