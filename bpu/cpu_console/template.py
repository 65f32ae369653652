"""Splits a chat template into the three texts around the messages of a conversation. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

#: Words that no template holds; each stands for a message, so that the texts around it can be found.
_FIRST, _ANSWER, _SECOND = "qzFirstQuestionqz", "qzAnswerqz", "qzSecondQuestionqz"


class TemplateError(ValueError):
    """The template is broken or does not render a user's message exactly once."""


class Frame(NamedTuple):
    """The texts around messages.

    `opening` before the first question, `between` an answer and the next question, `closing` between a question and its
    answer.
    """

    opening: str
    between: str
    closing: str


def frame(source: str, *, bos: str = "", eos: str = "") -> Frame:
    """Render the chat template `source`, and return the texts around the messages. Raises `TemplateError`."""
    try:
        template = _environment().from_string(source)
        first = template.render(**_variables(bos, eos, [("user", _FIRST)]))
    except Exception as error:  # a template is a program and may raise anything
        raise TemplateError(str(error) or type(error).__name__) from None
    opening, found, closing = first.partition(_FIRST)
    if not found or _FIRST in closing:
        raise TemplateError("it does not render a user's message exactly once")
    return Frame(opening, _between(template, bos, eos, opening) or f"{eos}{opening}", closing)


def _between(template: jinja2.Template, bos: str, eos: str, opening: str) -> str:
    """Return the text between an answer and the next question.

    Return "" if the template refuses three messages.
    """
    messages = [("user", _FIRST), ("assistant", _ANSWER), ("user", _SECOND)]
    try:
        text = template.render(**_variables(bos, eos, messages))
    except Exception:  # as above
        return ""
    rest, found, _ = text.partition(_ANSWER)[2].partition(_SECOND)
    return rest if found else ""


def _variables(bos: str, eos: str, turns: Sequence[tuple[str, str]]) -> dict[str, Any]:
    messages = [{"role": role, "content": content} for role, content in turns]
    return {"messages": messages, "add_generation_prompt": True, "bos_token": bos, "eos_token": eos, "tools": None}


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = time.strftime
    return environment


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
