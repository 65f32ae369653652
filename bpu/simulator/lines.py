"""Lines from stdin as each console reads them: buffer sizes, reading ahead, and the faults of the idle time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import queue

    from bpu.simulator.console import Console


def lines(console: Console) -> Iterator[bytes]:
    """Every line without its newline, cut as the console cuts it; ends with the input."""
    source = _Ahead(console) if console.profile.reads_ahead else _Blocking(console)
    while (line := source.next()) is not None:
        yield line


def _reader(console: Console) -> Callable[[], bytes | None]:
    size, stdio = console.profile.reads, console.stdio
    read = (lambda: stdio.fgets(size)) if size else stdio.getline
    return _recorded(read, console.chosen.record) if console.chosen.record else read


def _recorded(read: Callable[[], bytes | None], path: str) -> Callable[[], bytes | None]:
    """`read`, with every line noted in the file `path` before anything is made of it."""
    fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def noting() -> bytes | None:
        line = read()
        if line is not None:
            os.write(fd, b"%d %s\n" % (os.getpid(), line.rstrip(b"\n")))
        return line

    return noting


def _cut(line: bytes, *, bad_utf8: bool) -> bytes:
    """Without newline, what follows a NUL, and (where the console does so) what follows the first bad byte."""
    line = line.rstrip(b"\n").split(b"\0")[0]
    if bad_utf8:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return line[: error.start]
    return line


class _Blocking:
    """Reads a line when the turn before it is over."""

    def __init__(self, console: Console) -> None:
        self._console, self._read = console, _reader(console)

    def next(self) -> bytes | None:
        waited = 0.0
        for fault in self._console.faults.due("idle"):
            if not self._console.stdio.silent(fault.after - waited):
                break
            waited = fault.after
            self._console.faults.run(fault, self._console.scene)
        line = self._read()
        return None if line is None else _cut(line, bad_utf8=self._console.profile.cuts_bad_utf8)


class _Ahead:
    """Reads the next line while a turn is generated, and obeys `exit` and `reset` at once, in the midst of it."""

    def __init__(self, console: Console) -> None:
        import queue
        import threading

        self._console, self._read = console, _reader(console)
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while (read := self._read()) is not None:
            line = _cut(read, bad_utf8=self._console.profile.cuts_bad_utf8)
            if not self._console.command(line):
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
                self._console.faults.run(fault, self._console.scene)
        return self._lines.get()
