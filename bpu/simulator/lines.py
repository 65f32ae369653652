"""Reads lines as each console does, and runs the faults of the idle phase."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import queue

    from bpu.simulator.console import Console


def lines(console: Console) -> Iterator[bytes]:
    """Yield every line without its newline, cut as the console cuts it."""
    source = _ReadAheadLines(console) if console.profile.reads_ahead else _BlockingLines(console)
    while (line := source.next()) is not None:
        yield line


def _reader(console: Console) -> Callable[[], bytes | None]:
    size, stdio = console.profile.reads, console.stdio
    read = (lambda: stdio.fgets(size)) if size else stdio.getline
    return _record_lines(read, console.options.record) if console.options.record else read


def _record_lines(read: Callable[[], bytes | None], path: str) -> Callable[[], bytes | None]:
    """Wrap `read` so that it writes every line to the file `path` first."""
    fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def read_and_record() -> bytes | None:
        line = read()
        if line is not None:
            os.write(fd, b"%d %s\n" % (os.getpid(), line.rstrip(b"\n")))
        return line

    return read_and_record


def _cut(line: bytes, *, bad_utf8: bool) -> bytes:
    """Cut a line at its newline, a NUL, or the first bad byte.

    Only some consoles cut at a byte that is no UTF-8.
    """
    line = line.rstrip(b"\n").split(b"\0")[0]
    if bad_utf8:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return line[: error.start]
    return line


class _BlockingLines:
    """Reads a line when the turn before it is over. The main thread uses it."""

    def __init__(self, console: Console) -> None:
        self._console, self._read = console, _reader(console)

    def next(self) -> bytes | None:
        waited = 0.0
        for fault in self._console.faults.due("idle"):
            if not self._console.stdio.silent(fault.after - waited):
                break
            waited = fault.after
            self._console.faults.run(fault, self._console.fault_context)
        line = self._read()
        return None if line is None else _cut(line, bad_utf8=self._console.profile.cuts_bad_utf8)


class _ReadAheadLines:
    """Reads lines on a thread of its own.

    The thread obeys `exit` and `reset` at once, also during an answer.
    """

    def __init__(self, console: Console) -> None:
        import queue
        import threading

        self._console, self._read = console, _reader(console)
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while (read := self._read()) is not None:
            line = _cut(read, bad_utf8=self._console.profile.cuts_bad_utf8)
            if not self._console.run_command(line):
                self._lines.put(line)
        self._lines.put(None)

    def next(self) -> bytes | None:
        import queue

        waited = 0.0
        for fault in self._console.faults.due("idle"):
            try:
                return self._lines.get(timeout=max(0.001, fault.after - waited))
            except queue.Empty:
                waited = fault.after
                self._console.faults.run(fault, self._console.fault_context)
        return self._lines.get()
