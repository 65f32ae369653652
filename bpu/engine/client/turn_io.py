"""Writes one line to the console and reads its answer up to the prompt, within the limits on silence.

It runs in a greenlet of its own and never waits for the client, so a slow reader does not hold the BPU.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpu import errors, gevent_io
from bpu.console.errors import EchoMismatch, OutOfSync
from bpu.console.events import Done, Event, Log, Overrun, RunError, Text
from bpu.console.parser import Parser, State
from bpu.console.profiles import PROFILES, confirmed
from bpu.engine.file_locks import SLOT_NAME, FileLock, try_lock
from bpu.engine.launch_spec import LaunchSpec
from bpu.engine.messages import StartJob
from bpu.engine.timed_reader import EndOfOutput, RestProbe, TimedReader, reader_of, unread_in
from bpu.turn import Phase, TimeLimitReached, Timing, Turn

#: An answer cannot be longer than the context; a console that says more is not in step.
LEAST_TEXT_BYTES = 1024 * 1024
BYTES_PER_TOKEN = 64
#: A turn that runs dry frees the BPU sooner than a new load, if it ends within this part of a load.
DRY_SHARE = 0.5
LONGEST_DRY_S = 1.0
SLOT_LIMIT_S = 5.0
PROGRESS_S = 1.0


class SlotUnavailable(errors.EngineStopping):
    """The slot's lock cannot be opened. Nothing was written, so the console is as it was."""


class ConsoleEnded(errors.EngineCrashed):
    """The console has closed its side. How it ended is the keeper's to tell, in a moment."""


class TurnLost(errors.EngineCrashed):
    """What came is not the answer to the line that was written. `echo_differs`: it may be, repeated otherwise."""

    echo_differs = False


def dry_s(phase: Phase, load_s: float) -> float:
    """How long an answer that nobody reads may go on, in seconds; `load_s` is what a load takes."""
    return min(LONGEST_DRY_S, DRY_SHARE * load_s) if phase == "decode" else 0.0


class TurnReader:
    """One turn. `text` is the answer so far, `timing` what it took; it owns the descriptors.

    `keeps` says whether the console can go on from this turn. `anchored` False: an earlier try of this very line has
    shown that the console repeats it otherwise than others.
    """

    def __init__(
        self,
        launch: LaunchSpec,
        go: StartJob,
        fds: list[int],
        turn: Turn,
        *,
        deliver: Callable[[Event | TimeLimitReached], None],
        progress: Callable[[int], None],
        anchored: bool = True,
    ) -> None:
        self._launch, self._deliver, self._progress = launch, deliver, progress
        self._slot = Path(launch.state_dir) / SLOT_NAME
        self._short = short = go.short
        self._line, self._chat = turn.short_line if short else turn.line, turn.line
        self._unwritten = memoryview(self._line + b"\n")
        self._prompt_tokens, self._cached_tokens = turn.short_tokens if short else turn.tokens, go.cached
        self._stdin, self._stdout = fds
        self._lease: FileLock | None = None
        self._parts: list[str] = []
        self._text_bytes = 0
        profile = confirmed(PROFILES[launch.profile], go.banner)
        self.keeps = go.keeps
        self._reset = profile.reset if go.resets else None
        self._reset_sent = False
        self._at_prompt = go.at_prompt  # nobody can be speaking
        self._parser = Parser(profile, state=State.IDLE, traits=go.traits, anchored=anchored)
        rest = RestProbe(go.pids, None if go.noisy is None else frozenset(go.noisy))
        self._output = TimedReader(reader_of(self._stdout), self._parser, rest=rest)
        self._written_at = self._first_at = self._last_at = 0.0
        self._told_at = 0.0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def has_text(self) -> bool:
        """Whether anything of the answer has come."""
        return bool(self._first_at)

    @property
    def found(self) -> dict[str, Any]:
        """What the keeper should know of the console after the turn."""
        report = self._parser.report(at_rest=self._output.at_rest)
        return {"report": report, "reset_sent": self._reset_sent}

    @property
    def timing(self) -> Timing:
        """What the turn took so far: seconds from the written line to the first piece of text, and on to the last."""
        return Timing(
            prefill_s=max(0.0, self._first_at - self._written_at),
            decode_s=max(0.0, self._last_at - self._first_at),
            cached_tokens=self._cached_tokens,
            prompt_tokens=self._prompt_tokens,
        )

    def begin(self) -> None:
        """As much as needs no waiting, mostly all of the line: a free console should have it at once.

        For the event loop. What goes wrong here goes wrong again in `read_turn`, where it can be told.
        """
        with contextlib.suppress(OSError, SlotUnavailable):
            if self._has_slot():
                self._write()

    def read_turn(self) -> None:
        """The whole turn; returns when the prompt is back. Raises `EngineTimeout` or `EngineCrashed`."""
        self._take_slot()
        self._write_line()
        reader = gevent_io.Reader(self._stdout)
        try:
            self._parser.begin(self._line, chat=self._chat, continued=self._short)
            if not self._parser.profile.reads_ahead and not self._at_prompt:
                self._output.watch_input(unread_in(self._stdin), since=self._written_at)
            while not self._read(reader):
                pass
        except OutOfSync as error:
            lost = TurnLost(f"The console got out of step and is being restarted. {error}")
            lost.echo_differs = isinstance(error, EchoMismatch)
            raise lost from error
        except EndOfOutput as error:
            with contextlib.suppress(OutOfSync, errors.EngineCrashed):
                self._take(self._parser.end_of_file())
            raise ConsoleEnded("The console has ended in the middle of an answer.") from error
        finally:
            reader.close()
        if self._reset is not None:
            with contextlib.suppress(OSError):
                os.write(self._stdin, self._reset + b"\n")
                self._reset_sent = True

    def close(self) -> None:
        """Give the console's pipes and the slot back; may be called twice."""
        for fd in (self._stdin, self._stdout):
            if fd >= 0:
                os.close(fd)
        self._stdin = self._stdout = -1
        if self._lease is not None:
            self._lease.close()
            self._lease = None

    def _take_slot(self) -> None:
        """The slot's lock is held from here to the prompt: the kernel's word that one job runs on the BPU."""
        deadline = time.monotonic() + SLOT_LIMIT_S
        while not self._has_slot():
            if time.monotonic() > deadline:
                raise errors.EngineCrashed("The BPU's slot is still held by an earlier job.")
            gevent_io.sleep(0.01)

    def _has_slot(self) -> bool:
        try:
            self._lease = self._lease or try_lock(self._slot, create=True)
        except OSError as error:
            message = f"The BPU's slot cannot be taken: {error}. {errors.STATE_FOLDER_REMEDY}"
            raise SlotUnavailable(message, retry_after=5) from error
        return self._lease is not None

    def _write_line(self) -> None:
        limit = self._launch.stall_timeout_s or None
        while self._unwritten:
            try:
                self._write()
            except BlockingIOError:
                if not gevent_io.wait_writable(self._stdin, limit):
                    raise errors.EngineTimeout(
                        f"The console does not read its input since {limit:g} seconds."
                    ) from None
            except OSError as error:
                raise ConsoleEnded("The console has closed its input.") from error

    def _write(self) -> None:
        """Write all that is left of the line, without waiting. Raises OSError."""
        while self._unwritten:
            self._unwritten = self._unwritten[os.write(self._stdin, self._unwritten) :]
        self._written_at = time.monotonic()

    def _read(self, reader: gevent_io.Reader) -> bool:
        """Wait for more, unless there is some already, and take it; True when the turn is over."""
        events = None if self._output.drained else self._output.read()
        if events is not None:
            return self._take(events)
        limit, look = self._silence_left(), self._output.next_look_s
        looks = look is not None and look <= limit
        if reader.wait(look if looks else limit):
            self._output.drained = False
            return False
        if not looks:
            return self._too_long()
        events = self._output.read()
        return self._take(self._output.look() if events is None else events)

    def _silence_left(self) -> float:
        """Seconds until the first limit on silence or on the whole job is reached; infinite without any."""
        launch = self._launch
        silence = launch.stall_timeout_s if self._first_at else launch.first_token_timeout_s
        until = (self._last_at or self._written_at) + silence if silence else math.inf
        if launch.job_timeout_s:
            until = min(until, self._written_at + launch.job_timeout_s)
        return max(0.0, until - time.monotonic())

    def _too_long(self) -> bool:
        launch, now = self._launch, time.monotonic()
        if launch.job_timeout_s and now >= self._written_at + launch.job_timeout_s:
            self._deliver(TimeLimitReached())
            raise errors.EngineTimeout(f"The answer took longer than {launch.job_timeout_s:g} seconds.")
        if self._first_at:
            raise errors.EngineTimeout(f"The console has been silent for {launch.stall_timeout_s:g} seconds.")
        raise errors.EngineTimeout(f"No token came within {launch.first_token_timeout_s:g} seconds.")

    def _take(self, events: list[Event]) -> bool:
        for event in events:
            if isinstance(event, Done):
                return True
            if isinstance(event, RunError):
                raise errors.EngineCrashed("The console reports a run error.")
            if isinstance(event, Text):
                self._count(event)
            elif isinstance(event, Overrun):
                self.keeps = False  # the console's memory holds more than the answer
            if not isinstance(event, Log):  # a model can say a log line
                self._deliver(event)
        return False

    def _count(self, event: Text) -> None:
        now = time.monotonic()
        self._first_at = self._first_at or now
        self._last_at = now
        self._parts.append(event.text)
        self._text_bytes += len(event.text.encode("utf-8", "surrogatepass"))
        if self._text_bytes > max(LEAST_TEXT_BYTES, BYTES_PER_TOKEN * self._launch.context):
            raise errors.EngineCrashed("The console does not stop talking and is being restarted.")
        if now - self._told_at >= PROGRESS_S:
            self._told_at = now
            with contextlib.suppress(errors.BpuError):
                self._progress(len(self._parts))
