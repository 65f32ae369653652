"""Controls the console process: starts it, reads it outside jobs, resets, ends and reaps it.

Only the supervisor changes the engine's state. It knows no jobs: the scheduler calls its methods, and it reports every
change of state through `changed`.
"""

from __future__ import annotations

import errno
import signal
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bpu.console.diagnosis import Diagnosis, diagnose
from bpu.console.events import Done, Event, Log, Ready, RunError, Text
from bpu.console.pace import LONGEST_SILENCE_S, Pace
from bpu.console.parser import Parser, ParserState
from bpu.console.profiles import PROFILES, confirm_profile
from bpu.console.stage import Pending
from bpu.console.traits import UNKNOWN_TRAITS, Traits, TurnReport
from bpu.engine.console_process import Console, Exit
from bpu.engine.console_process import Log as ConsoleLog
from bpu.engine.console_record import configuration_path, read_configuration
from bpu.engine.keeper.background_threads import BackgroundThreads
from bpu.engine.keeper.circuit_breaker import CircuitBreaker
from bpu.engine.keeper.event_loop import Loop
from bpu.engine.keeper.kv_cache import EMPTY, UNKNOWN, Cache
from bpu.engine.keeper.orphans import save_console
from bpu.engine.keeper.output_reader import OutputReader
from bpu.engine.launch_spec import LaunchSpec
from bpu.engine.protocol import RESOURCE_ERRORS
from bpu.engine.states import Machine, State, Transition

RESET_LIMIT_S = 5.0
#: Seconds after which a console that has closed its output but still runs is ended.
CLOSED_LIMIT_S = 1.0
#: The kernel frees a killed process's memory with a delay, so a reload that finds too little is tried this often.
MEMORY_RETRIES = 3
#: Seconds between tries to load after a fault that only a person can remove.
PERMANENT_FAULT_PAUSE_S = 10.0
#: Steps of ending a process, as signal (None: the console's exit command) and seconds to wait after it.
POLITE = ((None, 1.5), (signal.SIGTERM, 1.0), (signal.SIGKILL, 10.0))
AT_ONCE = ((signal.SIGTERM, 0.3), (signal.SIGKILL, 10.0))

Callback = Callable[[], None]


class Supervisor:
    """Controls at most one console of one model.

    The model owns it, and it runs in the keeper's one thread. No method waits: an action that takes time goes on in
    callbacks of the event loop and in `tick`.
    """

    def __init__(
        self,
        launch: LaunchSpec,
        lock_fds: Sequence[int],
        loop: Loop,
        *,
        clock: Callable[[], float],
        changed: Callable[[State, State, Transition], None],
        spawn: Callable[[LaunchSpec, Sequence[int], ConsoleLog], Console] = Console,
    ) -> None:
        self.launch = launch
        self.profile = PROFILES[launch.profile]
        self.banner = ""
        self.cache: Cache = EMPTY
        self.breaker = CircuitBreaker()
        self.fault: Diagnosis | None = None
        self.exit: Exit | None = None
        self.loads = 0
        #: Another model's console had the memory before this one.
        self.follows_another = False
        self.load_s: float | None = None
        self.restarts: Counter[str] = Counter()
        self.log = ConsoleLog()
        #: What the turns so far have shown of the program; kept across loads.
        self.traits: Traits = UNKNOWN_TRAITS
        #: Whether a line was written since the load, and whether the last turn's end was proven.
        self.is_fresh, self.end_proven = True, False
        #: Called at the first prompt: whether the console is examined before it serves jobs.
        self.must_examine: Callable[[], bool] = lambda: False
        self._configuration_path = configuration_path(launch)
        self._configuration: Mapping[str, Any] = {}
        self._lock_fds, self._loop, self._clock, self._spawn = lock_fds, loop, clock, spawn
        self._machine = Machine(changed)
        self._console: Console | None = None
        self._output_reader = OutputReader(
            loop, clock, on_out_of_sync=self._end_out_of_sync, on_closed=self._on_output_closed
        )
        self._deadline: tuple[float, Callable[[], None]] | None = None
        self._steps: deque[tuple[signal.Signals | None, float]] = deque()
        self._failing: Diagnosis | None = None
        self._started = 0.0
        self._background = BackgroundThreads(clock)
        self._turn_ended_by: str | None = None
        #: Count of log lines that came while no line was being answered.
        self.idle_lines = 0

    @property
    def state(self) -> State:
        """The engine's state. Only this class changes it."""
        return self._machine.state

    @property
    def present_fault(self) -> Diagnosis | None:
        """Why the console is being ended, or why it has failed.

        Return None when neither is a fault.
        """
        return self._failing or self.fault

    @property
    def console_pid(self) -> int | None:
        """The console's process id; None while none runs."""
        return None if self._console is None else self._console.pid

    @property
    def console_pids(self) -> list[int]:
        """The processes of the console, whatever it is doing."""
        return [] if self._console is None else list(self._console.session())

    # Loading

    def load(self) -> None:
        """Start the console; it becomes ready, is examined first, or fails."""
        self.log, self.fault, self.exit = ConsoleLog(), None, None
        self.is_fresh, self.end_proven = True, True
        try:
            for path, text in self.launch.files.items():
                Path(path).write_text(text)
            self._configuration = read_configuration(self._configuration_path)
            console = self._spawn(self.launch, self._lock_fds, self.log)
        except OSError as error:
            # Without a descriptor or memory for a moment the next start may succeed (EAGAIN: too many processes).
            permanent = error.errno not in RESOURCE_ERRORS | {errno.EAGAIN}
            self._record_failure(Diagnosis("bad_option", f"The console cannot be started: {error}.", permanent))
            self._machine.apply(Transition.GIVE_UP)
            return
        self._console, self._started = console, self._clock()
        self.loads += 1
        self._loop.listen(console.stderr, self._on_stderr)
        self._listen(ParserState.LOADING, self._on_loading_event)
        self._set_timeout(self.launch.load_timeout_s, self._on_load_timeout)
        self._machine.apply(Transition.LOAD)

    def _on_loading_event(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.profile = confirm_profile(PROFILES[self.launch.profile], event.banner, self._configuration_read())
            self.banner = event.banner
            self.load_s, self.cache = self._clock() - self._started, EMPTY
            self._deadline = None
            self._output_reader.on_event = self._on_idle_event
            self._background.begin([] if self._console is None else self._console.session())
            if self._console is not None:
                save_console(Path(self.launch.state_dir), self._console.pid)
            self._machine.apply(Transition.EXAMINE if self.must_examine() else Transition.BANNER)
        elif isinstance(event, Log):
            self.log.add(event.line)

    def _configuration_read(self) -> Mapping[str, Any]:
        """Return the configuration that the console has read.

        It is empty if the file was changed during the load.
        """
        unchanged = read_configuration(self._configuration_path) == self._configuration
        return self._configuration if unchanged else {}

    def _on_idle_event(self, event: Event) -> None:
        """Count log lines without keeping them.

        After the first prompt a model may have written them.
        """
        if isinstance(event, Log):
            self.idle_lines += 1

    def _on_load_timeout(self) -> None:
        limit = self.launch.load_timeout_s
        self.end(
            "load_timeout", Diagnosis("load_timeout", f"The model was not loaded within {limit:g} seconds.", False)
        )

    # Lending the console's pipes to a job

    def take(self) -> bool:
        """Take the idle console for a job.

        False when it is out of sync, not free yet, or ending because it has closed its output.
        """
        self._output_reader.read()
        if self.state is not State.READY or self._output_reader.is_at_end or self._clock() < self.free_at:
            return False
        self._background.end_wait()
        self.log.has_read_prompt = True
        self._machine.apply(Transition.TAKE)
        self._stop_reading()
        return True

    @property
    def pipes(self) -> tuple[int, int]:
        """(stdin, stdout) of the console, for the job that has taken it."""
        assert self._console is not None
        return self._console.stdin, self._console.stdout

    def record_turn(self, report: TurnReport, *, trusted: bool = False) -> None:
        """Record what a turn has shown.

        `trusted` means that the gateway itself made its line and every line before it.
        """
        self.traits = self.traits.after(report, fresh=self.is_fresh or trusted)
        self.is_fresh, self.end_proven = False, report.proven
        self._turn_ended_by = "blocks" if report.blocks else "statistics" if report.proven else "silence"

    def must_discard(self, report: TurnReport) -> bool:
        """Whether the turn may still be running.

        The console must then be ended instead of given another line.
        """
        must = report.must_discard(reads_ahead=self.profile.reads_ahead)
        if must and report.at_rest is False:
            self._background.watch_longer()
        return must

    @property
    def free_at(self) -> float:
        """The monotonic second from which the idle console can be taken."""
        return self._background.free_at

    @property
    def turn_end(self) -> dict[str, Any]:
        """Return what ended the last turn, and the silence that would end one.

        The silence is in seconds, where nothing proves the end. `by`: "statistics" (believed at once), "silence",
        "blocks" (the console buffers its output, so that no end is proven and it is ended after every turn), None
        before the first turn.
        """
        pace = Pace(self.traits.step_s, least_step=self.profile.step_tokens)
        return {"by": self._turn_ended_by, "silence_s": round(pace.silence_s(Pending.PROMPT.value), 2)}

    @property
    def reading_facts(self) -> dict[str, Any]:
        """What a job needs to tell the console's own output from the model's."""
        return {
            "fresh": self.is_fresh,
            "at_prompt": self.end_proven,
            "traits": self.traits,
            "pids": tuple(self._background.pids),
            "background_threads": None if self._background.known is None else tuple(sorted(self._background.known)),
        }

    def give_back(self, cache: Cache) -> None:
        """Make the console idle again; `cache` describes what its KV cache holds."""
        self.cache = cache
        self._background.wait()
        self._listen(ParserState.IDLE, self._on_idle_event)
        self._machine.apply(Transition.GIVE_BACK)

    def reset(self, on_done: Callback, *, sent: bool = False) -> None:
        """Empty the cache of a taken console; only the prompt may come back.

        `sent`: the job has written `reset`.
        """
        parser = self._listen(
            ParserState.IDLE, self._collect_answer(lambda text, report: self._on_reset(report, on_done))
        )
        # While the input is watched, output before the command was read is noticed. After a proven end none can come,
        # and watching would only raise doubts if this process looks late.
        watched = not (sent or self.profile.reads_ahead or self.end_proven)
        parser.reset_sent(at_once=self.end_proven or watched)
        self._write(b"" if sent else (self.profile.reset or b"reset") + b"\n", parser)
        if watched:
            self._output_reader.watch_input(self._clock())
        self._output_reader.read()  # a reset that the job has sent may be answered already

    def _on_reset(self, report: TurnReport, on_done: Callback) -> None:
        if report.at_rest is False:  # the model may have written the prompt and may still be running
            self._background.watch_longer()
            self.end("unproven_end")
            return
        self.cache = EMPTY
        on_done()

    def ask(self, line: bytes, on_answer: Callable[[str], None], *, limit_s: float) -> None:
        """Write a question of the examination; `on_answer` gets the text of the answer."""

        def on_done(text: str, report: TurnReport) -> None:
            self.record_turn(report, trusted=True)
            on_answer(text)

        self.log.has_read_prompt = True
        parser = self._listen(ParserState.IDLE, self._collect_answer(on_done))
        parser.begin(line, continued=not self.cache.empty)
        self._write(line + b"\n", parser, limit_s)
        if not (self.profile.reads_ahead or self.end_proven):
            self._output_reader.watch_input(self._clock())
        self.cache = UNKNOWN

    def _write(self, data: bytes, parser: Parser, limit_s: float = RESET_LIMIT_S) -> None:
        def abort() -> None:
            self._end_out_of_sync(f"no prompt came back within {limit_s:g} seconds")

        def extend_or_abort() -> None:
            """Give more time to a prompt that waits for the silence that confirms it."""
            if parser.quiet_after is None:
                abort()
            else:
                self._set_timeout(LONGEST_SILENCE_S, abort)

        self._set_timeout(limit_s, extend_or_abort)
        assert self._console is not None
        if data and not self._console.write(data):
            self._end_out_of_sync("it does not read its input")

    def _collect_answer(self, on_done: Callable[[str, TurnReport], None]) -> Callable[[Event], None]:
        parts: list[str] = []

        def on_event(event: Event) -> None:
            if isinstance(event, Text):
                parts.append(event.text)
            elif isinstance(event, Done):
                report = self._output_reader.report()
                self._stop_reading()
                on_done("".join(parts), report)
            elif isinstance(event, RunError):
                self._end_out_of_sync(f"it reports an error: {event.line}")  # no prompt follows an error
            else:
                self._on_idle_event(event)

        return on_event

    # Ending

    def end(self, cause: str, fault: Diagnosis | None = None, *, polite: bool = False) -> None:
        """End the process in any state.

        With a `fault` the engine has failed, without one it is stopped.
        """
        if self.state not in (State.STARTING, State.CHECKING, State.READY, State.BUSY):
            return
        sends_exit = polite and self.state is State.READY and self.profile.exit is not None
        self._failing = fault
        self.restarts[cause] += 1
        self._stop_reading()
        self._steps = deque(POLITE if sends_exit else AT_ONCE)
        # Set before anything that may raise, so that `tick` continues ending the process after an error.
        self._deadline = self._clock(), self._next_step
        self._machine.apply(Transition.END)
        self._next_step()

    def _next_step(self) -> None:
        if self._steps:
            self._set_timeout(self._steps[0][1], self._next_step)  # set first, because this step may raise
        console = self._console
        if console is None:
            return
        if not self._steps:
            self.fault = Diagnosis(
                "unkillable", "The console cannot be ended, not even by the kernel; reboot the board.", True
            )
            return
        number, _seconds = self._steps.popleft()
        if number is None:
            console.write((self.profile.exit or b"exit") + b"\n")
        else:
            console.signal(number)

    def _end_out_of_sync(self, why: str) -> None:
        self.end("out_of_step", Diagnosis("out_of_step", f"The console got out of sync ({why}) and was ended.", False))

    def on_child(self) -> None:
        """Reap the console if it has ended; called after SIGCHLD."""
        console = self._console
        ended = None if console is None else console.reap()
        if console is None or ended is None:
            return
        self._read_remaining_output(console)
        if console.kill_orphans():
            self.log.add("[gateway] a child of the console was left behind and has been ended")
        self._stop_reading()
        self._loop.forget(console.stderr)
        console.close()
        self._console, self._deadline, self.cache, self.exit = None, None, UNKNOWN, ended
        self._record_end(ended)

    def check(self) -> None:
        """Finish ending a console if an exception has interrupted it.

        Cheap, because the keeper calls it often.
        """
        self.on_child()
        if self._console is None and self.state not in (State.STOPPED, State.FAILED):
            self._record_end(self.exit or Exit(None, signal.SIGKILL))
        elif self._console is not None and self.state is State.STOPPING and self._deadline is None:
            self._steps = deque(AT_ONCE)
            self._next_step()

    def _read_remaining_output(self, console: Console) -> None:
        """Read what an ended console left in its pipes, unless a job reads its output."""
        for event in self._output_reader.remaining_events():
            self._on_idle_event(event)
        console.drain_stderr()

    def _record_end(self, ended: Exit) -> None:
        fault, self._failing = self._failing, None
        if self.state is State.STOPPING and fault is None:
            self._machine.apply(Transition.GONE)
        elif self.state is State.STOPPING and fault is not None:
            self._record_failure(fault)
            self._machine.apply(Transition.GIVE_UP)
        else:
            self.restarts["crash"] += 1
            self._record_failure(diagnose(list(self.log.lines), exit_code=ended.code, signal=ended.signal))
            self._machine.apply(Transition.DIED)

    def _record_failure(self, fault: Diagnosis) -> None:
        now = self._clock()
        self.breaker.record_failure(now)
        freed = self.loads > 1 or self.follows_another
        if fault.cause == "no_bpu_memory" and freed and self.breaker.failures <= MEMORY_RETRIES:
            fault = Diagnosis(fault.cause, fault.message, False)
            self.breaker.delay_until(now, 1.0)
        elif fault.permanent:
            self.breaker.delay_until(now, PERMANENT_FAULT_PAUSE_S)
        self.fault = fault

    # Reading

    def _listen(self, state: ParserState, on_event: Callable[[Event], None]) -> Parser:
        assert self._console is not None
        parser = Parser(self.profile, state=state, traits=self.traits)
        rest = self._background.rest_probe() if on_event is not self._on_idle_event else None
        self._output_reader.listen(self._console, parser, on_event, rest=rest)
        return parser

    def _stop_reading(self) -> None:
        """Stop reading the output, because a job reads it or the console ends."""
        self._deadline = None
        self._output_reader.stop_reading()

    def _on_stderr(self) -> None:
        assert self._console is not None
        data = self._console.read(self._console.stderr)
        if data == b"":
            self._loop.forget(self._console.stderr)
        elif data is not None:
            self.log.feed(data)

    def _on_output_closed(self) -> None:
        self._set_timeout(CLOSED_LIMIT_S, lambda: self._end_out_of_sync("it closed its output"))

    # Time

    def _set_timeout(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        self._deadline = (self._clock() + seconds, on_timeout) if seconds else None

    def deadline(self) -> float | None:
        """The monotonic second at which `tick` has something to do."""
        times = (self._output_reader.look_at, self._background.sample_at, self._deadline[0] if self._deadline else None)
        return min((time for time in times if time is not None), default=None)

    def tick(self) -> None:
        """Do what is due: look at the output, and call back after a time limit."""
        now = self._clock()
        self._output_reader.tick(now)
        self._background.tick(now)
        if self._deadline is not None and now >= self._deadline[0]:
            _, on_timeout = self._deadline
            self._deadline = None
            on_timeout()
