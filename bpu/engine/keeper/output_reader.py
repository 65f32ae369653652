"""Reads a console's output in the keeper's event loop and passes events on.

It makes no decisions: it reports impossible output and the end of the output to the supervisor.
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
    """Reads with one parser at a time. Owned by the supervisor.

    `on_event` gets each event, `on_out_of_sync` the reason when output is impossible, `on_closed` the end of output.
    """

    def __init__(
        self,
        loop: Loop,
        clock: Callable[[], float],
        *,
        on_out_of_sync: Callable[[str], None],
        on_closed: Callable[[], None],
    ) -> None:
        self.on_event: Callable[[Event], None] = lambda event: None
        #: The monotonic second at which `tick` looks for silence or unread input; None when it need not.
        self.look_at: float | None = None
        #: Whether the console has closed its output; nothing is read any more.
        self.is_at_end = False
        self._loop, self._clock, self._on_out_of_sync, self._on_closed = loop, clock, on_out_of_sync, on_closed
        self._console: Console | None = None
        self._parser: Parser | None = None
        self._reader: TimedReader | None = None

    def listen(
        self, console: Console, parser: Parser, on_event: Callable[[Event], None], *, rest: RestProbe | None = None
    ) -> None:
        """Read the output of `console` with `parser` from now on, in the event loop."""
        self._console, self._parser, self.on_event, self.look_at = console, parser, on_event, None
        self.is_at_end = False
        self._reader = TimedReader(lambda: console.read(console.stdout), parser, rest=rest, clock=self._clock)
        if not self._loop.listens(console.stdout):
            self._loop.listen(console.stdout, self.read)

    def watch_input(self, since: float) -> None:
        """Check from now on that the console reads the line just written before it answers."""
        if self._console is not None and self._reader is not None:
            self._reader.watch_input(unread_in(self._console.stdin), since=since)
            self._schedule_look()

    def report(self) -> TurnReport:
        """Return what the turn that has just ended has shown."""
        assert self._parser is not None
        assert self._reader is not None
        return self._parser.report(at_rest=self._reader.at_rest)

    def stop_reading(self) -> None:
        """Stop reading; another reader may use the descriptor from now on."""
        console, self._console, self._parser, self.look_at = self._console, None, None, None
        self._reader = None
        if console is not None:
            self._loop.forget(console.stdout)

    def read(self) -> None:
        """Read what is available now.

        It is also called directly, before the console is given to a job.
        """
        reader = self._reader
        if reader is not None and not self.is_at_end:
            self._dispatch(reader, lambda: reader.read() or [])

    def remaining_events(self) -> list[Event]:
        """Return the events that an ended console left unread.

        Return None if a job was reading its output.
        """
        console, parser = self._console, self._parser
        if console is None or parser is None or not (data := console.read(console.stdout)):
            return []
        try:
            return [*parser.feed(data), *parser.end_of_file()]
        except OutOfSync:
            return []

    def tick(self, now: float) -> None:
        """Look for silence or unread input if the time `look_at` has come."""
        reader = self._reader
        if reader is not None and self.look_at is not None and now >= self.look_at:
            self._dispatch(reader, lambda: reader.poll(readable=False))

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
            self._schedule_look()

    def _handle_end_of_output(self) -> None:
        console, parser = self._console, self._parser
        assert console is not None
        assert parser is not None
        self.look_at, self.is_at_end = None, True
        try:
            events = parser.end_of_file()
        except OutOfSync as error:
            self._on_out_of_sync(str(error))
            return
        for event in events:
            self.on_event(event)
        self._loop.forget(console.stdout)
        self._on_closed()

    def _schedule_look(self) -> None:
        look_s = None if self._reader is None else self._reader.next_look_s
        self.look_at = None if look_s is None else self._clock() + look_s
