"""Listens to a console's output on the keeper's loop, and tells its events to whoever is concerned at the moment.

It decides nothing: output that cannot be and the end of the output are reported to the supervisor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bpu.console.errors import OutOfStep
from bpu.console.events import Event
from bpu.console.parser import Parser
from bpu.engine.loop import Loop
from bpu.engine.process import Console


class Ear:
    """One parser at a time. `hear` gets each event, `wrong` the reason when the console is out of step."""

    def __init__(
        self,
        loop: Loop,
        clock: Callable[[], float],
        *,
        wrong: Callable[[str], None],
        closed: Callable[[], None],
    ) -> None:
        self.hear: Callable[[Event], None] = lambda event: None
        #: The monotonic second at which silence means something; None while it means nothing.
        self.quiet_at: float | None = None
        self._loop, self._clock, self._wrong, self._closed = loop, clock, wrong, closed
        self._console: Console | None = None
        self._parser: Parser | None = None

    def listen(self, console: Console, parser: Parser, hear: Callable[[Event], None]) -> None:
        self._console, self._parser, self.hear, self.quiet_at = console, parser, hear, None
        if not self._loop.listens(console.stdout):
            self._loop.listen(console.stdout, self.read)

    def close(self) -> None:
        """Leave the output alone."""
        console, self._console, self._parser, self.quiet_at = self._console, None, None, None
        if console is not None:
            self._loop.forget(console.stdout)

    def read(self) -> None:
        """Take what is there now; also without a call of the loop, before the console is given to a job."""
        console, parser = self._console, self._parser
        if console is None or parser is None:
            return
        data = console.read(console.stdout)
        if data is None:
            return
        if data:
            self._tell(lambda: parser.feed(data))
            return
        self._tell(parser.end_of_file)
        self._loop.forget(console.stdout)
        self._closed()

    def last_words(self) -> list[Event]:
        """What a dead console still had to say to us; what it said while a job read it is the job's."""
        console, parser = self._console, self._parser
        if console is None or parser is None or not (data := console.read(console.stdout)):
            return []
        try:
            return [*parser.feed(data), *parser.end_of_file()]
        except OutOfStep:
            return []

    def tick(self, now: float) -> None:
        if self.quiet_at is not None and now >= self.quiet_at and self._parser is not None:
            self._tell(self._parser.quiet)

    def _tell(self, read: Callable[[], Iterable[Event]]) -> None:
        try:
            events = read()
        except OutOfStep as error:
            self._wrong(str(error))
            return
        for event in events:
            self.hear(event)
        quiet = None if self._parser is None else self._parser.quiet_after
        self.quiet_at = None if quiet is None else self._clock() + quiet
