"""Runs turns on a console of its own, for `doctor --probe`.

They run in the foreground, so that they can be measured. It holds the same lock as the keeper, so that no second model
is loaded, and must run in a command's main thread, because the console dies with the thread that started it.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from bpu.console.diagnosis import Diagnosis, diagnose
from bpu.console.errors import OutOfSync
from bpu.console.events import Done, Echo, Event, Log, Ready, RunError, Stats, Text
from bpu.console.parser import Parser
from bpu.console.profiles import PROFILES, confirm_profile
from bpu.engine.console_process import Console
from bpu.engine.console_process import Log as ConsoleLog
from bpu.engine.file_locks import FileLock, describe, holders, try_lock
from bpu.engine.launch_spec import LaunchSpec
from bpu.engine.timed_reader import EndOfOutput, RestProbe, TimedReader
from bpu.errors import EngineCrashed, EngineUnavailable

_END_S = 3.0
_RESET_S = 10.0
_FOREVER = 3600.0
#: Seconds between calls of `waiting` while nothing comes.
_TICK_S = 0.2


class ProbeFailed(EngineCrashed):
    """A turn has failed.

    `cause` is the key of the console's diagnosis, "" if its log shows none.
    """

    cause = ""


def _failed(fault: Diagnosis) -> ProbeFailed:
    error = ProbeFailed(fault.message)
    error.cause = fault.cause
    return error


class Silent(ProbeFailed):
    """The console was silent for too long, or the turn took too long."""


class OutOfTurn(ProbeFailed):
    """The console wrote something that cannot come at this point."""


class ProbeRefused(EngineUnavailable):
    """A model is loaded already; `holder` describes the process that holds its lock."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        super().__init__(f"A model is loaded already, by {holder}.")


@dataclass
class Turn:
    """One measured turn.

    Text, seconds to the first piece and to the end, count of pieces, the console's statistics.
    """

    text: str = ""
    echo: str = ""
    first_s: float | None = None
    total_s: float = 0.0
    pieces: int = 0
    stats: Stats = field(default_factory=Stats)

    @property
    def decode_rate(self) -> float | None:
        """Tokens per second after the first: the console's own figure, else computed from the pieces."""
        if self.stats.decode_per_second is not None:
            return self.stats.decode_per_second
        seconds = self.total_s - (self.first_s or 0.0)
        return (self.pieces - 1) / seconds if self.pieces > 1 and seconds > 0 else None


class Probe:
    """Context manager that loads one console and ends it at exit. Times are seconds.

    `waiting` is called repeatedly while nothing comes, so that the command can show progress.
    """

    def __init__(
        self,
        launch: LaunchSpec,
        *,
        clock: Callable[[], float] = time.monotonic,
        spawn: Callable[[LaunchSpec, Sequence[int], ConsoleLog], Console] = Console,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._launch, self._clock, self._spawn, self._waiting = launch, clock, spawn, waiting
        self._log = ConsoleLog()
        self._console_lock: FileLock | None = None
        self.profile = PROFILES[launch.profile]
        self.banner = ""
        self.load_s = 0.0

    def __enter__(self) -> Probe:
        self._console_lock = self._take_lock()
        try:
            for path, text in self._launch.files.items():
                Path(path).write_text(text)
            self._start()
        except BaseException:
            self._console_lock.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end()
        finally:
            if self._console_lock is not None:
                self._console_lock.close()

    @property
    def pid(self) -> int:
        """The console's process id. The console must be loaded."""
        return self._console.pid

    def restart(self) -> None:
        """End the console and load it again.

        This empties the cache even if `reset` does not work.
        """
        self._end()
        self._start()

    def ask(self, line: bytes, *, silence_s: float, limit_s: float = 0) -> Turn:
        """Run one turn.

        Raises `ProbeFailed` after `silence_s` of silence, `limit_s` in all, or when it fails.
        """
        turn, begun = Turn(), self._clock()
        self._parser.begin(line)
        self._write(line)
        for event in self._events(silence_s, limit_s):
            now = self._clock() - begun
            if isinstance(event, Text):
                turn.text += event.text
                turn.pieces += 1
                turn.first_s = now if turn.first_s is None else turn.first_s
            elif isinstance(event, Echo):
                turn.echo = event.text
            elif isinstance(event, Stats):
                turn.stats = event
            elif isinstance(event, Done):
                turn.total_s = now
                return turn
        raise AssertionError("events end in Done or an error")

    def reset(self) -> None:
        """Write `reset`; only the prompt may come back. Raises `ProbeFailed`."""
        self._parser.reset_sent()
        self._write(self.profile.reset or b"reset")
        for event in self._events(_RESET_S):
            if isinstance(event, Done):
                return

    def has_unsolicited_output(self, seconds: float) -> bool:
        """Return False after `seconds` without output.

        Raises `OutOfTurn` for output, which means that the console has read the last line as two.
        """
        with contextlib.suppress(Silent):
            for _ in self._events(seconds):
                pass
        return False

    def _start(self) -> None:
        assert self._console_lock is not None
        self._console = self._spawn(self._launch, (self._console_lock.fd,), self._log)
        try:
            self._load()
        except BaseException:
            self._end()
            raise

    def _load(self) -> None:
        begun = self._clock()
        self._parser = Parser(PROFILES[self._launch.profile])
        for event in self._events(self._launch.load_timeout_s):
            if isinstance(event, Ready):
                self.load_s, self.banner = self._clock() - begun, event.banner
                self.profile = confirm_profile(self._parser.profile, event.banner)
                self._parser.profile = self.profile
                return

    def _take_lock(self) -> FileLock:
        path = Path(self._launch.lock_path)
        lock = try_lock(path, create=self._launch.owns_lock)
        if lock is None:
            raise ProbeRefused(", ".join(map(describe, holders(path))) or "?")
        return lock

    def _write(self, line: bytes) -> None:
        if not self._console.write(line + b"\n"):
            raise ProbeFailed("The console does not read its input.")

    def _events(self, silence_s: float, limit_s: float = 0) -> Iterator[Event]:
        """Yield events as they come.

        Raises `ProbeFailed` at the end of the output or after a time limit.
        """
        silence_limit_s = silence_s or _FOREVER
        output = TimedReader(
            lambda: self._console.read(self._console.stdout),
            self._parser,
            rest=RestProbe(self._console.session()),
            clock=self._clock,
        )
        last_output_at = begun = self._clock()
        while True:
            self._wait(min(output.next_look_s or silence_limit_s, silence_limit_s))
            events, has_output = self._read_events(output)
            now = self._clock()
            last_output_at = now if has_output else last_output_at
            if not events and now - last_output_at >= silence_limit_s:
                raise Silent(f"Nothing came for {silence_limit_s:g} seconds.")
            if limit_s and now - begun > limit_s:
                raise Silent(f"The turn was not over within {limit_s:g} seconds.")
            for event in events:
                if isinstance(event, RunError):
                    raise _failed(diagnose([event.line, *self._log.lines]))
                if isinstance(event, Log):
                    self._log.add(event.line)
                else:
                    yield event

    def _read_events(self, output: TimedReader) -> tuple[list[Event], bool]:
        """Return the events of new output or of silence, and whether there was output."""
        try:
            events = output.read()
            return (output.look(), False) if events is None else (events, True)
        except EndOfOutput:
            raise _failed(self._diagnose_end()) from None
        except OutOfSync as error:
            raise OutOfTurn(f"The console got out of sync ({error}).") from error

    def _wait(self, seconds: float) -> None:
        """Wait for output, at most `seconds`; read the error stream meanwhile."""
        ends = self._clock() + seconds
        while (left := ends - self._clock()) > 0:
            ready = select.select([self._console.stdout, self._console.stderr], [], [], min(left, _TICK_S))[0]
            self._waiting()
            if self._console.stdout in ready:
                return
            if ready and not self._read_errors():
                # The error stream is closed, so only the output is left to wait for.
                select.select([self._console.stdout], [], [], left)
                return

    def _read_errors(self) -> bool:
        data = self._console.read(self._console.stderr)
        self._log.feed(data or b"")
        return data != b""

    def _diagnose_end(self) -> Diagnosis:
        end = self._clock() + _END_S
        while (exit_ := self._console.reap()) is None and self._clock() < end:
            time.sleep(0.02)
        self._console.drain_stderr()
        if exit_ is None:
            return diagnose(list(self._log.lines))
        return diagnose(list(self._log.lines), exit_code=exit_.code, signal=exit_.signal)

    def _end(self) -> None:
        """Send SIGTERM, then SIGKILL to the group, then reap."""
        for number, seconds in ((15, 0.5), (9, _END_S)):
            self._console.signal(number)
            end = self._clock() + seconds
            while (gone := self._console.reap()) is None and self._clock() < end:
                time.sleep(0.02)
            if gone is not None:
                break
        self._console.kill_orphans()
        self._console.close()
