"""Turns deltas into lines of Ollama's chat and generate, or into one object.

It writes no bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Union

from bpu.chat.chunks import ResponseMetadata
from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning, ToolCall
from bpu.chat.ollama.errors import error_body
from bpu.chat.ollama.models import timestamp
from bpu.chat.usage import Usage
from bpu.errors import BpuError

Line = dict[str, Any]
_NANOSECONDS = 1_000_000


class LineFormat:
    """Formats one answer: streamed (`start`, `events`), or whole (`add`, `body`). `model` is the client's name.

    Every line has its text, if it is empty: clients break on an empty line, so a keep-alive is a whole one.
    """

    def __init__(self, head: ResponseMetadata, model: str) -> None:
        self._head = head
        self._opening = {"model": model, "created_at": timestamp(head.created)}
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[Line] = []
        self._finish: Finish | None = None
        #: The line of a keep-alive: one without text.
        self.keepalive = self._line(self._part())

    def start(self) -> list[Union[Line, KeepAlive]]:
        """Return the line before the first delta."""
        return [self._line(self._part())]

    def events(self, delta: Delta) -> list[Union[Line, KeepAlive]]:
        """Return the line of `delta`; a keep-alive stays one."""
        if isinstance(delta, Finish):
            return [self._last(self._part(), delta)]
        return [delta if isinstance(delta, KeepAlive) else self._line(self._said(delta))]

    def add(self, delta: Delta) -> None:
        """Add a delta; a keep-alive has no effect."""
        if isinstance(delta, Finish):
            self._finish = delta
        elif isinstance(delta, Content):
            self._texts.append(delta.text)
        elif isinstance(delta, Reasoning):
            self._thoughts.append(delta.text)
        elif isinstance(delta, ToolCall):
            self._calls.append(self._call(delta))

    def body(self) -> Line:
        """Return the whole answer as one object; legal after the `Finish`."""
        assert self._finish is not None, "the answer is not finished"
        return self._last(self._part("".join(self._texts), "".join(self._thoughts), self._calls), self._finish)

    def failed(self, error: BpuError) -> list[Line]:
        """Return the last line of a stream that fails: the error."""
        return [error_body(error, "")]

    def done(self, reason: str) -> Line:
        """Return the one object that answers a request to load or unload."""
        return {**self._opening, **self._part(), "done": True, "done_reason": reason}

    def _part(self, text: str = "", thinking: str = "", calls: Sequence[Line] = ()) -> Line:
        """Return the content of a line, as a message."""
        message: Line = {"role": "assistant", "content": text}
        if thinking:
            message["thinking"] = thinking
        if calls:
            message["tool_calls"] = list(calls)
        return {"message": message}

    def _said(self, delta: Content | Reasoning | ToolCall) -> Line:
        if isinstance(delta, ToolCall):
            return self._part(calls=[self._call(delta)])
        return self._part(thinking=delta.text) if isinstance(delta, Reasoning) else self._part(delta.text)

    def _call(self, call: ToolCall) -> Line:
        function = {"index": call.index, "name": call.name, "arguments": json.loads(call.arguments)}
        return {"id": self._head.call_id(call.index), "function": function}

    def _line(self, part: Line) -> Line:
        return {**self._opening, **part, "done": False}

    def _last(self, part: Line, finish: Finish) -> Line:
        reason = "length" if finish.reason == "length" else "stop"
        return {**self._opening, **part, "done": True, "done_reason": reason, **_figures(finish.usage)}


class GenerateFormat(LineFormat):
    """The same for `generate`, whose text is in `response`.

    `context` is empty, because it holds nothing here.
    """

    def _part(self, text: str = "", thinking: str = "", calls: Sequence[Line] = ()) -> Line:
        return {"response": text, **({"thinking": thinking} if thinking else {})}

    def _last(self, part: Line, finish: Finish) -> Line:
        return {**super()._last(part, finish), "context": []}


def _figures(usage: Usage) -> Line:
    """Return counts in tokens and times in nanoseconds. The prompt's count includes the cached tokens."""
    load, prompt, answer = (round(ms * _NANOSECONDS) for ms in (usage.load_ms, usage.prompt_ms, usage.predicted_ms))
    return {
        "total_duration": round(usage.queued_ms * _NANOSECONDS) + load + prompt + answer,
        "load_duration": load,
        "prompt_eval_count": usage.prompt_tokens,
        "prompt_eval_cached_count": usage.cached_tokens,
        "prompt_eval_duration": prompt,
        "eval_count": usage.completion_tokens,
        "eval_duration": answer,
    }
