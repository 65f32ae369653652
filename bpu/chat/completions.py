"""The older text completions as a format of the chat.

The prompt becomes one user message. The console wraps every line in the chat template, so a text is answered, not
continued. Reasoning has no place in this format and is left out (the `-think` model has it inline).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Union

from bpu.chat.chunks import ResponseMetadata
from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, as_keepalive
from bpu.chat.requests import ChatRequest, parse_chat, translate_params
from bpu.errors import BadRequest

#: Fields with the same meaning in both.
_SHARED = (
    "model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "n", "temperature", "top_p",
    "top_k", "min_p", "typical_p", "seed", "logprobs", "logit_bias", "presence_penalty", "frequency_penalty",
    "repetition_penalty", "repeat_penalty", "user", "thinking", "enable_thinking", "chat_template_kwargs", "think",
)  # fmt: skip
PARAMS = {"messages": "prompt"}


def parse_completion(body: object, **options: Any) -> tuple[ChatRequest, str]:
    """Parse the request in `body`; also return the prompt if the answer repeats it (`echo`).

    `options` are those of `parse_chat`. Raises `BadRequest` with its `param`, or `ModelNotFound`.
    """
    if not isinstance(body, Mapping):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    prompt = _prompt(body)
    if body.get("suffix"):
        raise BadRequest("This model cannot fill in before a `suffix`; leave it out.", param="suffix")
    if body.get("best_of") not in (None, 1):
        raise BadRequest("This gateway makes one answer a request; `best_of` may be 1.", param="best_of")
    chat = {name: body[name] for name in _SHARED if name in body}
    with translate_params(PARAMS):
        request = parse_chat({**chat, "messages": [{"role": "user", "content": prompt}]}, **options)
    return replace(request, show_reasoning=False), prompt if body.get("echo") is True else ""


def _prompt(body: Mapping[str, Any]) -> str:
    if "prompt" not in body:
        raise BadRequest("You must provide `prompt`.", param="prompt", code="missing_required_parameter")
    prompt = body["prompt"]
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise BadRequest("`prompt` must be one string: several prompts and tokens are not taken.", param="prompt")
    return prompt


class TextCompletionFormat:
    """Makes `text_completion` objects: streamed (`start`, `events`), or joined (`add`, `body`).

    `echo` comes first.
    """

    def __init__(self, head: ResponseMetadata, echo: str = "") -> None:
        self._head = head
        self._echo = echo
        self._texts = [echo]
        self._finish: Finish | None = None

    def start(self) -> list[Union[dict[str, Any], KeepAlive]]:
        """Return the event before the first delta: the echo, or a keep-alive without one."""
        return [self._chunk(self._echo) if self._echo else KeepAlive("queued")]

    def events(self, delta: Delta) -> list[Union[dict[str, Any], KeepAlive]]:
        """Return the events of `delta`; a keep-alive for a delta without text."""
        if isinstance(delta, Content):
            return [self._chunk(delta.text)]
        if not isinstance(delta, Finish):
            return [as_keepalive(delta)]
        figures = {"usage": delta.usage.body(), "timings": delta.usage.timings()}
        last = self._chunk("", delta.reason)
        if not self._head.include_usage:
            return [{**last, **figures}]
        return [last, {**self._head.open("text_completion"), "choices": [], **figures}]

    @property
    def keepalive(self) -> dict[str, Any]:
        """The chunk of a keep-alive: one without text."""
        return self._chunk("")

    def add(self, delta: Delta) -> None:
        """Add a delta; reasoning, calls and keep-alives have no place in this API."""
        if isinstance(delta, Content):
            self._texts.append(delta.text)
        elif isinstance(delta, Finish):
            self._finish = delta

    def body(self) -> dict[str, Any]:
        """Return the whole object; legal after the `Finish`."""
        assert self._finish is not None, "the answer is not finished"
        usage = self._finish.usage
        whole = self._chunk("".join(self._texts), self._finish.reason)
        return {**whole, "usage": usage.body(), "timings": usage.timings()}

    def _chunk(self, text: str, reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}
        return {**self._head.open("text_completion"), "choices": [choice]}
