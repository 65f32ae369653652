"""The parser turns a console's bytes, in any pieces, into events.

It owns the state and passes bytes to its stage. It knows no process and no clock: its owner reads the pipe, passes the
time of each read and each line written, and measures silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum

from bpu.console.answer import AnswerStage, ImageStage
from bpu.console.echo import AnchoredEchoStage, EchoStage
from bpu.console.errors import OutOfSync
from bpu.console.events import Done, Echo, Event, Log, Ready, RunError, Text
from bpu.console.idle import ClosedStage, IdleStage, LoadingStage
from bpu.console.log_filter import LogFilter
from bpu.console.pace import Arrival, Pace, come_in_steps
from bpu.console.profiles import Profile
from bpu.console.stage import Stage
from bpu.console.traits import UNKNOWN_TRAITS, EchoForm, Traits, TurnReport


class ParserState(Enum):
    """The state of the console's output stream, as the parser has followed it."""

    LOADING = "loading"  # no prompt has come yet
    IDLE = "idle"  # the prompt has come; only log lines may follow
    ECHOING = "echoing"  # a line was written; its echo may come, and then the marker
    ANSWERING = "answering"
    RESETTING = "resetting"  # `reset` was written; exactly the prompt must come back
    FAILED = "failed"  # out of sync or `run error`: the process must not be used again
    CLOSED = "closed"  # the pipe has come to its end


class OwnerCall(Enum):
    """Calls of the owner that change the state."""

    BEGIN = "begin"
    IMAGES = "begin_images"
    RESET = "reset_sent"
    END = "end_of_file"


#: Everything that changes the state: an event, an error or a call.
TRANSITIONS: dict[tuple[ParserState, type | OwnerCall], ParserState] = {
    (ParserState.LOADING, Ready): ParserState.IDLE,
    (ParserState.IDLE, OwnerCall.BEGIN): ParserState.ECHOING,
    (ParserState.IDLE, OwnerCall.IMAGES): ParserState.ANSWERING,
    (ParserState.IDLE, OwnerCall.RESET): ParserState.RESETTING,
    (ParserState.IDLE, OutOfSync): ParserState.FAILED,
    (ParserState.RESETTING, Done): ParserState.IDLE,
    (ParserState.RESETTING, OutOfSync): ParserState.FAILED,
    (ParserState.ECHOING, Echo): ParserState.ANSWERING,
    (ParserState.ECHOING, RunError): ParserState.FAILED,
    (ParserState.ECHOING, OutOfSync): ParserState.FAILED,
    (ParserState.ANSWERING, Done): ParserState.IDLE,
    (ParserState.ANSWERING, RunError): ParserState.FAILED,
    **{(state, OwnerCall.END): ParserState.CLOSED for state in ParserState},
}


class Parser:
    """Parses one console's output, from its start or (with `state=ParserState.IDLE`) from a prompt on.

    `traits` are what this console showed in earlier turns. With `anchored` False, an echo of any form is accepted.

    Invariant: after `OutOfSync` no method parses any more. One thread calls it, in callbacks of the event loop of the
    keeper, a gunicorn worker or a command.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        state: ParserState = ParserState.LOADING,
        traits: Traits = UNKNOWN_TRAITS,
        anchored: bool = True,
    ) -> None:
        self.profile, self.traits = profile, traits
        self._echo: EchoForm | None = None
        self._statistics: str | None = None
        self._end_proven = False
        self._pace = self._new_pace()
        self._anchored = anchored
        self._continued = False
        self._state = state
        self._log_filter = LogFilter()
        self._events: list[Event] = []
        self._stage: Stage = LoadingStage() if state is ParserState.LOADING else IdleStage()
        self._arrival: Arrival | None = None
        self._plain_reads: list[tuple[Arrival, bytes]] = []  # reads of text alone, not added to the pace yet
        self._end_since = 0.0  # the pipe was empty then, before the bytes that are held back were written
        self._undecided_reads: list[tuple[Arrival, bytes]] = []  # reads that gave no text yet

    @property
    def state(self) -> ParserState:
        """The state after everything that was fed; `begin` is legal only in IDLE."""
        return self._state

    @property
    def quiet_after(self) -> float | None:
        """Seconds of silence after which the owner must call `quiet`; None when silence decides nothing."""
        pending = self._stage.pending
        if pending is None or not self._log_filter.is_empty:
            return None
        self.settle()
        return self._pace.silence_s(pending.value, self._undecided_reads)

    def begin(self, line: bytes, *, chat: bytes = b"", continued: bool = False) -> None:
        """Begin a turn: the owner has written `line` (without its newline).

        It is legal only when idle; else it raises `ValueError`. `chat` is the earlier conversation, which the model may
        quote, where this turn continues one (`continued`). Raises `OutOfSync` if the beginning of a line, read since
        the last prompt, cannot begin this turn.
        """
        self._transition(OwnerCall.BEGIN)
        self._log_filter.remember_log_prefixes(chat)
        self._log_filter.remember_log_prefixes(line)
        self._plain_reads = []
        self._pace, self._undecided_reads, self._continued = self._new_pace(), [], continued
        anchors = self.traits.anchors(continued=continued) if self._anchored else ()
        echoing = AnchoredEchoStage(line, anchors) if anchors else EchoStage(line, echoes=self.profile.echoes_template)
        self._enter_stage(echoing)

    def begin_images(self, line: bytes) -> None:
        """Begin the step that reads images: the owner has written `line` with their paths.

        It is legal only when idle. Its events are those of an answer whose text means nothing; `Done` ends it.
        """
        self._transition(OwnerCall.IMAGES)
        self._log_filter.remember_log_prefixes(line)
        self._pace, self._undecided_reads, self._continued, self._echo = self._new_pace(), [], False, None
        self._enter_stage(self._answer_stage(ImageStage, usual=None))

    def reset_sent(self, *, at_once: bool = False) -> None:
        """Begin the reset handshake: the owner has written `reset`. Legal only when idle.

        Until `Done`, only log lines and the prompt may come. `at_once`: no model is answering, so the prompt need not
        be followed by silence.
        """
        self._transition(OwnerCall.RESET)
        self._enter_stage(IdleStage(awaits_reset=True, at_once=at_once))

    def feed(self, data: bytes, arrival: Arrival | None = None) -> list[Event]:
        """Parse `data` and return its events; neighbouring pieces of text become one.

        Without its `arrival`, only silence ends a turn. Raises `OutOfSync` once; later data is dropped.
        """
        self._arrival = arrival
        if self._log_filter.is_empty:
            # Most reads of an answer are plain text: after this look they take 7 µs here, through the stages 21 µs.
            if (text := self._stage.try_plain_text(data)) is not None:
                if arrival is not None and data:
                    self._plain_reads.append((arrival, data))
                return [Text(text)] if text else []
            if not self._stage.held_size:
                self._stage.is_timed = arrival is not None
                self._end_since = arrival.empty_at if arrival is not None else 0.0
        self.settle()
        answering = self._state is ParserState.ANSWERING
        events = self._collect_events(lambda: self._handle_filtered(self._log_filter.feed(data, arrival)))
        if self._state is ParserState.ANSWERING:
            # The read in which the answer begins holds the echo as well.
            said = any(isinstance(event, Text) for event in events)
            held = self._stage.held_size
            data = data if answering else _text_of(events) + data[max(0, len(data) - held) :]
            self._record_read(arrival, data, held=held, said=said)
        return events

    def settle(self) -> None:
        """Add the reads of plain text to the pace.

        The owner calls it after each read, once its client has the text, so that little is left to do when the turn
        ends and the next job waits.
        """
        reads, self._plain_reads = self._plain_reads, []
        for arrival, data in reads:
            self._record_read(arrival, data, held=0, said=True)

    def quiet(self) -> list[Event]:
        """Decide what is pending, after `quiet_after` seconds of silence."""
        return self._collect_events(self._handle_silence)

    def end_of_file(self) -> list[Event]:
        """Decide what was held back, because the pipe is closed.

        The end of the pipe is no error by itself.
        """
        try:
            events = self._collect_events(self._handle_end)
        except OutOfSync as error:
            events = error.events
        self._transition(OwnerCall.END)
        self._stage = ClosedStage()
        return events

    def report(self, *, at_rest: bool | None = None) -> TurnReport:
        """Return what the turn that has just ended showed; `at_rest` is the owner's observation."""
        self.settle()
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
            has_step=self._pace.shows_a_step(self._undecided_reads),
            rate=self._pace.rate,
        )

    def _new_pace(self) -> Pace:
        return Pace(self.traits.step_s, known_rate=self.traits.rate, least_step=self.profile.step_tokens)

    def _record_read(self, arrival: Arrival | None, data: bytes, *, held: int, said: bool) -> None:
        """Add a read of the answer to the pace.

        Its last `held` bytes may be the end of the turn: they count later, once they turn out to be text. Earlier reads
        count now if the read gave text (`said`).
        """
        if arrival is None or not data:
            return
        at = max(0, len(data) - held)
        if said or not held:
            for earlier, piece in (*self._undecided_reads, (arrival, data[:at])):
                if piece:
                    self._pace.add(earlier, piece)
            self._undecided_reads.clear()
            data = data[at:]
        if data:
            self._undecided_reads.append((arrival, data))

    def _proves_end(self, end: bytes) -> bool:
        if self._arrival is None or not self._log_filter.is_empty:  # the read goes on after `end`
            return False
        return self._pace.proves(end, self._arrival.read_at - self._end_since)

    def _is_model_paced(self) -> bool:
        return come_in_steps([arrival for arrival, _ in self._undecided_reads])

    def _collect_events(self, work: Callable[[], None]) -> list[Event]:
        try:
            work()
        except OutOfSync as error:
            self._transition(OutOfSync)
            self._stage = ClosedStage()
            error.events = self._take_events()
            raise
        return self._take_events()

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _handle_filtered(self, pieces: Iterable[bytes | Log]) -> None:
        for piece in pieces:
            if isinstance(piece, Log):
                self._stage.is_timed = False  # a model can print such a line, too
                self._stage.after_log()
                self._emit(piece)
            else:
                self._feed_stage(piece)

    def _feed_stage(self, data: bytes) -> None:
        rest: bytes | None = data
        while rest:
            rest = self._finish_stage(self._stage.feed(rest, self._emit))

    def _handle_silence(self) -> None:
        while not self._log_filter.holds_text and (rest := self._stage.quiet(self._emit)) is not None:
            self._feed_stage(self._finish_stage(rest) or b"")

    def _handle_end(self) -> None:
        self._handle_filtered(self._log_filter.end())
        while (rest := self._stage.end(self._emit)) is not None:
            self._feed_stage(self._finish_stage(rest) or b"")

    def _finish_stage(self, rest: bytes | None) -> bytes | None:
        """Replace a stage that has ended by that of the new state.

        It reads the rest.
        """
        if rest is None:
            return None
        if isinstance(self._stage, AnswerStage):
            self._statistics, self._end_proven = self._stage.ended_with, self._stage.end_proven
        elif isinstance(self._stage, (EchoStage, AnchoredEchoStage)) and self._stage.seen is not None:
            self._echo = replace(self._stage.seen, continued=self._continued)
        self._stage = self._next_stage()
        return rest

    def _next_stage(self) -> Stage:
        if self._state is ParserState.ANSWERING:
            return self._answer_stage(AnswerStage, usual=self.traits.statistics)
        return ClosedStage() if self._state is ParserState.FAILED else IdleStage()

    def _answer_stage(self, kind: type[AnswerStage], *, usual: str | None) -> AnswerStage:
        return kind(
            self.profile.statistics,
            usual=usual,
            proves_end=self._proves_end,
            is_model_paced=self._is_model_paced,
        )

    def _enter_stage(self, stage: Stage) -> None:
        """Enter the stage of a turn or a reset.

        It begins with the unfinished log line of the idle stage.
        """
        held = self._stage.held if isinstance(self._stage, IdleStage) else b""
        self._stage = stage
        self._collect_events(lambda: self._feed_stage(held))

    def _emit(self, event: Event) -> None:
        last = self._events[-1] if self._events else None
        if isinstance(event, Text) and isinstance(last, Text):
            self._events[-1] = Text(last.text + event.text)
        else:
            self._events.append(event)
        self._state = TRANSITIONS.get((self._state, type(event)), self._state)

    def _transition(self, cause: type | OwnerCall) -> None:
        try:
            self._state = TRANSITIONS[self._state, cause]
        except KeyError:
            raise ValueError(f"`{cause}` is not possible while {self._state.value}.") from None


def _text_of(events: Iterable[Event]) -> bytes:
    return "".join(event.text for event in events if isinstance(event, Text)).encode("utf-8", "surrogatepass")
