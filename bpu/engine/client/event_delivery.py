"""Passes a job's events to the sink of its answer. It waits for nothing.

Events that come before the sink are held. The sink's own error is kept for the client's greenlet, because the event
loop that calls the sink cannot raise it there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Union

from bpu.console.events import Done, Event
from bpu.turn import EventSink, Progress, TimeLimitReached

JobEvent = Union[Event, Progress, TimeLimitReached]


class EventList:
    """The plainest sink: keeps the events as they are, up to the last one.

    The event loop of a worker or command calls it, and the client's greenlet takes the events.
    """

    def __init__(self) -> None:
        self._events: list[JobEvent] = []
        self.has_ended = False

    def on_event(self, event: JobEvent) -> bool:
        """Keep the event; there is always output then."""
        self._events.append(event)
        self.has_ended = self.has_ended or isinstance(event, (Done, TimeLimitReached))
        return True

    def take(self) -> list[JobEvent]:
        """Return the events since the last call, in order."""
        events, self._events = self._events, []
        return events


class EventDelivery:
    """Delivers the events of one job.

    The job owns it, and calls it in the event loop of its worker or command and in the client's greenlet. `has_output`:
    the sink has something for the client that was not taken. `error` is what the sink has raised; no event is passed on
    after it.
    """

    def __init__(self) -> None:
        self._held = deque[Union[Event, TimeLimitReached]]()
        self._sink: EventSink | None = None
        self.error: Exception | None = None
        self.has_output = False

    def deliver(self, event: Event | TimeLimitReached) -> None:
        """Pass a console's event to the sink, or hold it until there is one."""
        if self._sink is None:
            self._held.append(event)
        else:
            self.pass_on(event, self._sink)

    def pass_on(self, event: JobEvent, sink: EventSink) -> None:
        """Pass an event to `sink`, unless its answer is over."""
        if self.error is None and not sink.has_ended:
            try:
                self.has_output = sink.on_event(event) or self.has_output
            except Exception as error:
                self.error, self.has_output = error, True

    def attach(self, sink: EventSink) -> Iterator[None]:
        """Pass the held events to `sink`, and yield between two of them.

        Then later events go to it directly.
        """
        while self._held:
            self.pass_on(self._held.popleft(), sink)
            if self._held:
                yield
        self._sink = sink

    def drop_held(self) -> None:
        """Drop the held events, because no sink will come for them."""
        self._held.clear()
