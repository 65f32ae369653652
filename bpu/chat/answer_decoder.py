"""Reads the answers of one model.

A job's events as deltas, and the digest of the conversation that they end. It knows how the model's template opens the
reasoning, and therefore where an answer begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Union

from bpu.chat.deltas import Content, Delta, Finish, ToolCall
from bpu.chat.pipeline import AnswerOptions, AnswerReader, Mode, read_answer
from bpu.chat.prompt import Prompter
from bpu.chat.request_models import Message, ToolCallInput
from bpu.chat.requests import ChatRequest
from bpu.console.events import Done, Event, Text
from bpu.errors import AnswerUnfit, EngineCrashed
from bpu.turn import Progress, TimeLimitReached, Timing, Turn


class AnswerDecoder:
    """Decodes the answers of one model into deltas.

    It holds no state of an answer or a conversation.
    """

    def __init__(self, prompter: Prompter, *, reasoning: Mode = "reasoning_content") -> None:
        """`reasoning` says where the reasoning stands in an answer."""
        self._prompter = prompter
        self._reasoning: Mode = reasoning

    def read(
        self,
        events: Iterable[Union[Event, Progress, TimeLimitReached]],
        request: ChatRequest,
        turn: Turn,
        measured: Callable[[], Timing],
    ) -> Iterator[Delta]:
        """Yield the deltas of a job's events.

        `measured` gives the job's times, once it has ended.
        """
        options = self._options(request, self._prompter.context_size)
        return read_answer(events, request, turn=turn, measured=measured, options=options)

    def reader(
        self, request: ChatRequest, turn: Turn, measured: Callable[[], Timing], emit: Callable[[Delta], object]
    ) -> AnswerReader:
        """Make the reader of one answer, which emits the deltas of its events."""
        options = self._options(request, self._prompter.context_size)
        return AnswerReader(request, turn=turn, measured=measured, options=options, emit=emit)

    def conversation_digest(self, request: ChatRequest, raw: str) -> str:
        """Return the digest of the conversation with the answer that the client received.

        `raw` is the model's text. Equal to the next turn's `prefix_digest` when the client sends back exactly what it
        got. "" when this chat cannot continue in the console's cache: a limit or a stop string cut the answer, or older
        messages were left out.
        """
        if request.messages[-1].role == "assistant" or self._prompter.is_trimmed(request):
            return ""
        answer = self._answer_sent(request, raw)
        return "" if answer is None else self._prompter.digest_with(request, answer)

    def _options(self, request: ChatRequest, context_size: int | None) -> AnswerOptions:
        return AnswerOptions(self._prompter.counter, self._prompter.thinks(request), self._reasoning, context_size)

    def _answer_sent(self, request: ChatRequest, raw: str) -> Message | None:
        """The message that the client received for `raw`; None if the answer was cut."""
        events: list[Event] = [Text(raw), Done()] if raw else [Done()]
        turn, options = Turn(b"", 0), self._options(request, None)
        try:
            deltas = list(read_answer(events, request, turn=turn, measured=Timing, options=options))
        except (EngineCrashed, AnswerUnfit):
            return None
        finish = deltas[-1]
        if not isinstance(finish, Finish) or not finish.natural:
            return None
        calls = tuple(
            ToolCallInput(name=one.name, arguments=one.arguments) for one in deltas if isinstance(one, ToolCall)
        )
        content = "".join(one.text for one in deltas if isinstance(one, Content))
        return Message(role="assistant", content=content, tool_calls=calls)
