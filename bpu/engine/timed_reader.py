"""Reads a console's output together with the times that decide whether a turn has ended.

It never waits. It runs where the console's pipes are: in the event loop of a worker or of the keeper, or in `doctor`.
Its owner waits until the output is readable or `next_look_s` is over, then calls `read` and `look`.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Union

from bpu.console.errors import OutOfSync
from bpu.console.events import Event
from bpu.console.pace import LONGEST_SILENCE_S, Arrival
from bpu.console.parser import Parser, ParserState

READ_BYTES = 64 * 1024
#: Seconds between looks at the pipe during an answer, which bounds the error of the time at which an end came.
LOOK_S = 0.04
#: Seconds between looks at whether the console has read its line: the first interval, then doubled up to the last.
FIRST_INPUT_LOOK_S, LAST_INPUT_LOOK_S = 0.001, 0.004
#: A time without a look from which on nothing is known of what came in it, at the fastest pace.
LEAST_DOUBT_S = 0.01

#: Extra seconds for a console that does not come to rest and perhaps never does.
UNREST_LIMIT_S = 1.0

Sample = Union[dict[int, int], None]


class EndOfOutput(Exception):
    """The console has closed its output."""


class RestProbe:
    """Tells whether a console's processes are at rest.

    They are at rest if no thread has run since a sample. A model may work without output (skipped special tokens, parts
    of a character); a waiting console does nothing. `background_threads` are the ids of threads that run although the
    console waits, None while they are unknown.
    """

    def __init__(
        self, pids: Iterable[int], background_threads: frozenset[int] | None = None, *, proc: Path = Path("/proc")
    ) -> None:
        self._pids, self._proc = tuple(pids), proc
        self._background = background_threads or frozenset()
        self.knows_background = background_threads is not None

    def sample(self) -> Sample:
        """Return how often each thread has run, without background threads.

        Return None if the kernel does not count that.
        """
        runs: dict[int, int] = {}
        try:
            for pid in self._pids:
                for task in (self._proc / str(pid) / "task").iterdir():
                    if (tid := int(task.name)) not in self._background:
                        runs[tid] = int((task / "schedstat").read_bytes().split()[2])
        except (OSError, ValueError, IndexError):
            return None
        return runs if any(runs.values()) else None  # a kernel that does not count reports 0

    def is_running(self) -> bool:
        """Whether a thread runs or waits for a processor.

        On a busy machine its run count may not have changed.
        """
        for pid in self._pids:
            try:
                tasks = [
                    task
                    for task in (self._proc / str(pid) / "task").iterdir()
                    if int(task.name) not in self._background
                ]
            except (OSError, ValueError):
                continue
            if any(_state_in(task / "stat") == b"R" for task in tasks):
                return True
        return False

    def is_stopped(self) -> bool:
        """Whether a signal has stopped one of the processes, so that its silence means nothing."""
        return any(_state_in(self._proc / str(pid) / "stat") in (b"T", b"t") for pid in self._pids)


def _state_in(stat: Path) -> bytes:
    try:
        return stat.read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return b""


def reader_of(fd: int) -> Callable[[], bytes | None]:
    """Return a function that reads a non-blocking descriptor.

    Return None when nothing is there, b"" at the end.
    """

    def read() -> bytes | None:
        try:
            return os.read(fd, READ_BYTES)
        except BlockingIOError:
            return None

    return read


def unread_in(fd: int) -> Callable[[], int]:
    """Return a function that counts the unread bytes in a pipe; `fd` is either end."""
    return lambda: int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0])


class TimedReader:
    """Feeds one parser with what `read` returns, as `reader_of` does. Times are seconds of `clock`.

    `at_rest` says, after silence has ended a turn, whether the console was at rest in that time; None: unknown.
    """

    def __init__(
        self,
        read: Callable[[], bytes | None],
        parser: Parser,
        *,
        rest: RestProbe | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._parser, self._rest, self._clock = read, parser, rest, clock
        self._empty_at = float("-inf")
        self._begun_at = self._last_at = clock()
        self._runs: Sample = None
        self._still_since: float | None = None
        self._unread: Callable[[], int] | None = None
        self._doubts = True
        self._looked_at, self._input_look_s = 0.0, FIRST_INPUT_LOOK_S
        self.at_rest: bool | None = None

    def watch_input(self, unread: Callable[[], int], *, since: float, doubts: bool = True) -> None:
        """Check that the console writes nothing before it has read its line.

        The line was written at `since`. `doubts`: what came between two looks of which the second was late counts as
        written before. It need not where all that the console can still be saying is the same client's.
        """
        self._unread, self._looked_at, self._input_look_s = unread, since, FIRST_INPUT_LOOK_S
        self._doubts = doubts

    def read(self) -> list[Event] | None:
        """Read and parse what is available; None when nothing is. Raises `EndOfOutput` and `OutOfSync`."""
        before = self._clock()
        data = self._read()
        if data is None:
            self._empty_at = before
            self._look_at_input(before, has_output=False)
            return None
        if not data:
            raise EndOfOutput
        now = self._clock()
        arrival = Arrival(self._empty_at, now, self._begun_at)
        if len(data) < READ_BYTES:  # it emptied the pipe
            self._empty_at = before
        self._look_at_input(before, has_output=True)
        self._last_at, self._still_since = now, None
        return self._parser.feed(data, arrival)

    @property
    def next_look_s(self) -> float | None:
        """Seconds without output after which the owner must call `read` and `look`.

        If it is None, the owner need not. The owner asks after each read, once it has passed the events on.
        """
        self._parser.settle()
        if self._unread is not None:
            return self._input_look_s
        quiet = self._parser.quiet_after
        if quiet is not None:
            return min(LOOK_S, max(0.0, self._last_at + quiet - self._clock()) or LOOK_S)
        return LOOK_S if self._parser.state is ParserState.ANSWERING else None

    def poll(self, *, readable: bool) -> list[Event]:
        """Return the events of a read.

        Without output, unless it was `readable` a moment ago, they are those of silence.
        """
        events = self.read()
        if events is None:
            return [] if readable else self.look()
        return events

    def look(self) -> list[Event]:
        """Return the events that silence has decided by now.

        Call it when `read` has just returned None.
        """
        needed, now = self._parser.quiet_after, self._empty_at  # the pipe is known to be silent until then
        if needed is None:
            self._still_since = None
            return []
        if self._rest is not None and self._rest.is_stopped():
            self._last_at, self._still_since = now, None  # silence is counted anew when the process continues
            return []
        still_s = self._still_for(now)
        if now - self._last_at < needed:
            return []
        self.at_rest = None if still_s is None else still_s >= needed - 2 * LOOK_S
        if self.at_rest is False and now - self._last_at < self._rest_limit_s(needed):
            return []
        return self._parser.quiet()

    def _rest_limit_s(self, needed: float) -> float:
        """Seconds to wait for a console that does not come to rest.

        Fewer if its background threads are unknown.
        """
        assert self._rest is not None
        return max(needed, LONGEST_SILENCE_S) if self._rest.knows_background else needed + UNREST_LIMIT_S

    def _still_for(self, now: float) -> float | None:
        """Seconds for which no thread of the console has run; None when that is unknown."""
        runs = None if self._rest is None else self._rest.sample()
        if runs is None:
            return None
        assert self._rest is not None
        if self._still_since is None or runs != self._runs or self._rest.is_running():
            self._runs, self._still_since = runs, now
        return now - self._still_since

    def _look_at_input(self, at: float, *, has_output: bool) -> None:
        """Check whether the console has read its line, after a read of its output.

        A look that finds the line read while more output waits is as good: what waits was written since the last look,
        too, and if that was long ago, nothing that came is believed.
        """
        if self._unread is None:
            return
        if self._unread():
            if has_output:
                raise OutOfSync("The console wrote output before it had read its line.")
            self._looked_at = at
            self._input_look_s = min(2 * self._input_look_s, LAST_INPUT_LOOK_S)
            return
        self._unread = None
        if has_output and self._doubts and at - self._looked_at > self._doubtful_s:
            raise OutOfSync("The console's output may have begun before it had read its line.")

    @property
    def _doubtful_s(self) -> float:
        """Seconds between two looks from which on a model may have written in between.

        It is half a step.
        """
        return max(LEAST_DOUBT_S, (self._parser.traits.step_s or 0.0) / 2)
