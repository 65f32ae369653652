"""The parser: a console's bytes, in any pieces, to events. It owns the state and hands the bytes to its stage.

It knows no process and no clock: the owner reads the pipe, measures silence and tells it what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

from bpu.console.answer import Answer
from bpu.console.cleaner import Cleaner
from bpu.console.echo import Echoing
from bpu.console.errors import OutOfStep
from bpu.console.events import Done, Echo, Event, Log, Ready, RunError, Text
from bpu.console.outside import Between, Deaf, Loading
from bpu.console.profiles import Profile
from bpu.console.stage import Pending, Stage


class State(Enum):
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
    (State.IDLE, OutOfStep): State.FAILED,
    (State.RESETTING, Done): State.IDLE,
    (State.RESETTING, OutOfStep): State.FAILED,
    (State.ECHOING, Echo): State.ANSWERING,
    (State.ECHOING, RunError): State.FAILED,
    (State.ECHOING, OutOfStep): State.FAILED,
    (State.ANSWERING, Done): State.IDLE,
    (State.ANSWERING, RunError): State.FAILED,
    **{(state, Call.END): State.CLOSED for state in State},
}

#: Silence must also be this many times the pace of the pieces, but never longer than this many seconds.
_PACES = 4
_LONGEST_QUIET = 10.0


class Parser:
    """One console's output, from its start or (with `state=State.IDLE`) from one of its prompts on.

    `prints_end`: this console was seen to end a turn with statistics or an end token, so that a bare prompt is
    not trusted quickly. `pace`: the owner may set it, at any time, to the usual gap between two reads of the
    running answer, in seconds (a median, say): silence then counts only from four times that on.
    """

    def __init__(self, profile: Profile, *, state: State = State.LOADING, prints_end: bool = False) -> None:
        self.profile = profile
        self.prints_end = prints_end
        self.pace = 0.0
        self._state = state
        self._cleaner = Cleaner()
        self._events: list[Event] = []
        self._stage: Stage = Loading() if state is State.LOADING else Between()

    @property
    def state(self) -> State:
        return self._state

    @property
    def quiet_after(self) -> float | None:
        """Seconds without a byte after which the owner must call `quiet`; None when silence would decide nothing."""
        pending = self._stage.pending
        if pending is None or self._cleaner.holds_text:
            return None
        if pending is Pending.PROMPT and self.prints_end:
            pending = Pending.PROMPT_UNUSUAL
        return max(pending.value, min(_PACES * self.pace, _LONGEST_QUIET))

    def begin(self, line: bytes, *, chat: bytes = b"") -> None:
        """The question `line` (without its newline) was written; `chat` is all that the model knows beside it, where
        it goes on with a conversation and may quote it. Legal only when idle, else `ValueError`."""
        self._move(Call.BEGIN)
        self._cleaner.quote(chat)
        self._cleaner.quote(line)
        self._enter(Echoing(line, echoes=self.profile.echoes_template))

    def reset_sent(self) -> None:
        """`reset` was written: until `Done`, only log lines and the prompt may come. Legal only when idle."""
        self._move(Call.RESET)
        self._enter(Between(fence=True))

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` decides; neighbouring pieces of text are one. Raises `OutOfStep`, and after that
        never again: a console that has failed is not listened to."""
        if self._cleaner.at_rest and (text := self._stage.plain(data)) is not None:
            return [Text(text)] if text else []
        return self._run(lambda: self._clean(self._cleaner.feed(data)))

    def quiet(self) -> list[Event]:
        """Nothing has come for `quiet_after` seconds; without anything pending this does nothing."""
        return self._run(self._be_quiet)

    def end_of_file(self) -> list[Event]:
        """The pipe is at its end: what was held back is decided as it stands. An end, not an error, by itself."""
        try:
            events = self._run(self._end)
        except OutOfStep as error:
            events = error.events
        self._move(Call.END)
        self._stage = Deaf()
        return events

    def _run(self, work: Callable[[], None]) -> list[Event]:
        try:
            work()
        except OutOfStep as error:
            self._move(OutOfStep)
            self._stage = Deaf()
            error.events = self._take()
            raise
        return self._take()

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _clean(self, pieces: Iterable[bytes | Log]) -> None:
        for piece in pieces:
            if isinstance(piece, Log):
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
        if rest is not None:
            if isinstance(self._stage, Answer):
                self.prints_end = self.prints_end or self._stage.prints_end
            self._stage = _STAGES[self._state](self.profile)
        return rest

    def _enter(self, stage: Stage) -> None:
        """Into a turn or a fence, with the beginning of a log line that may be on its way."""
        held = self._stage.held if isinstance(self._stage, Between) else b""
        self._stage = stage
        self._push(held)

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


#: Who reads on where a stage is over.
_STAGES: dict[State, Callable[[Profile], Stage]] = {
    State.IDLE: lambda profile: Between(),
    State.ANSWERING: lambda profile: Answer(profile.statistics),
    State.FAILED: lambda profile: Deaf(),
}
