"""Answers in JSON: the instruction for the model, and the value found in its text.

It knows no stream. Fences and prose around the value are left out, mistakes that cannot change its meaning are
repaired, and a value that still does not fit the request is an error. Models reason first and answer last, so of
several values that fit the last one outside fences is the answer; one in a fence counts only where there is no other.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NoReturn

from bpu.chat.coercion import coerce
from bpu.chat.json_repair import JsonError, dumps, loads
from bpu.chat.request_models import ResponseFormat
from bpu.chat.schemas import MAX_PRUNED, Checker, Steps, prune_schema
from bpu.chat.tools import compact
from bpu.errors import AnswerUnfit

#: A mark that opens or closes a fence: three or more backticks anywhere, tildes at the beginning of a line alone.
_FENCE_MARK = re.compile(r"^[ \t>]*(?P<first>`{3,}|~{3,})|(?P<inline>`{3,})", re.MULTILINE)
#: The words behind an opening mark, up to the value.
_FENCE_INFO = re.compile(r"[^\n{\[\"]*\n?")
#: The characters by which JSON values are found in a text.
_SYNTAX = re.compile(r"[{}\[\]\"]")
_STRING_MARK = re.compile(r"[\"\\]")
#: How many values in one answer are tried.
_MAX_VALUES = 50
#: How often a search begins again behind an open bracket, and how many characters all further searches read. As many
#: characters are read of the values that were never closed, after the first of them.
_MAX_SEARCHES = 20
_MAX_SEARCHED = 100_000


def instruction(wanted: ResponseFormat) -> str:
    """Return the instruction that asks for `wanted`, "" for free text."""
    if wanted.type == "text":
        return ""
    if wanted.type == "json_object" or not wanted.schema_:
        return "Answer with nothing but one JSON object: no other words and no fence."
    schema = compact(wanted.schema_)
    if len(schema) <= MAX_PRUNED:
        schema = compact(prune_schema(wanted.schema_))
    return f"Answer with nothing but JSON that fits this JSON schema, no other words and no fence:\n{schema}"


def as_json(text: str, wanted: ResponseFormat, *, close: bool = True) -> str:
    """Find the JSON in `text` that fits `wanted`. Raises `AnswerUnfit`.

    Without `close` the text was cut at a stop string, so open brackets are not closed.
    """
    problem: str | None = None
    steps = Steps()
    checker = Checker(wanted.schema_, steps)
    for candidate in _candidates(text):
        try:
            value = loads(candidate, close=close)
            fitting = coerce(value, wanted.schema_, steps)
            found = _problem(fitting, wanted, checker)
            if found is None:
                return candidate if fitting == value and _strict(candidate) else dumps(fitting)
        except JsonError:
            continue
        problem = problem or found
    raise AnswerUnfit(
        f"The model's answer does not have the form that the request asks for: {problem or 'it holds no JSON'}. Send "
        "the request again, or ask for a simpler form.",
        output=text,
    )


def beginning(text: str) -> str:
    """Return the rest of a JSON answer that a limit cut.

    That is the unfinished value, else its last value.
    """
    values = _values(text)
    after = values.spans[-1][1] if values.spans else 0
    if behind := [start for start in values.unclosed if start >= after]:
        return text[behind[0] :]
    return text[values.spans[-1][0] :] if values.spans else ""


def _problem(value: Any, wanted: ResponseFormat, checker: Checker) -> str | None:
    if wanted.type == "json_object" and not isinstance(value, dict):
        return "it holds no JSON object"
    return checker.problem(value)


def _candidates(text: str) -> Iterator[str]:
    """Yield the possible values, the likeliest first.

    They are the whole text, values outside fences and in fences (the last first), and unclosed values.
    """
    yield text.strip()
    values = _values(text)
    fences = _fences(text, values.spans)
    outside = [span for span in values.spans if not _covers(fences, span[0])]
    fenced = [span for span in values.spans if _covers(fences, span[0])]
    for start, end in islice(chain(reversed(outside), _in_fences(fences, fenced)), _MAX_VALUES):
        yield text[start:end].strip()
    rest = len(text) + _MAX_SEARCHED
    for start in values.unclosed:
        rest -= len(text) - start
        if rest >= 0:
            yield text[start:].strip()


def _fences(text: str, values: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return where the contents of all fences stand; the last one may be open.

    A mark inside one of `values` is part of a string. One between words that is never closed opens no fence.
    """
    found: list[tuple[int, int]] = []
    opener: re.Match[str] | None = None
    for mark in _FENCE_MARK.finditer(text):
        if _covers(values, mark.end() - 1):
            continue
        if opener is None:
            opener = mark
        elif _mark(mark).startswith(_mark(opener)):
            found.append(_content(text, opener, mark.start()))
            opener = None
    if opener is not None and opener["first"]:
        found.append(_content(text, opener, len(text)))
    return found


def _mark(found: re.Match[str]) -> str:
    return found["first"] or found["inline"]


def _content(text: str, opener: re.Match[str], end: int) -> tuple[int, int]:
    info = _FENCE_INFO.match(text, opener.end(), end)
    return (info.end() if info else opener.end()), end


def _in_fences(fences: list[tuple[int, int]], values: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the contents of each fence and then the values in it, the last first."""
    left = list(values)
    for start, end in reversed(fences):
        yield start, end
        while left and left[-1][0] >= start:
            yield left.pop()


@dataclass(frozen=True)
class _Values:
    """The outermost JSON objects and arrays in a text, and the unclosed brackets."""

    spans: list[tuple[int, int]]
    unclosed: list[int]


def _values(text: str) -> _Values:
    """Find all values.

    Search again behind an unclosed bracket, because the prose around it may hold a quote.
    """
    spans: list[tuple[int, int]] = []
    unclosed: list[int] = []
    at = searched = 0
    while len(unclosed) < _MAX_SEARCHES and searched <= _MAX_SEARCHED:
        found, still_open = _search(text, at)
        if still_open is None:
            return _Values(spans + found, unclosed)
        spans += [span for span in found if span[1] <= still_open]
        unclosed.append(still_open)
        at = still_open + 1
        searched += len(text) - at
    return _Values(spans + [span for span in found if span[0] > at], unclosed)


def _search(text: str, at: int) -> tuple[list[tuple[int, int]], int | None]:
    """Find the values in `text` from `at` on, and the first unclosed bracket.

    It reads the text once.
    """
    spans: list[tuple[int, int]] = []
    stack: list[int] = []
    in_string = False
    while match := (_STRING_MARK if in_string else _SYNTAX).search(text, at):
        character, at = match.group(), match.end()
        if character == "\\":
            at += 1
        elif character == '"':
            in_string = bool(stack) and not in_string
        elif character in "{[":
            stack.append(match.start())
        elif stack:
            start = stack.pop()
            while spans and spans[-1][0] > start:
                spans.pop()
            spans.append((start, at))
    return spans, stack[0] if stack else None


def _covers(spans: list[tuple[int, int]], at: int) -> bool:
    """Whether one of the sorted `spans` holds the position `at`."""
    found = bisect_right(spans, at, key=lambda span: span[0]) - 1
    return found >= 0 and spans[found][0] <= at < spans[found][1]


def _strict(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
