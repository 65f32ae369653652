"""Turns a job's events into deltas: token limit, reasoning, stop strings, tool calls, end.

It knows no wire format. An `AnswerReader` is called with each event, and calls `emit` with each delta, one after
another and without waiting. Streamed and whole answers share it. They differ where an answer ends inside its reasoning:
a whole one becomes content; of a streamed one, whose reasoning is already sent, the last paragraph follows as content,
because clients repeat a request whose answer is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal, Union

from bpu.chat.deltas import Content, Delta, Finish, FinishReason, KeepAlive, Reasoning, ToolCall
from bpu.chat.formats import as_json, beginning
from bpu.chat.limits import StopStrings, TokenLimit
from bpu.chat.reasoning import CLOSE, OPEN, Part, Splitter, State
from bpu.chat.requests import ChatRequest
from bpu.chat.tokens import Counter, IncrementalTokenCounter
from bpu.chat.tool_call_parser import ToolCallParser
from bpu.chat.tool_call_scanner import Item, ToolCallScanner
from bpu.chat.usage import Usage, usage
from bpu.console.events import Done, Event, Overrun, RunError, Stats, Text
from bpu.errors import EngineCrashed, ToolCallUnfit
from bpu.turn import Progress, TimeLimitReached, Timing, Turn

Mode = Literal["reasoning_content", "reasoning", "think-tags", "drop"]
_PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class AnswerOptions:
    """How an answer is read. `thinks`: the console's own template opens the reasoning.

    `context_size` in tokens: an answer that fills it was cut by the console; None: this is not checked.
    """

    counter: Counter
    thinks: bool = True
    reasoning: Mode = "reasoning_content"
    context_size: int | None = None


def read_answer(
    events: Iterable[Union[Event, Progress, TimeLimitReached]],
    request: ChatRequest,
    *,
    turn: Turn,
    measured: Callable[[], Timing],
    options: AnswerOptions,
) -> Iterator[Delta]:
    """Yield the deltas of the answer in `events`, `Finish` last.

    Then the caller may close the job at any time. It is an `AnswerReader` for an owner that has all events, or waits
    for each itself.
    """
    deltas: list[Delta] = []
    reader = AnswerReader(request, turn=turn, measured=measured, options=options, emit=deltas.append)
    failure: Exception | None = None
    for event in chain(events, [TimeLimitReached()]):
        try:
            reader.on_event(event)
        except Exception as error:
            failure = error  # what came before it is delivered first
        yield from deltas
        deltas.clear()
        if failure is not None:
            raise failure
        if reader.has_ended:
            return


class ReasoningOutput:
    """Keeps the reasoning of one answer, and emits it where the client is shown it.

    An `AnswerReader` owns it.
    """

    def __init__(self, request: ChatRequest, options: AnswerOptions, emit: Callable[[Delta], object]) -> None:
        self._emit = emit
        self._inline = request.inline_thinking or options.reasoning == "think-tags"
        #: Whether the client is sent the reasoning, in whatever form.
        self.is_shown = request.thinking and (self._inline or (request.show_reasoning and options.reasoning != "drop"))
        self._pieces: list[str] = []
        self._token_counter = IncrementalTokenCounter(options.counter)
        self._sent = 0  # pieces that were sent
        self._tag_open = False  # an inline opening tag was sent, its closing one was not

    @property
    def text(self) -> str:
        """All of the reasoning so far."""
        return "".join(self._pieces)

    @property
    def tokens(self) -> int:
        """Tokens of the reasoning and of its tags."""
        return self._token_counter.total

    @property
    def is_open(self) -> bool:
        """Whether `end` has something to emit."""
        return self._tag_open or self._sent < len(self._pieces)

    def add(self, part: Part) -> None:
        """Count a part that is no content; keep a piece of the reasoning."""
        self._token_counter.add(part.text)
        if part.kind == "reasoning":
            self._pieces.append(part.text)

    def flush(self) -> None:
        """Emit the reasoning that is shown and not sent yet."""
        text = "".join(self._pieces[self._sent :])
        self._sent = len(self._pieces)
        if not self.is_shown or not text:
            return
        if not self._inline:
            self._emit(Reasoning(text))
            return
        self._emit(Content(text if self._tag_open else f"{OPEN}\n{text}"))
        self._tag_open = True

    def end(self) -> None:
        """End the reasoning, because none may follow the first word of the answer."""
        self.flush()
        if self._tag_open:
            self._tag_open = False
            self._emit(Content(f"\n{CLOSE}\n\n"))


class AnswerReader:
    """Reads one answer, event by event, and emits its deltas, `Finish` last.

    Then `has_ended` is true. Its owner calls `on_event`, in a worker in the event loop. `TimeLimitReached` ends an
    answer as `length`. `Overrun` is an end, too: the answer is over, although the console still prints. All reasoning
    comes before the first content. Raises `EngineCrashed` on the console's error, and when the model ended before its
    first word; `AnswerUnfit` when the client asked for JSON and the answer is not JSON, or when a call of a strict tool
    does not fit.
    """

    def __init__(
        self,
        request: ChatRequest,
        *,
        turn: Turn,
        measured: Callable[[], Timing],
        options: AnswerOptions,
        emit: Callable[[Delta], object],
    ) -> None:
        self._turn, self._measured, self._emit = turn, measured, emit
        self._context_size = options.context_size
        self._stream = request.stream
        self._limit = TokenLimit(options.counter, request.max_tokens)
        self._splitter = Splitter(thinks=options.thinks)
        self._stops = StopStrings(request.stop)
        self._reasoning = ReasoningOutput(request, options, emit)
        self._has_content = False
        parser = ToolCallParser(request.tools, request.forced_tool, request.excluded_tools)
        self._tool_scanner = ToolCallScanner(parser, single=not request.parallel_tool_calls)
        self._tools = bool(request.tools)
        self._calls = 0
        self._format = request.response_format
        self._json: list[str] = []  # an answer in JSON is sent once it is whole
        self._stats = Stats()
        self._done = False  # the model has ended its answer
        self._overran = False  # and then continued with an invented turn
        self.has_ended = False

    def on_event(self, event: Union[Event, Progress, TimeLimitReached]) -> None:
        """Read an event; emit the deltas that it makes."""
        if isinstance(event, Text):
            self._read_parts(self._splitter.feed(self._limit.feed(event.text)))
            if self._is_cut:
                self._end()
        elif isinstance(event, Progress):
            self._emit(KeepAlive(event.phase, event.position))
        elif isinstance(event, Stats):
            self._stats = event
        elif isinstance(event, RunError):
            raise EngineCrashed("The console reported an error and gave no answer. Send the request again.")
        elif isinstance(event, (Done, Overrun)):
            self._done, self._overran = True, isinstance(event, Overrun)
            self._end()
        elif isinstance(event, TimeLimitReached):
            self._end()

    @property
    def _is_cut(self) -> bool:
        """Whether a limit or a stop string has ended the answer before the model did."""
        return self._limit.hit or self._stops.found is not None or self._tool_scanner.stopped

    def _end(self) -> None:
        self._flush()
        figures = usage(
            self._turn,
            self._measured(),
            self._stats,
            completion=self._limit.total,
            reasoning=self._reasoning.tokens,
        )
        full = (
            not self._overran
            and self._context_size is not None
            and (figures.prompt_tokens + figures.completion_tokens >= self._context_size)
        )
        self._finish_content(full)
        self._finish(full, figures)
        self.has_ended = True

    def _flush(self) -> None:
        """Read what the scanners held back."""
        if not self._stops.hit:
            self._read_parts(self._splitter.end())
        if not self._stops.hit:
            self._read_content(self._stops.end())

    def _finish_content(self, full: bool) -> None:
        """Emit what waited for the end.

        A natural end has content, and an inline block is closed.
        """
        natural = self._done and not full
        self._flush_calls_and_json(natural)
        if not natural or self._has_content:
            self._reasoning.end()
            return
        thoughts = self._reasoning.text.strip()
        if not thoughts:
            raise EngineCrashed("The model ended its answer before the first word. Send the request again.")
        if self._tools and (calls := self._calls_in_reasoning(thoughts)):
            for call in calls:
                self._read_item(call)
            return
        finished = self._splitter.state is not State.REASONING
        if self._reasoning.is_shown and (self._stream or finished):
            self._reasoning.end()
            thoughts = _PARAGRAPH.split(thoughts)[-1] if self._format.type == "text" else thoughts
        self._emit(Content(thoughts if self._format.type == "text" else as_json(thoughts, self._format)))

    def _flush_calls_and_json(self, natural: bool) -> None:
        """Emit an unfinished call, and an answer in JSON."""
        final = natural or self._stops.hit
        if self._tools:
            ended = final or self._tool_scanner.stopped
            for item in self._tool_scanner.end(cut=not ended, complete=not self._stops.hit):
                self._read_item(item)
        text = "".join(self._json)
        if text.strip() and not self._calls:
            close = not self._stops.hit
            self._emit_content(as_json(text, self._format, close=close) if final else beginning(text))

    def _calls_in_reasoning(self, thoughts: str) -> list[Item]:
        """Return the calls at the very end of a reasoning that the model never closed."""
        reader = ToolCallScanner(self._tool_scanner.parser)
        items = [*reader.feed(thoughts), *reader.end(cut=False)]
        while items and isinstance(items[0], str):
            items.pop(0)
        return [] if reader.has_trailing_text or any(isinstance(item, str) for item in items) else items

    def _finish(self, full: bool, figures: Usage) -> None:
        ended = self._stops.hit or (self._done and not full)
        reason: FinishReason = "stop" if ended else "length"
        if self._calls:
            reason = "tool_calls"
        if self._tool_scanner.dropped:
            reason = "length"
        natural = self._done and not (full or self._overran or self._stops.hit or self._tool_scanner.stopped)
        stop = self._stops.found if reason == "stop" else None
        context_full = full and reason == "length"
        self._emit(Finish(reason, figures, natural=natural, stop=stop, context_full=context_full))

    def _read_parts(self, parts: Iterable[Part]) -> None:
        for part in parts:
            if part.kind == "content":
                self._read_content(self._stops.feed(part.text))
                continue
            self._reasoning.add(part)
            if part.kind == "reasoning" and self._stream:
                self._reasoning.flush()

    def _read_content(self, text: str) -> None:
        if self._tools:
            for item in self._tool_scanner.feed(text):
                self._read_item(item)
        else:
            self._read_text(text)

    def _read_item(self, item: Item) -> None:
        """Emit the deltas of a piece of the answer, or of a call."""
        if not isinstance(item, str):
            if item.problem is not None:
                raise ToolCallUnfit(
                    f"The model's call of the strict tool `{item.name}` does not fit its parameters: {item.problem}. "
                    "Send the request again, or leave out `strict`.",
                    output=item.written,
                )
            self._reasoning.end()
            self._emit(ToolCall(self._calls, item.name, item.arguments))
            self._calls += 1
            self._has_content = True
        else:
            self._read_text(item)

    def _read_text(self, text: str) -> None:
        if self._format.type == "text":
            self._emit_content(text)
        else:
            self._json.append(text)

    def _emit_content(self, text: str) -> None:
        if text:
            if self._reasoning.is_open:
                self._reasoning.end()
            self._has_content = self._has_content or not text.isspace()
            self._emit(Content(text))
