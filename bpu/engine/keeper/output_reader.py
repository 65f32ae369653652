"""Listens to a console's output on the keeper's loop, and tells its events to whoever is concerned at the moment.

It decides nothing: output that cannot be and the end of the output are reported to the supervisor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bpu.console.errors import OutOfSync
from bpu.console.events import Event
from bpu.console.parser import Parser
from bpu.console.traits import TurnReport
from bpu.engine.console_process import Console
from bpu.engine.keeper.event_loop import Loop
from bpu.engine.timed_reader import EndOfOutput, RestProbe, TimedReader, unread_in


class OutputReader:
    """One parser at a time. `on_event` gets each event, `on_out_of_sync` the reason when the console is out of step."""

    def __init__(
        self,
        loop: Loop,
        clock: Callable[[], float],
        *,
        on_out_of_sync: Callable[[str], None],
        on_closed: Callable[[], None],
    ) -> None:
        self.on_event: Callable[[Event], None] = lambda event: None
        #: The monotonic second at which silence means something; None while it means nothing.
        self.look_at: float | None = None
        self._loop, self._clock, self._on_out_of_sync, self._on_closed = loop, clock, on_out_of_sync, on_closed
        self._console: Console | None = None
        self._parser: Parser | None = None
        self._reader: TimedReader | None = None

    def listen(
        self, console: Console, parser: Parser, on_event: Callable[[Event], None], *, rest: RestProbe | None = None
    ) -> None:
        self._console, self._parser, self.on_event, self.look_at = console, parser, on_event, None
        self._reader = TimedReader(lambda: console.read(console.stdout), parser, rest=rest, clock=self._clock)
        if not self._loop.listens(console.stdout):
            self._loop.listen(console.stdout, self.read)

    def watch_input(self, since: float) -> None:
        """A line was just written to a console that reads only when it asks."""
        if self._console is not None and self._reader is not None:
            self._reader.watch_input(unread_in(self._console.stdin), since=since)
            self._plan_look()

    def report(self) -> TurnReport:
        """What the turn that has just ended has shown."""
        assert self._parser is not None
        assert self._reader is not None
        return self._parser.report(at_rest=self._reader.at_rest)

    def stop_reading(self) -> None:
        """Leave the output alone."""
        console, self._console, self._parser, self.look_at = self._console, None, None, None
        self._reader = None
        if console is not None:
            self._loop.forget(console.stdout)

    def read(self) -> None:
        """Take what is there now; also without a call of the loop, before the console is given to a job."""
        reader = self._reader
        if reader is not None:
            self._dispatch(reader, lambda: reader.read() or [])

    def remaining_events(self) -> list[Event]:
        """What a dead console still had to say to us; what it said while a job read it is the job's."""
        console, parser = self._console, self._parser
        if console is None or parser is None or not (data := console.read(console.stdout)):
            return []
        try:
            return [*parser.feed(data), *parser.end_of_file()]
        except OutOfSync:
            return []

    def tick(self, now: float) -> None:
        reader = self._reader
        if reader is not None and self.look_at is not None and now >= self.look_at:
            self._dispatch(reader, lambda: reader.look() if (events := reader.read()) is None else events)

    def _dispatch(self, reader: TimedReader, read: Callable[[], Iterable[Event]]) -> None:
        try:
            events = read()
        except OutOfSync as error:
            self._on_out_of_sync(str(error))
            return
        except EndOfOutput:
            self._handle_end_of_output()
            return
        for event in events:
            self.on_event(event)
        if self._reader is reader:
            self._plan_look()

    def _handle_end_of_output(self) -> None:
        console, parser = self._console, self._parser
        assert console is not None
        assert parser is not None
        self.look_at = None
        try:
            events = parser.end_of_file()
        except OutOfSync as error:
            self._on_out_of_sync(str(error))
            return
        for event in events:
            self.on_event(event)
        self._loop.forget(console.stdout)
        self._on_closed()

    def _plan_look(self) -> None:
        look_s = None if self._reader is None else self._reader.next_look_s
        self.look_at = None if look_s is None else self._clock() + look_s
