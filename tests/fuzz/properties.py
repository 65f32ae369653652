"""Checks what must hold of the console parser, whatever a script does and whatever the console prints.

1. Reads may be cut anywhere: whole, byte by byte and as the script cuts them give the same.
2. Nothing but `OutOfSync` is raised; after it the parser raises nothing, and can still be closed.
3. Each event is possible in the state in which it comes, and leads to the state that the parser is in.
4. What a model says comes out whole and once, where no part of it is the same bytes as a mark.
5. What silence would make an answer is the same answer when the pipe ends instead, and no error.
6. Times of reads that were waited for prove an end of a turn and do nothing else: an end that they prove is what
   silence would have said. What comes in steps while the pipe is watched is a model's
   (`tests/unit/console/test_pace.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from bpu.console.errors import OutOfSync
from bpu.console.events import Done, Echo, Event, Log, Overrun, Ready, RunError, Stats, Text
from bpu.console.pace import Arrival
from bpu.console.parser import Parser, ParserState
from tests.fuzz.script import BETWEEN, Do, Script, Step, line_of, parse
from tests.unit.console.consoles import text_of
from tests.unit.console.replay import joined
from tests.unit.console.test_parser_properties import may_be_said, may_be_told_apart

Cut = Callable[[list[bytes]], list[bytes]]

#: After a longer gap the pipe was not looked at before the read.
_UNWATCHED_S = 0.005

#: What may come in each state, and the state after it.
POSSIBLE: dict[ParserState, dict[type[Event], ParserState]] = {
    ParserState.LOADING: {Log: ParserState.LOADING, Ready: ParserState.IDLE},
    ParserState.IDLE: {Log: ParserState.IDLE},
    ParserState.ECHOING: {Log: ParserState.ECHOING, Echo: ParserState.ANSWERING, RunError: ParserState.FAILED},
    ParserState.ANSWERING: {
        **dict.fromkeys((Log, Text, Stats, Overrun), ParserState.ANSWERING),
        Done: ParserState.IDLE,
        RunError: ParserState.FAILED,
    },
    ParserState.RESETTING: {Log: ParserState.RESETTING, Done: ParserState.IDLE},
    ParserState.FAILED: {Log: ParserState.FAILED},
}


@dataclass
class Run:
    """One parser on its way through a script. `trace` is what its owner can see of it."""

    script: Script
    parser: Parser = field(init=False)
    trace: list[object] = field(default_factory=list)
    failed: bool = False
    #: Nothing but whole turns was read.
    clean: bool = True
    now: float = 0.0
    #: With times: the reads after which an end was proven. Without: those after which there is silence.
    proven: set[int] = field(default_factory=set)
    timed: bool = False
    reads: int = 0

    def __post_init__(self) -> None:
        loads = bool(self.script.steps) and self.script.steps[0].do in (Do.READ, Do.END)
        state = ParserState.LOADING if loads else ParserState.IDLE
        self.parser = Parser(self.script.console.profile, state=state, traits=self.script.traits)

    def go(self, cut: Cut) -> Run:
        """Do all steps; neighbouring reads are cut anew by `cut`."""
        for is_read, steps in groupby(self.script.steps, lambda step: step.do is Do.READ):
            if is_read:
                self.read([step for step in steps if step.data], cut)
                continue
            for step in steps:
                self.do(step, cut)
        return self

    def read(self, steps: list[Step], cut: Cut) -> None:
        self.clean = False
        events: list[Event] = []
        if self.timed:
            for step in steps:
                self.now += step.gap_s
                waited_s = step.gap_s if step.gap_s < _UNWATCHED_S else 60.0
                events += self.feed(step.data, Arrival(self.now - waited_s, self.now))
        else:
            for piece in cut([step.data for step in steps]):
                events += self.feed(piece)
        self.note(events)

    def feed(self, data: bytes, arrival: Arrival | None = None) -> list[Event]:
        before = self.parser.state
        if self.failed or before is ParserState.CLOSED:
            self.parser.feed(data, arrival)
            return []
        events = self.expect(lambda: self.parser.feed(data, arrival))
        self.reads += 1
        if before is ParserState.ANSWERING and self.timed and Done() in events and self.parser.report().proven:
            self.proven.add(self.reads)
        elif not self.timed and self.reads in self.proven:
            events += self.expect(self.parser.quiet)
        return events

    def expect(self, act: Callable[[], list[Event] | None], *, begins: ParserState | None = None) -> list[Event]:
        """The events of `act`, each possible where it comes; those before an error, and the error into the trace.

        `begins`: the state to which `act` leads before any event."""
        before, error = begins or self.parser.state, None
        try:
            events = act() or []
        except OutOfSync as caught:
            events, error, self.failed = caught.events, caught, True
        state = before
        for event in events:
            assert type(event) in POSSIBLE[state], f"{event!r} comes while {state}."
            assert event != Text(""), "A text is empty."
            state = POSSIBLE[state][type(event)]
        if error is not None:
            self.trace.append((type(error), str(error)))
            assert state in (ParserState.IDLE, ParserState.ECHOING, ParserState.RESETTING), (
                f"{error!r} comes while {state}."
            )
            state = ParserState.FAILED
        assert self.parser.state is state, f"The parser is {self.parser.state} after {events} while {before}."
        return events

    def note(self, events: Iterable[Event]) -> None:
        quiet_after = None if self.timed or self.proven else self.parser.quiet_after
        self.trace.append((joined(events), self.parser.state, quiet_after))

    def do(self, step: Step, cut: Cut) -> None:
        parser = self.parser
        if step.do is Do.QUIET:
            if parser.quiet_after is not None:
                self.note(self.expect(parser.quiet))
        elif step.do is Do.END:
            if parser.state is not ParserState.CLOSED:
                self.end()
        elif parser.state is not ParserState.IDLE:
            self.refuses_to_begin()
        elif step.do is Do.TURN:
            self.turn(step.data, cut)
        elif step.do in (Do.BEGIN, Do.CONTINUE):
            self.begin(line_of(step.data, self.script.console), continued=step.do is Do.CONTINUE)
        else:
            self.reset(at_once=step.do is Do.RESET_AT_ONCE)

    def begin(self, line: bytes, *, continued: bool = False) -> None:
        self.expect(lambda: self.parser.begin(line, continued=continued), begins=ParserState.ECHOING)

    def reset(self, *, at_once: bool) -> None:
        self.expect(lambda: self.parser.reset_sent(at_once=at_once), begins=ParserState.RESETTING)

    def refuses_to_begin(self) -> None:
        before = self.parser.state
        for act in (partial(self.parser.begin, b"hi"), self.parser.reset_sent):
            try:
                act()
            except ValueError:
                assert self.parser.state is before
            else:
                raise AssertionError(f"A turn begins while {before}.")

    def turn(self, data: bytes, cut: Cut) -> None:
        """A whole turn of this console, as its profile prints it."""
        console, events = self.script.console, list[Event]()
        asked, _, answer = data.partition(BETWEEN)
        line, said = line_of(asked, console), answer.decode("utf-8", "replace")
        checked = self.clean and may_be_said(console, line, said) and may_be_told_apart(console, line, said)
        self.begin(line)
        output = console.output(line, said.encode())
        if self.timed:
            self.now += 60
            events += self.feed(output, Arrival(self.now - 60, self.now))
        else:
            for piece in cut([output[:9], output[9:]]):
                events += self.feed(piece)
        if self.parser.quiet_after is not None:
            events += self.expect(self.parser.quiet)
        self.note(events)
        if checked:
            assert text_of(events) == said
            assert [type(event) for event in events if not isinstance(event, (Text, Stats))] == [Echo, Done]
            assert self.parser.state is ParserState.IDLE
        self.clean = self.clean and self.parser.state is ParserState.IDLE

    def end(self) -> list[Event]:
        events = self.parser.end_of_file()
        assert self.parser.state is ParserState.CLOSED
        self.trace.append(joined(events))
        return events


def whole(reads: list[bytes]) -> list[bytes]:
    return [b"".join(reads)]


def as_written(reads: list[bytes]) -> list[bytes]:
    return reads


def single_bytes(reads: list[bytes]) -> list[bytes]:
    return [bytes([byte]) for byte in b"".join(reads)]


def check(data: bytes) -> None:
    """Raise if the script in `data` breaks a property: `AssertionError`, or what the parser raised."""
    script = parse(data)
    expected = Run(script).go(whole).trace
    for cut in (as_written, single_bytes):
        assert Run(script).go(cut).trace == expected, (
            f"Reads that are cut otherwise ({cut.__name__}) give other events."
        )
    check_silence(script)
    check_times(script)


def check_silence(script: Script) -> None:
    silent, ended = Run(script).go(whole), Run(script).go(whole)
    if silent.parser.state not in (ParserState.ECHOING, ParserState.ANSWERING) or silent.parser.quiet_after is None:
        return
    events = silent.expect(silent.parser.quiet)
    if Done() in events:
        assert ended.end() == events, "The end of the pipe is not what silence would be."


def check_times(script: Script) -> None:
    timed = Run(script, timed=True).go(as_written)
    untimed = Run(script, proven=timed.proven).go(as_written)
    without = [_without_silence(item) for item in untimed.trace]
    assert [_without_silence(item) for item in timed.trace] == without, "Times do more than to prove an end."


def _without_silence(item: object) -> object:
    return item[:2] if isinstance(item, tuple) else item


def describe(data: bytes) -> Iterator[str]:
    """The script as a person reads it."""
    script = parse(data)
    yield f"{script.console.name}, {'traits known' if script.traits.step_s else 'nothing known'}"
    for step in script.steps:
        yield f"  {step.do.name.lower()} {step.data!r}" + (f" after {step.gap_s} s" if step.gap_s else "")
