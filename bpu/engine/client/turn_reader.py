"""Reads the answer to one line from the console, within the time limits.

What the console writes is read, parsed and passed on in the event loop's callback. Nothing here waits for the HTTP
client, so that a slow reader does not hold the BPU.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import time
from collections.abc import Callable
from typing import Any, NoReturn

from bpu import errors, gevent_io
from bpu.console.errors import EchoMismatch, OutOfSync
from bpu.console.events import Done, Event, Log, Overrun, RunError, Text
from bpu.console.parser import Parser, ParserState
from bpu.console.profiles import PROFILES, Profile, confirm_profile
from bpu.engine.client.image_step import EndNotProven, ImageStep, images_line
from bpu.engine.client.line_writer import ConsoleEnded, LineWriter
from bpu.engine.launch_spec import LaunchSpec
from bpu.engine.messages import StartJob
from bpu.engine.timed_reader import EndOfOutput, RestProbe, TimedReader, reader_of, unread_in
from bpu.turn import Phase, TimeLimitReached, Timing, Turn

#: Bounds on an answer's bytes: longer than the context can hold, it means that the console is out of sync.
LEAST_TEXT_BYTES = 1024 * 1024
BYTES_PER_TOKEN = 64
#: An answer that no client reads may go on for this part of a load's time, because ending it costs a load.
DRAIN_SHARE = 0.5
LONGEST_DRAIN_S = 1.0
PROGRESS_S = 1.0


class TurnLost(errors.EngineCrashed):
    """The output is not the answer to the line that was written.

    `echo_differs`: the echo had an unexpected form, so the output may still be the answer.
    """

    echo_differs = False


def drain_timeout_s(phase: Phase, load_s: float) -> float:
    """Return how many seconds an answer that no client reads may go on.

    `load_s` is the time of a load.
    """
    return min(LONGEST_DRAIN_S, DRAIN_SHARE * load_s) if phase == "decode" else 0.0


@functools.lru_cache(maxsize=32)
def _confirmed_profile(name: str, banner: str) -> Profile:
    return confirm_profile(PROFILES[name], banner)


class TurnReader:
    """One turn.

    `text` is the answer so far; the job owns the reader, which owns the console's output and the writer of its lines.
    `begin` and all that follows a read run in the event loop of a worker or command; `read_turn` waits in the job's own
    greenlet. `deliver` gets each event at once; `on_read` is called after all events of a read.

    `is_continuable` says whether the next turn can continue in the console's KV cache. `anchored` is False when an
    earlier try of this line has shown that the console repeats it differently.
    """

    def __init__(
        self,
        launch: LaunchSpec,
        start: StartJob,
        fds: list[int],
        turn: Turn,
        *,
        deliver: Callable[[Event | TimeLimitReached], None],
        progress: Callable[[int], None],
        on_read: Callable[[], None],
        anchored: bool = True,
    ) -> None:
        self._launch, self._deliver, self._progress, self._on_read = launch, deliver, progress, on_read
        self._continued = continued = start.continued
        self._line, self._chat = turn.continuation_line if continued else turn.line, turn.line
        self._images_line = images_line(PROFILES[launch.profile].image_command, () if continued else turn.images)
        self._prompt_tokens, self._cached_tokens = turn.continuation_tokens if continued else turn.tokens, start.cached
        stdin, self._stdout = fds
        self._writer = LineWriter(launch, stdin)
        self._parts: list[str] = []
        self._text_bytes = 0
        profile = _confirmed_profile(launch.profile, start.banner)
        self.is_continuable = start.keeps
        self._reset = profile.reset if start.resets else None
        self._reset_sent = False
        self._at_prompt = start.at_prompt  # the console cannot be writing now
        self._parser = Parser(profile, state=ParserState.IDLE, traits=start.traits, anchored=anchored)
        rest = RestProbe(start.pids, None if start.background_threads is None else frozenset(start.background_threads))
        self._output = TimedReader(reader_of(self._stdout), self._parser, rest=rest)
        self._image_step = ImageStep(self._output, self._parser, limit_s=launch.image_timeout_s)
        self._first_at = self._last_at = 0.0
        self._silent_since, self._silence_s = 0.0, launch.first_token_timeout_s or math.inf
        self._job_until = math.inf
        self._progress_at = 0.0

    @property
    def text(self) -> str:
        """The raw answer so far."""
        return "".join(self._parts)

    @property
    def has_text(self) -> bool:
        """Whether any text of the answer has come."""
        return bool(self._first_at)

    @property
    def observations(self) -> dict[str, Any]:
        """What the keeper learns of the console from the turn."""
        report = self._parser.report(at_rest=self._output.at_rest)
        return {"report": report, "reset_sent": self._reset_sent}

    @property
    def timing(self) -> Timing:
        """Times of the turn so far.

        They run from the written line to the first text, and from there to the last.
        """
        return Timing(
            prefill_s=max(0.0, self._first_at - self._writer.written_at),
            decode_s=max(0.0, self._last_at - self._first_at),
            cached_tokens=self._cached_tokens,
            prompt_tokens=self._prompt_tokens,
            image_s=self._image_step.image_s,
            vit_ms=self._image_step.vit_ms,
        )

    def begin(self) -> None:
        """Write as much of the first line as possible without waiting, in the event loop."""
        self._writer.begin(self._images_line or self._line)

    def read_turn(self) -> None:
        """Write the line and read until the prompt is back.

        Raises `SlotUnavailable`, `EngineTimeout` or `EngineCrashed`.
        """
        self._write_rest()
        try:
            if self._images_line:
                self._read_images()
            self._parser.begin(self._line, chat=self._chat, continued=self._continued)
            if not self._parser.profile.reads_ahead and not self._at_prompt:
                # After the step of its own images nothing that is still being said can be another client's.
                doubts = not self._images_line
                self._output.watch_input(unread_in(self._writer.stdin), since=self._writer.written_at, doubts=doubts)
            gevent_io.ReadLoop(self._stdout, self._step, pass_on=self._on_read, next_s=self._next_look_s).run()
        except EndNotProven:
            raise TurnLost("The console may still be at work on the image and is being restarted.") from None
        except OutOfSync as error:
            lost = TurnLost(f"The console got out of sync and is being restarted. {error}")
            lost.echo_differs = isinstance(error, EchoMismatch)
            raise lost from error
        except EndOfOutput as error:
            with contextlib.suppress(OutOfSync, errors.EngineCrashed):
                self._handle(self._parser.end_of_file())
            raise ConsoleEnded("The console has ended in the middle of an answer.") from error
        if self._reset is not None:
            self._reset_sent = self._writer.write_reset(self._reset)

    def _read_images(self) -> None:
        """Read up to the prompt after the images; then write the line itself."""
        if not self._parser.profile.reads_ahead and not self._at_prompt:
            self._output.watch_input(unread_in(self._writer.stdin), since=self._writer.written_at)
        self._image_step.run(self._stdout, self._images_line, self._writer.written_at)
        self._at_prompt = self._image_step.end_proven
        self._writer.begin(self._line)
        self._write_rest()

    def close(self) -> None:
        """Free the slot and close the console's pipes; may be called twice."""
        self._writer.close()
        if self._stdout >= 0:
            os.close(self._stdout)
            self._stdout = -1

    def _write_rest(self) -> None:
        """Write what `begin` could not write, and count the limits from then."""
        self._writer.finish()
        self._silent_since = written_at = self._writer.written_at
        self._job_until = written_at + (self._launch.job_timeout_s or math.inf)

    def _step(self, readable: bool) -> bool:
        """Read and handle output; return whether the turn is over."""
        return self._handle(self._output.poll(readable=readable))

    def _next_look_s(self) -> float:
        """Seconds until the next look at the pipe, or until a limit.

        Raises `EngineTimeout` at the limit. It is called after the client was sent what was read, because the client
        need not wait for this.
        """
        left = min(self._silent_since + self._silence_s, self._job_until) - time.monotonic()
        if left <= 0:
            self._raise_timeout()
        look = self._output.next_look_s
        return left if look is None else min(look, left)

    def _raise_timeout(self) -> NoReturn:
        launch = self._launch
        if time.monotonic() >= self._job_until:
            self._deliver(TimeLimitReached())
            raise errors.EngineTimeout(f"The answer took longer than {launch.job_timeout_s:g} seconds.")
        if self._first_at:
            raise errors.EngineTimeout(f"The console has been silent for {launch.stall_timeout_s:g} seconds.")
        raise errors.EngineTimeout(f"No token came within {launch.first_token_timeout_s:g} seconds.")

    def _handle(self, events: list[Event]) -> bool:
        for event in events:
            if isinstance(event, Text):
                self._count(event)
            elif isinstance(event, Done):
                return True
            elif isinstance(event, RunError):
                raise errors.EngineCrashed("The console reports a run error.")
            elif isinstance(event, Overrun):
                self.is_continuable = False  # the KV cache holds more than the answer
            elif isinstance(event, Log):  # a model can write a log line
                continue
            self._deliver(event)
        return False

    def _count(self, event: Text) -> None:
        now = time.monotonic()
        if not self._first_at:
            self._first_at, self._silence_s = now, self._launch.stall_timeout_s or math.inf
        self._last_at = self._silent_since = now
        self._parts.append(event.text)
        self._text_bytes += len(event.text.encode("utf-8", "surrogatepass"))
        if self._text_bytes > max(LEAST_TEXT_BYTES, BYTES_PER_TOKEN * self._launch.context):
            raise errors.EngineCrashed("The console's answer does not end, and the console is being restarted.")
        if now - self._progress_at >= PROGRESS_S:
            self._progress_at = now
            with contextlib.suppress(errors.BpuError):
                self._progress(len(self._parts))
