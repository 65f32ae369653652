"""Reads a console's output with the times that decide whether a turn has ended. It waits for nothing itself.

Run by whoever holds the console's pipes: a job's greenlet in a worker, the keeper's event loop, or `doctor`. Its owner
waits until the output can be read, or until `next_look_s` is over, and calls `read` and `look`.
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
#: While an answer runs, the pipe is looked at so often that the time in which an end came is known well enough.
LOOK_S = 0.04
#: A line that was just written is looked after in this rhythm, at first.
FIRST_INPUT_LOOK_S, LAST_INPUT_LOOK_S = 0.001, 0.01

#: So long a console is waited for that does not come to rest, and may never do so.
PATIENCE_S = 1.0

Sample = Union[dict[int, int], None]


class EndOfOutput(Exception):
    """The console has closed its output."""


class RestProbe:
    """Tells whether the processes of a console are at rest: whether any of their threads has run since a sample.

    A model may be at work without a byte (skipped special tokens, parts of a character), and a waiting console does
    nothing at all. `noisy` are threads that run although the console waits, None while that is not known.
    """

    def __init__(self, pids: Iterable[int], noisy: frozenset[int] | None = None, *, proc: Path = Path("/proc")) -> None:
        self._pids, self._proc = tuple(pids), proc
        self._noisy = noisy or frozenset()
        self.knows_noise = noisy is not None

    def sample(self) -> Sample:
        """How often each thread has run; None where the kernel does not say, or says it only of noisy threads."""
        runs: dict[int, int] = {}
        try:
            for pid in self._pids:
                for task in (self._proc / str(pid) / "task").iterdir():
                    if (tid := int(task.name)) not in self._noisy:
                        runs[tid] = int((task / "schedstat").read_bytes().split()[2])
        except (OSError, ValueError, IndexError):
            return None
        return runs if any(runs.values()) else None  # a kernel that does not count says 0

    def is_running(self) -> bool:
        """Whether a thread runs or waits for a processor: on a busy machine it may not have run since a sample."""
        for pid in self._pids:
            try:
                tasks = [
                    task for task in (self._proc / str(pid) / "task").iterdir() if int(task.name) not in self._noisy
                ]
            except (OSError, ValueError):
                continue
            if any(_state_in(task / "stat") == b"R" for task in tasks):
                return True
        return False

    def is_stopped(self) -> bool:
        """Whether one of the processes was stopped by a signal: its silence means nothing."""
        return any(_state_in(self._proc / str(pid) / "stat") in (b"T", b"t") for pid in self._pids)


def _state_in(stat: Path) -> bytes:
    try:
        return stat.read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return b""


def reader_of(fd: int) -> Callable[[], bytes | None]:
    """What reads a non-blocking descriptor: None while there is nothing, b"" at the end."""

    def read() -> bytes | None:
        try:
            return os.read(fd, READ_BYTES)
        except BlockingIOError:
            return None

    return read


def unread_in(fd: int) -> Callable[[], int]:
    """What says how many bytes of a pipe its reader has not taken yet; works on either end."""
    return lambda: int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0])


class TimedReader:
    """Feeds one parser. Times are seconds of `clock`. `read` gives what there is now, as `reader_of` has it.

    `at_rest` says, after silence has ended a turn, whether the console did nothing in that time; None: that cannot
    be told.
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
        self._looked_at, self._input_look_s = 0.0, FIRST_INPUT_LOOK_S
        #: Whether the last read took all there was, so that another would find nothing.
        self.drained = False
        self.at_rest: bool | None = None

    def watch_input(self, unread: Callable[[], int], *, since: float) -> None:
        """A line was written, at `since`, to a console that reads only when it asks: until then it may say nothing."""
        self._unread, self._looked_at, self._input_look_s = unread, since, FIRST_INPUT_LOOK_S

    def read(self) -> list[Event] | None:
        """The events of what has come; None when nothing has. Raises `EndOfOutput` and `OutOfSync`."""
        before = self._clock()
        data = self._read()
        if data is None:
            self._saw_empty(before)
            self._look_at_input(before, spoke=False)
            return None
        if not data:
            raise EndOfOutput
        now = self._clock()
        arrival = Arrival(self._empty_at, now, self._begun_at)
        self.drained = len(data) < READ_BYTES
        if self.drained:
            self._empty_at = before
            self._look_at_input(before, spoke=True)
        self._last_at, self._still_since = now, None
        return self._parser.feed(data, arrival)

    @property
    def next_look_s(self) -> float | None:
        """After how many seconds without output the owner must call `read` and `look`; None: it need not."""
        if self._unread is not None:
            return self._input_look_s
        quiet = self._parser.quiet_after
        if quiet is not None:
            return min(LOOK_S, max(0.0, self._last_at + quiet - self._clock()) or LOOK_S)
        return LOOK_S if self._parser.state is ParserState.ANSWERING else None

    def look(self) -> list[Event]:
        """What silence has decided by now; to be called when `read` has just found nothing."""
        needed, now = self._parser.quiet_after, self._empty_at  # silence is known up to there
        if needed is None:
            self._still_since = None
            return []
        if self._rest is not None and self._rest.is_stopped():
            self._last_at, self._still_since = now, None  # silence begins anew when it goes on
            return []
        still_s = self._still_for(now)
        if now - self._last_at < needed:
            return []
        self.at_rest = None if still_s is None else still_s >= needed - 2 * LOOK_S
        if self.at_rest is False and now - self._last_at < self._patience_s(needed):
            return []
        return self._parser.quiet()

    def _patience_s(self, needed: float) -> float:
        """How long a console that does not come to rest is waited for: less when it is not known to rest at all."""
        assert self._rest is not None
        return max(needed, LONGEST_SILENCE_S) if self._rest.knows_noise else needed + PATIENCE_S

    def _still_for(self, now: float) -> float | None:
        """Seconds for which no thread of the console has run; None when that cannot be told."""
        runs = None if self._rest is None else self._rest.sample()
        if runs is None:
            return None
        assert self._rest is not None
        if self._still_since is None or runs != self._runs or self._rest.is_running():
            self._runs, self._still_since = runs, now
        return now - self._still_since

    def _saw_empty(self, at: float) -> None:
        self._empty_at, self.drained = at, True

    def _look_at_input(self, at: float, *, spoke: bool) -> None:
        """Whether the console has read its line; the output was read until it was empty before this is asked."""
        if self._unread is None:
            return
        if self._unread():
            if spoke:
                raise OutOfSync("The console spoke before it had read its line.")
            self._looked_at = at
            self._input_look_s = min(2 * self._input_look_s, LAST_INPUT_LOOK_S)
            return
        self._unread = None
        if spoke and at - self._looked_at > self._doubtful_s:
            raise OutOfSync("What the console said before it had read its line cannot be told from its answer.")

    @property
    def _doubtful_s(self) -> float:
        """A model may have spoken between two looks that are further apart than this: half a step."""
        return max(LAST_INPUT_LOOK_S, (self._parser.traits.step_s or 0.0) / 2)
