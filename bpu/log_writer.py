"""A text stream for log lines that never blocks its process and never raises.

A full disk or an ended or paused reader of the log must not stop the process that logs. The module is standard
library only, so that every process can use it: gunicorn's master, its workers and the keeper.
Import it before gevent patches the standard library: it needs the original `poll` and `socket`.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from select import PIPE_BUF, POLLOUT, poll
from socket import MSG_DONTWAIT, MSG_NOSIGNAL, socket

#: Limit of the text kept in memory while the descriptor takes nothing; further lines are dropped and counted.
PENDING_BYTES = 256 * 1024
_PIECE_BYTES = 64 * 1024


def describe_loss(lines: int) -> str:
    """Return the line that replaces `lines` lost ones."""
    return f"{lines} log lines before this one could not be written.\n"


class LogWriter(io.TextIOBase):
    """A text stream onto `fd`, usable as its process's `sys.stderr`.

    One process owns it at a time. Invariant: no call waits for the descriptor, and `O_NONBLOCK` is never set on an open
    file description that other processes share. `on_loss` makes the line that is written once when the descriptor takes
    text again.
    """

    def __init__(self, fd: int = 2, on_loss: Callable[[int], str] = describe_loss, encoding: str = "utf-8") -> None:
        self._on_loss = on_loss
        self._encoding = encoding
        self._pending = bytearray()
        self._lost = 0
        self._pid = os.getpid()
        self._fd = fd
        self._owned = ExitStack()
        self._send = _sender(fd, self._owned)

    def write(self, text: str) -> int:
        """Write `text` after the pending text.

        Keep what the descriptor does not take, or count it as lost.
        """
        if self._pid != os.getpid():  # the parent process still has this text and writes it itself
            self._pid, self._lost = os.getpid(), 0
            self._pending.clear()
        self.flush()
        if self._lost and not self._pending:
            lost, self._lost = self._lost, 0
            self._pending += self._encode(self._on_loss(lost))
        data = self._encode(text)
        if self._pending and len(self._pending) + len(data) > PENDING_BYTES:
            self._lost += text.count("\n")
        else:
            self._pending += data
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write pending text as far as the descriptor takes it now."""
        try:
            while self._pending:
                del self._pending[: self._send(bytes(self._pending[:_PIECE_BYTES]))]
        except OSError:
            return  # full, gone or paused: the next call tries again

    def close(self) -> None:
        """Close the writer; pending text that the descriptor does not take is dropped."""
        super().close()
        self._owned.close()

    def _encode(self, text: str) -> bytes:
        return text.encode(self._encoding, "backslashreplace")

    def fileno(self) -> int:
        """Return the descriptor that lines are written to."""
        return self._fd

    def isatty(self) -> bool:
        """Whether lines go to a terminal."""
        return os.isatty(self._fd)

    def writable(self) -> bool:
        """Always true, as for any text stream that is written to."""
        return True


def _sender(fd: int, owned: ExitStack) -> Callable[[bytes], int]:
    """Return a function that writes to `fd` without waiting; it raises `BlockingIOError` or another `OSError`."""
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISSOCK(mode):
            connection = owned.enter_context(socket(fileno=os.dup(fd)))
            return lambda data: connection.send(data, MSG_DONTWAIT | MSG_NOSIGNAL)
        if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
            return lambda data: os.write(fd, data)
        try:
            own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:  # it belongs to another user, as in a container, or its reader has ended
            return _polled_sender(fd)
    except OSError as error:
        return _failing_sender(error.errno or 0)
    owned.callback(os.close, own)
    return lambda data: os.write(own, data)


def _polled_sender(fd: int) -> Callable[[bytes], int]:
    """Return a sender that polls first, because a writable pipe takes at least `PIPE_BUF` bytes."""
    poller = poll()
    poller.register(fd, POLLOUT)

    def send(data: bytes) -> int:
        if not poller.poll(0):
            raise BlockingIOError
        return os.write(fd, data[:PIPE_BUF])

    return send


def _failing_sender(reason: int) -> Callable[[bytes], int]:
    def send(data: bytes) -> int:
        raise OSError(reason, os.strerror(reason))

    return send
