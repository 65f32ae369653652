"""Reads the console's output from a line that names images to the prompt after it.

The step has a time limit of its own. What the console prints in it is not the answer and is dropped, but its end is
proven like an answer's, because an image may hold any words.
"""

from __future__ import annotations

import time

from bpu import errors, gevent_io
from bpu.console.events import Done, RunError, Stats, Text
from bpu.console.parser import Parser
from bpu.engine.timed_reader import TimedReader

#: More text than this before the prompt is no step that reads an image.
MOST_TEXT = 256 * 1024


class EndNotProven(Exception):
    """The step has ended, but the console may still be writing."""


class ImageStep:
    """One step, in the greenlet of its job. `image_s` and `vit_ms` are as in `Timing`.

    `end_proven`: the step ended with more than a model could have printed in that time, not by silence.
    """

    def __init__(self, output: TimedReader, parser: Parser, *, limit_s: float) -> None:
        """`limit_s`: seconds for the whole step; 0: no limit."""
        self._output, self._parser, self._limit_s = output, parser, limit_s
        self._text = 0
        self.image_s = 0.0
        self.vit_ms: float | None = None
        self.end_proven = False

    def run(self, reader: gevent_io.Reader, line: bytes, written_at: float) -> None:
        """Read up to the prompt. Raises `EngineTimeout`, `EngineCrashed`, `EndNotProven`, and as `TimedReader.read`."""
        self._parser.begin_images(line)
        until = written_at + self._limit_s if self._limit_s else None
        while not self._read(reader, until):
            pass
        self.image_s = time.monotonic() - written_at
        report = self._parser.report(at_rest=self._output.at_rest)
        if report.must_discard(reads_ahead=self._parser.profile.reads_ahead):
            raise EndNotProven
        self.end_proven = report.proven

    def _read(self, reader: gevent_io.Reader, until: float | None) -> bool:
        """Read output, after a wait if there is none yet; return True when the step is over."""
        events = None if self._output.drained else self._output.read()
        if events is None:
            left = None
            if until is not None and self._parser.quiet_after is None:  # a prompt that waits for silence came in time
                left = max(0.0, until - time.monotonic())
            look = self._output.next_look_s
            if reader.wait(min((wait for wait in (left, look) if wait is not None), default=None)):
                self._output.drained = False
                return False
            if left == 0:
                raise errors.EngineTimeout(f"The console did not read the image within {self._limit_s:g} seconds.")
            events = self._output.read()
            events = self._output.look() if events is None else events
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
                    raise errors.EngineCrashed("The console does not stop talking about the image.")
        return False


def images_line(command: bytes, paths: tuple[str, ...]) -> bytes:
    """Return the line that makes the console read the files at `paths`; b"" for none."""
    return command + ",".join(paths).encode() if paths else b""
