"""The chain of calls that turns one answer's events into what its client is sent.

The engine calls it for each event, in a worker's event loop: the times are taken, `AnswerReader` makes deltas, and each
goes to the observers and to the output. Nothing here waits; the greenlet of the request takes what the output holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, Union

from bpu.chat.deltas import Delta, Finish
from bpu.chat.pipeline import AnswerReader
from bpu.console.events import Event
from bpu.turn import Progress, TimeLimitReached
from bpu.web.request_log import RequestRecord
from bpu.web.request_metrics import TokenTimes


class Observer(Protocol):
    """Sees every delta of an answer, and is closed at its end.

    An error is such an end, too.
    """

    def add(self, delta: Delta) -> None:
        """Take a delta as it comes, in the event loop."""

    def close(self) -> None:
        """Take the end of the answer, whole or not."""


class Output(Protocol):
    """Turns deltas into bytes; `has_output`: there is something for the client."""

    has_output: bool

    def add(self, delta: Delta) -> None:
        """Make of a delta what the client is sent."""


class AnswerChain:
    """The sink of one job's events. The response owns it; `close` may be called twice."""

    def __init__(
        self,
        make_reader: Callable[[Callable[[Delta], object]], AnswerReader],
        output: Output,
        *,
        times: TokenTimes,
        record: RequestRecord,
        observers: Sequence[Observer] = (),
    ) -> None:
        self._times, self._output, self._record, self._observers = times, output, record, observers
        self._reader = make_reader(self._on_delta)

    @property
    def has_ended(self) -> bool:
        """Whether the answer is over, so that no further event is wanted."""
        return self._reader.has_ended

    def on_event(self, event: Union[Event, Progress, TimeLimitReached]) -> bool:
        """Pass an event on; return whether there is output for the client."""
        self._times.on_event(event)
        self._reader.on_event(event)
        return self._output.has_output

    def _on_delta(self, delta: Delta) -> None:
        if isinstance(delta, Finish):
            self._record.facts.update(_counts(delta))
        for observer in self._observers:
            observer.add(delta)
        self._output.add(delta)

    def close(self) -> None:
        """End times and observers, however the answer has ended."""
        self._times.close()
        for observer in self._observers:
            observer.close()


def _counts(finish: Finish) -> dict[str, object]:
    usage = finish.usage
    return {
        "finish": finish.reason,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
