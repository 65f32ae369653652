"""The owner of the console process: loads it, listens while it loads or idles, resets, ends and reaps it.

It alone moves the engine's state. It does not know who waits or why: the keeper tells it what is wanted, and is
called back through `settled` when something has come to rest.
"""

from __future__ import annotations

import signal
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bpu.console.events import Done, Event, Log, Ready, RunError, Text
from bpu.console.faults import Fault, diagnose
from bpu.console.pace import LONGEST_SILENCE_S, Pace
from bpu.console.parser import Parser
from bpu.console.parser import State as ParserState
from bpu.console.profiles import PROFILES, confirmed
from bpu.console.stage import Pending
from bpu.console.traits import UNKNOWN_TRAITS, Traits, TurnReport
from bpu.engine.breaker import Breaker
from bpu.engine.cache import EMPTY, UNKNOWN, Cache
from bpu.engine.console_record import configuration_path, read_configuration
from bpu.engine.ear import Ear
from bpu.engine.launch import Launch
from bpu.engine.loop import Loop
from bpu.engine.noise import NoiseWatch
from bpu.engine.process import Console, Exit
from bpu.engine.process import Log as ConsoleLog
from bpu.engine.states import Machine, Move, State

RESET_LIMIT_S = 5.0
#: A console that has closed its output but not ended gets this long.
CLOSED_LIMIT_S = 1.0
#: Memory of a killed process comes back, but not at once: a reload that finds none is tried again.
MEMORY_RETRIES = 3
#: Between tries while only a person can help.
PERSON_PAUSE_S = 10.0
#: Signals and the seconds each is given; the last step is for a process that not even the kernel can end.
POLITE = ((None, 1.5), (signal.SIGTERM, 1.0), (signal.SIGKILL, 10.0))
AT_ONCE = ((signal.SIGTERM, 0.3), (signal.SIGKILL, 10.0))

Settled = Callable[[], None]


class Supervisor:
    """One console at a time. All methods return at once; what they begin ends in `settled`."""

    def __init__(
        self,
        launch: Launch,
        lock_fds: Sequence[int],
        loop: Loop,
        *,
        clock: Callable[[], float],
        changed: Callable[[State, State, Move], None],
        spawn: Callable[[Launch, Sequence[int], ConsoleLog], Console] = Console,
    ) -> None:
        self.launch = launch
        self.profile = PROFILES[launch.profile]
        self.banner = ""
        self.cache: Cache = EMPTY
        self.breaker = Breaker()
        self.fault: Fault | None = None
        self.exit: Exit | None = None
        self.loads = 0
        #: Another model's console had the memory before this one.
        self.follows_another = False
        self.load_s: float | None = None
        self.restarts: Counter[str] = Counter()
        self.log = ConsoleLog()
        #: What its turns have shown, whichever process ran them: the program stays the same.
        self.traits: Traits = UNKNOWN_TRAITS
        #: Whether a line was written since the load, and whether the last turn's end was proven.
        self.is_fresh, self.end_proven = True, False
        #: Asked at the first prompt: whether an examination comes before this console serves jobs.
        self.must_examine: Callable[[], bool] = lambda: False
        self._configuration_path = configuration_path(launch)
        self._configuration: Mapping[str, Any] = {}
        self._lock_fds, self._loop, self._clock, self._spawn = lock_fds, loop, clock, spawn
        self._machine = Machine(changed)
        self._console: Console | None = None
        self._ear = Ear(loop, clock, wrong=self._out_of_step, closed=self._output_closed)
        self._deadline: tuple[float, Callable[[], None]] | None = None
        self._steps: deque[tuple[signal.Signals | None, float]] = deque()
        self._failing: Fault | None = None
        self._started = 0.0
        self._noise = NoiseWatch(clock)
        self._turn_ended_by: str | None = None
        #: Log lines that came while nothing was asked.
        self.idle_lines = 0

    @property
    def state(self) -> State:
        return self._machine.state

    @property
    def present_fault(self) -> Fault | None:
        """Why the console is being ended, or why it has failed; None when neither is a fault."""
        return self._failing or self.fault

    @property
    def console_pid(self) -> int | None:
        return None if self._console is None else self._console.pid

    @property
    def console_pids(self) -> list[int]:
        """The processes of the console, whatever it is doing."""
        return [] if self._console is None else list(self._console.session())

    # Loading

    def load(self) -> None:
        """Start the console; ends in `ready` or `failed`."""
        self.log, self.fault, self.exit = ConsoleLog(), None, None
        self.is_fresh, self.end_proven = True, True
        try:
            for path, text in self.launch.files.items():
                Path(path).write_text(text)
            self._configuration = read_configuration(self._configuration_path)
            console = self._spawn(self.launch, self._lock_fds, self.log)
        except OSError as error:
            self._failed(Fault("bad_option", f"The console cannot be started: {error}.", True))
            self._machine.move(Move.GIVE_UP)
            return
        self._console, self._started = console, self._clock()
        self.loads += 1
        self._loop.listen(console.stderr, self._on_stderr)
        self._listen(ParserState.LOADING, self._while_loading)
        self._within(self.launch.load_timeout_s, self._load_took_too_long)
        self._machine.move(Move.LOAD)

    def _while_loading(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.profile = confirmed(PROFILES[self.launch.profile], event.banner, self._configuration_read())
            self.banner = event.banner
            self.load_s, self.cache = self._clock() - self._started, EMPTY
            self._deadline = None
            self._ear.hear = self._while_idle
            self._noise.begin([] if self._console is None else self._console.session())
            self._machine.move(Move.EXAMINE if self.must_examine() else Move.BANNER)
        elif isinstance(event, Log):
            self.log.add(event.line)

    def _configuration_read(self) -> Mapping[str, Any]:
        """What the console has read at this load; nothing where the file was changed meanwhile."""
        unchanged = read_configuration(self._configuration_path) == self._configuration
        return self._configuration if unchanged else {}

    def _while_idle(self, event: Event) -> None:
        """After the first line a model can say whatever a library can: such lines are counted and never shown."""
        if isinstance(event, Log):
            self.idle_lines += 1

    def _load_took_too_long(self) -> None:
        limit = self.launch.load_timeout_s
        self.end("load_timeout", Fault("load_timeout", f"The model was not loaded within {limit:g} seconds.", False))

    # Lending the console's pipes to a job

    def take(self) -> bool:
        """Take the idle console for a job; False when it turns out not to be in step."""
        self._ear.read()
        if self.state is not State.READY or self._clock() < self.free_at:
            return False
        self._noise.end_wait()
        self.log.has_read_words = True
        self._machine.move(Move.TAKE)
        self._deafen()
        return True

    @property
    def pipes(self) -> tuple[int, int]:
        """(stdin, stdout) of the console, for the job that has taken it."""
        assert self._console is not None
        return self._console.stdin, self._console.stdout

    def learn(self, report: TurnReport, *, trusted: bool = False) -> None:
        """Take what a turn has shown; the next one is not the first after a load any more. `trusted`: its line was
        our own, and so was every line before it."""
        self.traits = self.traits.after(report, fresh=self.is_fresh or trusted)
        self.is_fresh, self.end_proven = False, report.proven
        self._turn_ended_by = "blocks" if report.blocks else "statistics" if report.proven else "silence"

    def must_discard(self, report: TurnReport) -> bool:
        """Whether that turn may still be running, so that the console must not be given another line."""
        must = report.must_discard(reads_ahead=self.profile.reads_ahead)
        if must and report.at_rest is False:
            self._noise.watch_longer()
        return must

    @property
    def free_at(self) -> float:
        """The moment from which the idle console can be taken."""
        return self._noise.free_at

    @property
    def turn_end(self) -> dict[str, Any]:
        """What ended the last turn, and the seconds of silence that end one where nothing proves it.

        `by`: "statistics" (believed at once), "silence", "blocks" (the console buffers its output, so that no end is
        proven and it is ended after every turn), None before the first turn.
        """
        pace = Pace(self.traits.step_s, least_step=self.profile.step_tokens)
        return {"by": self._turn_ended_by, "silence_s": round(pace.silence_s(Pending.PROMPT.value), 2)}

    @property
    def for_reader(self) -> dict[str, Any]:
        """What a job needs to tell this console's words from a model's."""
        return {
            "fresh": self.is_fresh,
            "at_prompt": self.end_proven,
            "traits": self.traits.to_message(),
            "pids": self._noise.pids,
            "noisy": None if self._noise.noisy is None else sorted(self._noise.noisy),
        }

    def give_back(self, cache: Cache) -> None:
        """A job has read up to the prompt; `cache` is what is known of the console's memory."""
        self.cache = cache
        self._noise.wait()
        self._listen(ParserState.IDLE, self._while_idle)
        self._machine.move(Move.GIVE_BACK)

    def reset(self, settled: Settled, *, sent: bool = False) -> None:
        """Empty the cache of a console that was taken; exactly the prompt must come back. `sent`: its job wrote it."""
        parser = self._listen(ParserState.IDLE, self._until_done(lambda text, report: self._was_reset(report, settled)))
        # Where the reader is watched, nobody can speak between the command and its prompt; after a proven end nobody
        # can in any case, and a late look must not make a doubt of it.
        watched = not (sent or self.profile.reads_ahead or self.end_proven)
        parser.reset_sent(at_once=self.end_proven or watched)
        self._write(b"" if sent else (self.profile.reset or b"reset") + b"\n", parser)
        if watched:
            self._ear.watch_input(self._clock())
        self._ear.read()  # what was sent early is answered by now

    def _was_reset(self, report: TurnReport, settled: Settled) -> None:
        if report.at_rest is False:  # a model may have said the prompt, and work on without a byte
            self._noise.watch_longer()
            self.end("unproven_end")
            return
        self.cache = EMPTY
        settled()

    def ask(self, line: bytes, answered: Callable[[str], None], *, limit_s: float) -> None:
        """Ask a question of the examination; `answered` gets the text of the answer."""

        def learn(text: str, report: TurnReport) -> None:
            self.learn(report, trusted=True)
            answered(text)

        self.log.has_read_words = True
        parser = self._listen(ParserState.IDLE, self._until_done(learn))
        parser.begin(line, continued=not self.cache.empty)
        self._write(line + b"\n", parser, limit_s)
        if not (self.profile.reads_ahead or self.end_proven):
            self._ear.watch_input(self._clock())
        self.cache = UNKNOWN

    def _write(self, data: bytes, parser: Parser, limit_s: float = RESET_LIMIT_S) -> None:
        def give_up() -> None:
            self._out_of_step(f"no prompt came back within {limit_s:g} seconds")

        def look_again() -> None:
            """A prompt that has come and only waits for its silence has that time beside the limit."""
            if parser.quiet_after is None:
                give_up()
            else:
                self._within(LONGEST_SILENCE_S, give_up)

        self._within(limit_s, look_again)
        assert self._console is not None
        if data and not self._console.write(data):
            self._out_of_step("it does not read its input")

    def _until_done(self, settled: Callable[[str, TurnReport], None]) -> Callable[[Event], None]:
        heard: list[str] = []

        def hear(event: Event) -> None:
            if isinstance(event, Text):
                heard.append(event.text)
            elif isinstance(event, Done):
                report = self._ear.report()
                self._deafen()
                settled("".join(heard), report)
            elif isinstance(event, RunError):
                self._out_of_step(f"it reports an error: {event.line}")  # and no prompt comes after it
            else:
                self._while_idle(event)

        return hear

    # Ending

    def end(self, cause: str, fault: Fault | None = None, *, polite: bool = False) -> None:
        """End the process, whatever it does. With a `fault` the engine has failed, else it is just stopped."""
        if self.state not in (State.STARTING, State.CHECKING, State.READY, State.BUSY):
            return
        says_exit = polite and self.state is State.READY and self.profile.exit is not None
        self._failing = fault
        self.restarts[cause] += 1
        self._deafen()
        self._steps = deque(POLITE if says_exit else AT_ONCE)
        # Set before anything that may raise, so that `tick` goes on with the end of the process after an error.
        self._deadline = self._clock(), self._next_step
        self._machine.move(Move.END)
        self._next_step()

    def _next_step(self) -> None:
        if self._steps:
            self._within(self._steps[0][1], self._next_step)  # before this step, which may raise
        console = self._console
        if console is None:
            return
        if not self._steps:
            self.fault = Fault(
                "unkillable", "The console cannot be ended, not even by the kernel; reboot the board.", True
            )
            return
        number, _seconds = self._steps.popleft()
        if number is None:
            console.write((self.profile.exit or b"exit") + b"\n")
        else:
            console.signal(number)

    def _out_of_step(self, why: str) -> None:
        self.end("out_of_step", Fault("out_of_step", f"The console got out of step ({why}) and was ended.", False))

    def on_child(self) -> None:
        """A child of this process has changed: reap it if it was the console."""
        console = self._console
        ended = None if console is None else console.reap()
        if console is None or ended is None:
            return
        self._last_words(console)
        if console.kill_heirs():
            self.log.add("[gateway] a child of the console was left behind and has been ended")
        self._deafen()
        self._loop.forget(console.stderr)
        console.close()
        self._console, self._deadline, self.cache, self.exit = None, None, UNKNOWN, ended
        self._settle_end(ended)

    def check(self) -> None:
        """Finish an end that an exception has interrupted. Cheap; called now and then."""
        self.on_child()
        if self._console is None and self.state not in (State.STOPPED, State.FAILED):
            self._settle_end(self.exit or Exit(None, signal.SIGKILL))
        elif self._console is not None and self.state is State.STOPPING and self._deadline is None:
            self._steps = deque(AT_ONCE)
            self._next_step()

    def _last_words(self, console: Console) -> None:
        """What a dying console still had to say, its errors last; what it says while a job reads it is the job's."""
        for event in self._ear.last_words():
            self._while_idle(event)
        console.drain_stderr()

    def _settle_end(self, ended: Exit) -> None:
        fault, self._failing = self._failing, None
        if self.state is State.STOPPING and fault is None:
            self._machine.move(Move.GONE)
        elif self.state is State.STOPPING and fault is not None:
            self._failed(fault)
            self._machine.move(Move.GIVE_UP)
        else:
            self.restarts["crash"] += 1
            self._failed(diagnose(list(self.log.lines), exit_code=ended.code, signal=ended.signal))
            self._machine.move(Move.DIED)

    def _failed(self, fault: Fault) -> None:
        now = self._clock()
        self.breaker.failed(now)
        freed = self.loads > 1 or self.follows_another
        if fault.cause == "no_bpu_memory" and freed and self.breaker.failures <= MEMORY_RETRIES:
            fault = Fault(fault.cause, fault.message, False)
            self.breaker.hold(now, 1.0)
        elif fault.needs_person:
            self.breaker.hold(now, PERSON_PAUSE_S)
        self.fault = fault

    # Listening

    def _listen(self, state: ParserState, hear: Callable[[Event], None]) -> Parser:
        assert self._console is not None
        parser = Parser(self.profile, state=state, traits=self.traits)
        rest = self._noise.rest_probe() if hear is not self._while_idle else None
        self._ear.listen(self._console, parser, hear, rest=rest)
        return parser

    def _deafen(self) -> None:
        """Leave the output to somebody else, or to nobody."""
        self._deadline = None
        self._ear.close()

    def _on_stderr(self) -> None:
        assert self._console is not None
        data = self._console.read(self._console.stderr)
        if data == b"":
            self._loop.forget(self._console.stderr)
        elif data is not None:
            self.log.feed(data)

    def _output_closed(self) -> None:
        self._within(CLOSED_LIMIT_S, lambda: self._out_of_step("it closed its output"))

    # Time

    def _within(self, seconds: float, late: Callable[[], None]) -> None:
        self._deadline = (self._clock() + seconds, late) if seconds else None

    def deadline(self) -> float | None:
        """The monotonic second at which `tick` has something to do."""
        times = (self._ear.quiet_at, self._deadline[0] if self._deadline else None)
        return min((time for time in times if time is not None), default=None)

    def tick(self) -> None:
        now = self._clock()
        self._ear.tick(now)
        if self._deadline is not None and now >= self._deadline[0]:
            _, late = self._deadline
            self._deadline = None
            late()
