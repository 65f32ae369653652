"""Renders the model's own chat template, in Jinja2's sandbox.

It also finds what the console wraps around one message. It reads no file and knows no clock. The template is not
trusted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypedDict

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bpu.chat.request_models import clean
from bpu.errors import SettingsError

#: Stands for a message while the frame around it is found; a word that no template holds.
_SENTINEL = "qzMessageOneqz"
#: Stands for `<` in messages while a template renders them, because templates cut texts at tags. A lone surrogate, so
#: that no valid text holds it.
_ANGLE = "\ud800"


class TemplateMessage(TypedDict):
    """A message as templates read it."""

    role: str
    content: str


class Unrenderable(ValueError):
    """The template refuses these messages."""


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


class Template:
    """A Hugging Face chat template.

    `bos` and `eos` are the tokenizer's tokens for a text's begin and end.
    """

    def __init__(
        self,
        text: str,
        *,
        bos: str = "",
        eos: str = "",
        special: Sequence[str] = (),
        strftime_now: Callable[[str], str] | None = None,
        closes_thinking: bool = False,
    ) -> None:
        """`special`: further tokens that no message may hold.

        `closes_thinking`: the console ends the reasoning inside the prompt, by `enable_thinking`. Raises
        `SettingsError` when the template is broken or refuses a user's message.
        """
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise_exception
        if strftime_now is not None:
            environment.globals["strftime_now"] = strftime_now
        self.text = text
        self.bos, self.eos = bos, eos
        #: The special tokens of the model, the longest first because one may hold another.
        self.special = tuple(sorted({word for word in (bos, eos, *special) if len(word) > 1}, key=len, reverse=True))
        self._variables: dict[str, Any] = {"bos_token": bos, "eos_token": eos, "tools": None, "documents": None}
        if closes_thinking:
            self._variables["enable_thinking"] = False
        #: Whether the model reasons: its template knows where reasoning ends.
        self.reasons = "</think>" in text
        self._dated = "strftime_now" in text
        try:
            self._template = environment.from_string(text)
            self._frame = self._render_frame()
        except (jinja2.TemplateError, Unrenderable) as error:
            raise SettingsError(
                f"BPU_TEMPLATE_PATH: the chat template cannot be used: {error}. Copy the model's own template."
            ) from None

    def render(self, messages: Sequence[TemplateMessage]) -> str:
        """Render the prompt of `messages`, with the beginning of the answer. Raises `Unrenderable`."""
        try:
            return self._template.render(messages=list(messages), add_generation_prompt=True, **self._variables)
        except Exception as error:  # a template is a program and can raise anything
            raise Unrenderable(str(error) or type(error).__name__) from None

    def frame(self) -> tuple[str, str]:
        """Return what the console puts before and after one line.

        Rendered each time where it may hold the date.
        """
        return self._render_frame() if self._dated else self._frame

    def _render_frame(self) -> tuple[str, str]:
        before, found, after = self.render([{"role": "user", "content": _SENTINEL}]).partition(_SENTINEL)
        if not found or _SENTINEL in after:
            raise Unrenderable("it does not render a user's message exactly once")
        return before, after

    def between(self) -> str:
        """Return what the template puts between an answer and the next question.

        Return "" if it refuses three messages.
        """
        words = [f"{_SENTINEL}{number}end" for number in range(3)]
        roles = ("user", "assistant", "user")
        try:
            text = self.render(
                [TemplateMessage(role=role, content=word) for role, word in zip(roles, words, strict=True)]
            )
        except Unrenderable:
            return ""
        rest, found, _ = text.partition(words[1])[2].partition(words[2])
        return rest if found else ""

    def inside(self, messages: Sequence[TemplateMessage]) -> str | None:
        """Render `messages` without the frame, which the console adds again.

        Return None when the template changes the frame or refuses the messages. Tags in messages are hidden from the
        template, so it cannot cut them away.
        """
        hidden = [
            TemplateMessage(role=one["role"], content=clean(one["content"]).replace("<", _ANGLE)) for one in messages
        ]
        try:
            before, after = self.frame()
            text = self.render(hidden)
        except Unrenderable:
            return None
        whole = len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)
        return text[len(before) : len(text) - len(after)].replace(_ANGLE, "<") if whole else None

    def carries(self, *roles: str) -> bool:
        """Whether the template renders these roles, each once, in order and inside the frame."""
        words = [f"{_SENTINEL}{number}end" for number in range(len(roles))]
        messages = [TemplateMessage(role=role, content=word) for role, word in zip(roles, words, strict=True)]
        text = self.inside(messages)
        if text is None or any(text.count(word) != 1 for word in words):
            return False
        places = [text.index(word) for word in words]
        return places == sorted(places)
