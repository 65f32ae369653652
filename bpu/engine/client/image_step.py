"""Reads the console's output from a line that names images to the prompt after it.

The step has a time limit of its own. What the console prints in it is not the answer and is dropped, but its end is
proven like an answer's, because an image may hold any words.
"""

from __future__ import annotations

import math
import time

from bpu import errors, gevent_io
from bpu.console.events import Done, Event, RunError, Stats, Text
from bpu.console.parser import Parser
from bpu.engine.timed_reader import TimedReader

#: More text than this before the prompt is no step that reads an image.
MOST_TEXT = 256 * 1024


class EndNotProven(Exception):
    """The step has ended, but the console may still be writing."""


class ImageStep:
    """One step of a turn: its images.

    It is read in the event loop of a worker or command while the job's greenlet waits. `image_s` and `vit_ms` are as in
    `Timing`. `end_proven`: the step ended with more than a model could have printed in that time, not by silence.
    """

    def __init__(self, output: TimedReader, parser: Parser, *, limit_s: float) -> None:
        """`limit_s`: seconds for the whole step; 0: no limit."""
        self._output, self._parser, self._limit_s = output, parser, limit_s
        self._text, self._until = 0, math.inf
        self.image_s = 0.0
        self.vit_ms: float | None = None
        self.end_proven = False

    def run(self, fd: int, line: bytes, written_at: float) -> None:
        """Read `fd` up to the prompt. Raises `EngineTimeout`, `EngineCrashed`, `EndNotProven`, and as `TimedReader`."""
        self._parser.begin_images(line)
        self._until = written_at + (self._limit_s or math.inf)
        gevent_io.ReadLoop(fd, self._step, pass_on=lambda: None, next_s=self._next_look_s).run()
        self.image_s = time.monotonic() - written_at
        report = self._parser.report(at_rest=self._output.at_rest)
        if report.must_discard(reads_ahead=self._parser.profile.reads_ahead):
            raise EndNotProven
        self.end_proven = report.proven

    def _step(self, readable: bool) -> bool:
        """Read output in the event loop; return whether the step is over."""
        return self._handle(self._output.poll(readable=readable))

    def _next_look_s(self) -> float:
        """Return the seconds until the next look at the pipe. Raises `EngineTimeout` at the limit."""
        has_prompt = self._parser.quiet_after is not None  # it came in time, and waits for silence
        left = math.inf if has_prompt else self._until - time.monotonic()
        if left <= 0:
            raise errors.EngineTimeout(f"The console did not read the image within {self._limit_s:g} seconds.")
        look = self._output.next_look_s
        return left if look is None else min(look, left)

    def _handle(self, events: list[Event]) -> bool:
        for event in events:
            if isinstance(event, Done):
                return True
            if isinstance(event, RunError):
                raise errors.EngineCrashed("The console reports a run error for the image.")
            if isinstance(event, Stats):
                self.vit_ms = event.vit_ms
            elif isinstance(event, Text):
                self._text += len(event.text)
                if self._text > MOST_TEXT:
                    raise errors.EngineCrashed("The console's output after the image does not end.")
        return False


def images_line(command: bytes, paths: tuple[str, ...]) -> bytes:
    """Return the line that makes the console read the files at `paths`; b"" for none."""
    return command + ",".join(paths).encode() if paths else b""
