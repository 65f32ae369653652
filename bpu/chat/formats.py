"""Answers in JSON: the words that ask the model for it, and what is made of what it said. Knows no stream.

Fences and prose around the value are left out, mistakes that cannot change its meaning are repaired, and what is
then not what the client asked for is an error, never an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

from bpu.chat.fields import ResponseFormat
from bpu.chat.lenient import Balance, NoJson, dumps, loads
from bpu.chat.schemas import Checker, coerced
from bpu.chat.tools import compact, lean
from bpu.errors import AnswerUnfit

_FENCED = re.compile(r"```[A-Za-z_]{0,20}[ \t]*\n(.*?)```", re.DOTALL)
_BRACKET = re.compile(r"[{\[]")
#: How many values in one answer are looked at.
_MOST = 20


def instruction(wanted: ResponseFormat) -> str:
    """The words that ask for `wanted`, "" for free text."""
    if wanted.type == "text":
        return ""
    if wanted.type == "json_object" or not wanted.schema_:
        return "Answer with nothing but one JSON object: no other words and no fence."
    schema = compact(lean(wanted.schema_))
    return f"Answer with nothing but JSON that fits this JSON schema, no other words and no fence:\n{schema}"


def as_json(text: str, wanted: ResponseFormat, *, close: bool = True) -> str:
    """The JSON text in `text` that fits `wanted`. Raises `AnswerUnfit`.

    Not `close`: the text was cut at a stop string, so brackets that are open must not be closed for it.
    """
    problem = "it holds no JSON"
    checker = Checker(wanted.schema_)
    for candidate in _candidates(text):
        try:
            value = loads(candidate, close=close)
            fitting = coerced(value, wanted.schema_)
            found = _problem(fitting, wanted, checker)
            if found is None:
                return candidate if fitting == value and _strict(candidate) else dumps(fitting)
        except NoJson:
            continue
        problem = found
    raise AnswerUnfit(
        f"The model's answer is not what `response_format` asks for: {problem}. Send the request again, or ask for a "
        "simpler form."
    )


def beginning(text: str) -> str:
    """What a limit left of an answer in JSON: from its first bracket on."""
    match = _BRACKET.search(text)
    return text[match.start() :] if match else ""


def _problem(value: Any, wanted: ResponseFormat, checker: Checker) -> str | None:
    if wanted.type == "json_object" and not isinstance(value, dict):
        return "it holds no JSON object"
    return checker.problem(value)


def _candidates(text: str) -> Iterator[str]:
    """Where the value may stand, the likeliest first: all of it, a fence, a value between words, one never closed."""
    yield text.strip()
    yield from (match.group(1).strip() for match in islice(_FENCED.finditer(text), _MOST))
    at, rest = 0, None
    for _ in range(_MOST):
        if (match := _BRACKET.search(text, at)) is None:
            break
        at = match.start()
        length = Balance().feed(text[at:])
        if length < 0:
            rest = text[at:].strip() if rest is None else rest
            at += 1
            continue
        yield text[at : at + length]
        at += length
    if rest is not None:
        yield rest


def _strict(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
