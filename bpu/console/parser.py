"""The parser: a console's bytes, in any pieces, to events. It owns the state and hands the bytes to its stage.

It knows no process and no clock: the owner reads the pipe, says when it read and what it wrote, and measures silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum

from bpu.console.answer import AnswerStage
from bpu.console.echo import AnchoredEchoStage, EchoStage
from bpu.console.errors import OutOfSync
from bpu.console.events import Done, Echo, Event, Log, Ready, RunError, Text
from bpu.console.idle import ClosedStage, IdleStage, LoadingStage
from bpu.console.log_filter import LogFilter
from bpu.console.pace import Arrival, Pace, come_in_steps
from bpu.console.profiles import Profile
from bpu.console.stage import Stage
from bpu.console.traits import UNKNOWN_TRAITS, EchoForm, Traits, TurnReport


class State(Enum):
    """The state of the console's output stream, as the parser has followed it."""

    LOADING = "loading"  # no prompt has come yet
    IDLE = "idle"  # the prompt stands; nothing may come but log lines
    ECHOING = "echoing"  # a line was written; its echo may come, and then the marker
    ANSWERING = "answering"
    RESETTING = "resetting"  # `reset` was written; exactly the prompt must come back
    FAILED = "failed"  # out of step or `run error`: the process must not be used again
    CLOSED = "closed"  # the pipe has come to its end


class Call(Enum):
    """What the owner does, beside feeding."""

    BEGIN = "begin"
    RESET = "reset_sent"
    END = "end_of_file"


#: Everything that changes the state: an event, an error or a call.
TRANSITIONS: dict[tuple[State, type | Call], State] = {
    (State.LOADING, Ready): State.IDLE,
    (State.IDLE, Call.BEGIN): State.ECHOING,
    (State.IDLE, Call.RESET): State.RESETTING,
    (State.IDLE, OutOfSync): State.FAILED,
    (State.RESETTING, Done): State.IDLE,
    (State.RESETTING, OutOfSync): State.FAILED,
    (State.ECHOING, Echo): State.ANSWERING,
    (State.ECHOING, RunError): State.FAILED,
    (State.ECHOING, OutOfSync): State.FAILED,
    (State.ANSWERING, Done): State.IDLE,
    (State.ANSWERING, RunError): State.FAILED,
    **{(state, Call.END): State.CLOSED for state in State},
}


class Parser:
    """One console's output, from its start or (with `state=State.IDLE`) from one of its prompts on.

    `traits`: what this console was seen to do. `anchored` False: an echo that differs from it is taken as it is.
    """

    def __init__(
        self, profile: Profile, *, state: State = State.LOADING, traits: Traits = UNKNOWN_TRAITS, anchored: bool = True
    ) -> None:
        self.profile, self.traits = profile, traits
        self._echo: EchoForm | None = None
        self._statistics: str | None = None
        self._end_proven = False
        self._pace = self._new_pace()
        self._anchored = anchored
        self._continued = False
        self._state = state
        self._cleaner = LogFilter()
        self._events: list[Event] = []
        self._stage: Stage = LoadingStage() if state is State.LOADING else IdleStage()
        self._arrival: Arrival | None = None
        self._end_since = 0.0  # the pipe was empty then, and nothing of what is held back had been written
        self._unsaid: list[tuple[Arrival, bytes]] = []  # reads of which nothing was said yet

    @property
    def state(self) -> State:
        return self._state

    @property
    def quiet_after(self) -> float | None:
        """Seconds without a byte after which the owner must call `quiet`; None when silence would decide nothing."""
        pending = self._stage.pending
        if pending is None or not self._cleaner.at_rest:
            return None
        return self._pace.silence_s(pending.value, self._unsaid)

    def begin(self, line: bytes, *, chat: bytes = b"", continued: bool = False) -> None:
        """The question `line` (without its newline) was written; `chat` is all that the model knows beside it, where
        it goes on with a conversation (`continued`) and may quote it. Legal only when idle, else `ValueError`. Raises
        `OutOfSync` if what came since the last prompt, the beginning of a line, cannot begin this turn."""
        self._move(Call.BEGIN)
        self._cleaner.quote(chat)
        self._cleaner.quote(line)
        self._pace, self._unsaid, self._continued = self._new_pace(), [], continued
        anchors = self.traits.anchors(continued=continued) if self._anchored else ()
        echoing = AnchoredEchoStage(line, anchors) if anchors else EchoStage(line, echoes=self.profile.echoes_template)
        self._enter(echoing)

    def reset_sent(self, *, at_once: bool = False) -> None:
        """`reset` was written: until `Done`, only log lines and the prompt may come. `at_once`: no model is speaking,
        so the prompt need not be followed by silence. Legal only when idle."""
        self._move(Call.RESET)
        self._enter(IdleStage(fence=True, at_once=at_once))

    def feed(self, data: bytes, arrival: Arrival | None = None) -> list[Event]:
        """The events that `data` decides; neighbouring pieces of text are one. Without its `arrival` no end of a turn
        is believed before silence. Raises `OutOfSync`, and after that never again: a console that has failed is not
        listened to."""
        self._arrival = arrival
        if self._cleaner.at_rest:
            if (text := self._stage.plain(data)) is not None:
                self._note(data, held=0, said=True)
                return [Text(text)] if text else []
            if not self._stage.held_size:
                self._stage.is_timed = arrival is not None
                self._end_since = arrival.empty_at if arrival is not None else 0.0
        answering = self._state is State.ANSWERING
        events = self._run(lambda: self._clean(self._cleaner.feed(data, arrival)))
        if self._state is State.ANSWERING:
            # The read in which the answer begins holds the echo as well.
            said = any(isinstance(event, Text) for event in events)
            held = self._stage.held_size
            data = data if answering else _text_of(events) + data[max(0, len(data) - held) :]
            self._note(data, held=held, said=said)
        return events

    def quiet(self) -> list[Event]:
        """Nothing has come for `quiet_after` seconds; without anything pending this does nothing."""
        return self._run(self._be_quiet)

    def end_of_file(self) -> list[Event]:
        """The pipe is at its end: what was held back is decided as it stands. An end, not an error, by itself."""
        try:
            events = self._run(self._end)
        except OutOfSync as error:
            events = error.events
        self._move(Call.END)
        self._stage = ClosedStage()
        return events

    def report(self, *, at_rest: bool | None = None) -> TurnReport:
        """What the turn that has just ended has shown; `at_rest` as its owner saw it."""
        anchors = self.traits.anchors(continued=self._continued)
        return TurnReport(
            proven=self._end_proven,
            at_rest=at_rest,
            step_s=self._pace.measured_step_s,
            few_gaps=self._pace.few_gaps,
            statistics=self._statistics,
            echo=self._echo,
            echo_differs=bool(anchors) and self._echo not in anchors,
            blocks=self._pace.delivers_blocks,
            has_step=self._pace.shows_a_step(self._unsaid),
        )

    def _new_pace(self) -> Pace:
        return Pace(self.traits.step_s, least_step=self.profile.step_tokens)

    def _note(self, data: bytes, *, held: int, said: bool) -> None:
        """Count a read of the answer. Its last `held` bytes may be the end, and count once they have turned out to be
        text, as earlier ones have if anything was `said`."""
        if self._arrival is None or not data:
            return
        at = max(0, len(data) - held)
        if said or not held:
            for arrival, piece in (*self._unsaid, (self._arrival, data[:at])):
                if piece:
                    self._pace.add(arrival, piece)
            self._unsaid.clear()
            data = data[at:]
        if data:
            self._unsaid.append((self._arrival, data))

    def _proves(self, end: bytes) -> bool:
        if self._arrival is None or not self._cleaner.at_rest:  # the read goes on after `end`
            return False
        return self._pace.proves(end, self._arrival.read_at - self._end_since)

    def _is_said(self) -> bool:
        return come_in_steps([arrival for arrival, _ in self._unsaid])

    def _run(self, work: Callable[[], None]) -> list[Event]:
        try:
            work()
        except OutOfSync as error:
            self._move(OutOfSync)
            self._stage = ClosedStage()
            error.events = self._take()
            raise
        return self._take()

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _clean(self, pieces: Iterable[bytes | Log]) -> None:
        for piece in pieces:
            if isinstance(piece, Log):
                self._stage.is_timed = False  # a model can say such a line, too
                self._stage.after_log()
                self._emit(piece)
            else:
                self._push(piece)

    def _push(self, data: bytes) -> None:
        rest: bytes | None = data
        while rest:
            rest = self._stage_over(self._stage.feed(rest, self._emit))

    def _be_quiet(self) -> None:
        while not self._cleaner.holds_text and (rest := self._stage.quiet(self._emit)) is not None:
            self._push(self._stage_over(rest) or b"")

    def _end(self) -> None:
        self._clean(self._cleaner.end())
        while (rest := self._stage.end(self._emit)) is not None:
            self._push(self._stage_over(rest) or b"")

    def _stage_over(self, rest: bytes | None) -> bytes | None:
        """When a stage is over, its last event has moved the state: the stage of the new one takes the rest."""
        if rest is None:
            return None
        if isinstance(self._stage, AnswerStage):
            self._statistics, self._end_proven = self._stage.ended_with, self._stage.end_proven
        elif isinstance(self._stage, (EchoStage, AnchoredEchoStage)) and self._stage.seen is not None:
            self._echo = replace(self._stage.seen, continued=self._continued)
        self._stage = self._next_stage()
        return rest

    def _next_stage(self) -> Stage:
        if self._state is State.ANSWERING:
            return AnswerStage(
                self.profile.statistics, usual=self.traits.statistics, proves=self._proves, is_said=self._is_said
            )
        return ClosedStage() if self._state is State.FAILED else IdleStage()

    def _enter(self, stage: Stage) -> None:
        """Into a turn or a fence, with the beginning of a log line that may be on its way."""
        held = self._stage.held if isinstance(self._stage, IdleStage) else b""
        self._stage = stage
        self._run(lambda: self._push(held))

    def _emit(self, event: Event) -> None:
        last = self._events[-1] if self._events else None
        if isinstance(event, Text) and isinstance(last, Text):
            self._events[-1] = Text(last.text + event.text)
        else:
            self._events.append(event)
        self._state = TRANSITIONS.get((self._state, type(event)), self._state)

    def _move(self, cause: type | Call) -> None:
        try:
            self._state = TRANSITIONS[self._state, cause]
        except KeyError:
            raise ValueError(f"`{cause}` is not possible while {self._state.value}.") from None


def _text_of(events: Iterable[Event]) -> bytes:
    return "".join(event.text for event in events if isinstance(event, Text)).encode("utf-8", "surrogatepass")
