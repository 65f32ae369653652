"""Turns deltas into events of the Responses API, or into one response object.

It writes no bytes. It is the smallest stream that every client accepts. The object at its end is the one of an answer
in one piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, Literal, Union

from bpu.chat.call_ids import call_item_id
from bpu.chat.chunks import ResponseMetadata
from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning, ToolCall, as_keepalive
from bpu.chat.request_models import named_tools, plain_choice
from bpu.chat.requests import ChatRequest
from bpu.chat.usage import Usage
from bpu.errors import BpuError

Event = dict[str, Any]
Kind = Literal["message", "reasoning"]
_PREFIX = {"message": "msg", "reasoning": "rs"}


class ResponsesFormat:
    """Formats one answer: streamed (`start`, `events`), or whole (`add`, `body`)."""

    def __init__(self, head: ResponseMetadata, request: ChatRequest, body: Mapping[str, Any]) -> None:
        """`request` and its `body`: the response object repeats some of their fields."""
        self._head = head
        self._repeated = _repeated(request, body)
        self._numbers = count()
        self._output: list[Event] = []
        self._open: Kind | None = None
        self._text: list[str] = []
        self._final: Event = {}

    def start(self) -> list[Union[Event, KeepAlive]]:
        """Return the two events before the first delta."""
        names = ("created", "in_progress")
        return [self._event(f"response.{name}", response=self._response("in_progress")) for name in names]

    def events(self, delta: Delta) -> list[Union[Event, KeepAlive]]:
        """Return the events of `delta`; a keep-alive for a delta without any."""
        return [*self.add(delta)] or [as_keepalive(delta)]

    def add(self, delta: Delta) -> list[Event]:
        """Return the events of `delta`; none for a keep-alive."""
        if isinstance(delta, (Content, Reasoning)):
            return self._say("message" if isinstance(delta, Content) else "reasoning", delta.text)
        if isinstance(delta, ToolCall):
            return [*self._close("completed"), *self._call(delta)]
        return self._end(delta) if isinstance(delta, Finish) else []

    def body(self) -> Event:
        """Return the response object; legal after the `Finish`."""
        assert self._final, "the answer is not finished"
        return self._final

    def failed(self, error: BpuError) -> list[Event]:
        """Return the last events of a stream that fails.

        Some clients read the error flat, some inside `error`.
        """
        what = {"code": "server_error", "message": error.message}
        flat = {"code": error.code, "message": error.message, "param": error.param}
        return [
            self._event("error", **flat, **error.body()),
            self._event("response.failed", response={**self._response("failed"), "error": what}),
        ]

    def _end(self, finish: Finish) -> list[Event]:
        cut = finish.reason == "length"
        status = "incomplete" if cut else "completed"
        closing = self._close(status)
        self._final = {
            **self._response(status),
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "usage": _usage(finish.usage),
            "timings": finish.usage.timings(),
        }
        return [*closing, self._event(f"response.{status}", response=self._final)]

    def _say(self, kind: Kind, text: str) -> list[Event]:
        events = [] if self._open == kind else [*self._close("completed"), *self._begin(kind)]
        self._text.append(text)
        if kind == "message":
            return [*events, self._part("response.output_text.delta", delta=text, logprobs=[])]
        return [*events, self._part("response.reasoning_summary_text.delta", delta=text)]

    def _begin(self, kind: Kind) -> list[Event]:
        self._open, self._text = kind, []
        added = self._event("response.output_item.added", output_index=self._at, item=self._item("in_progress"))
        name = "content_part" if kind == "message" else "reasoning_summary_part"
        return [added, self._part(f"response.{name}.added", part=self._piece())]

    def _close(self, status: str) -> list[Event]:
        """Return the events that end the open item, if there is one."""
        if self._open is None:
            return []
        whole = "".join(self._text)
        if self._open == "message":
            done = self._part("response.output_text.done", text=whole, logprobs=[])
            events = [done, self._part("response.content_part.done", part=self._piece())]
        else:
            done = self._part("response.reasoning_summary_text.done", text=whole)
            events = [done, self._part("response.reasoning_summary_part.done", part=self._piece())]
        return [*events, self._finished(self._item(status))]

    def _finished(self, item: Event) -> Event:
        at, self._open = self._at, None
        self._output.append(item)
        return self._event("response.output_item.done", output_index=at, item=item)

    def _call(self, call: ToolCall) -> list[Event]:
        item = {
            "id": call_item_id(self._unique, call.name, call.arguments),
            "type": "function_call",
            "status": "completed",
            "call_id": self._head.call_id(call.index),
            "name": call.name,
            "arguments": call.arguments,
        }
        where = {"item_id": item["id"], "output_index": self._at}
        begun = {**item, "status": "in_progress", "arguments": ""}
        more, done = (f"response.function_call_arguments.{name}" for name in ("delta", "done"))
        return [
            self._event("response.output_item.added", output_index=self._at, item=begun),
            self._event(more, **where, delta=call.arguments),
            self._event(done, **where, name=call.name, arguments=call.arguments),
            self._finished(item),
        ]

    @property
    def _at(self) -> int:
        return len(self._output)

    @property
    def _unique(self) -> str:
        return f"{self._head.id.rpartition('_')[2]}{self._at:02d}"

    def _id(self, kind: str) -> str:
        return f"{_PREFIX[kind]}_{self._unique}"

    def _item(self, status: str) -> Event:
        """Return the open item; empty while it is in progress, as the API defines it."""
        assert self._open is not None
        item: Event = {"id": self._id(self._open), "type": self._open}
        pieces = [] if status == "in_progress" else [self._piece()]
        if self._open == "reasoning":
            return {**item, "summary": pieces}
        return {**item, "status": status, "role": "assistant", "content": pieces}

    def _piece(self) -> Event:
        text = "".join(self._text)
        if self._open == "reasoning":
            return {"type": "summary_text", "text": text}
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def _part(self, name: str, **fields: Any) -> Event:
        assert self._open is not None
        index = "content_index" if self._open == "message" else "summary_index"
        where = {"item_id": self._id(self._open), "output_index": self._at, index: 0}
        return self._event(name, **where, **fields)

    def _event(self, kind: str, /, **fields: Any) -> Event:
        return {"type": kind, "sequence_number": next(self._numbers), **fields}

    def _response(self, status: str) -> Event:
        opening = self._head.open("response")
        created = opening.pop("created")
        return {
            **opening,
            "created_at": created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            **self._repeated,
            "output": list(self._output),
            "previous_response_id": None,
            "store": False,
            "truncation": "disabled",
            "usage": None,
        }


def _repeated(request: ChatRequest, body: Mapping[str, Any]) -> Event:
    """Return the fields of a valid request that the response object repeats."""
    text = body.get("text") or {}
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else None
    instructions = body.get("instructions")
    return {
        "instructions": instructions if isinstance(instructions, str) else None,
        "max_output_tokens": request.max_tokens,
        "parallel_tool_calls": request.parallel_tool_calls,
        "reasoning": {"effort": effort if isinstance(effort, str) else None, "summary": None},
        "temperature": _number(body.get("temperature")),
        "top_p": _number(body.get("top_p")),
        "text": {"format": text.get("format") or {"type": "text"}},
        "tool_choice": _choice(body.get("tool_choice")),
        "tools": [_tool(tool) for tool in body.get("tools") or () if tool.get("type", "function") == "function"],
        "metadata": _strings(body.get("metadata")),
    }


def _strings(metadata: Any) -> dict[str, str]:
    given = metadata.items() if isinstance(metadata, Mapping) else ()
    return {name: value for name, value in given if isinstance(value, str)}


def _choice(choice: Any) -> Any:
    """Return the choice in the API's own form.

    Other forms that name a tool are accepted, too.
    """
    choice = plain_choice(choice)
    if not isinstance(choice, Mapping):
        return "required" if choice == "any" else choice or "auto"
    required, names = named_tools(choice)
    tools = [{"type": "function", "name": name} for name in names]
    if choice.get("type") != "allowed_tools":
        return tools[0]
    return {"type": "allowed_tools", "mode": "required" if required else "auto", "tools": tools}


def _number(value: Any) -> float:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 1.0


def _tool(tool: Mapping[str, Any]) -> Event:
    inner = tool.get("function") if isinstance(tool.get("function"), Mapping) else tool
    assert isinstance(inner, Mapping)
    return {
        "type": "function",
        "name": inner.get("name"),
        "description": inner.get("description"),
        "parameters": inner.get("parameters") or {},
        "strict": inner.get("strict") is True,
    }


def _usage(usage: Usage) -> Event:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
