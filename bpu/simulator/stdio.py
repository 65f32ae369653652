"""Reads and writes through C stdio, as a C program does.

Python's streams must not be used beside it, because `stdbuf` changes C stdio only. Callers decide when to flush.
"""

from __future__ import annotations

import ctypes
import select

FULL = 0  # _IOFBF of glibc and musl


class Stdio:
    """The three streams of the process.

    Texts go out as UTF-8; lines come in as bytes.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        self._fwrite, self._fflush, self._setvbuf = libc.fwrite, libc.fflush, libc.setvbuf
        self._fgets, self._getline = libc.fgets, libc.getline
        self._fwrite.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]
        self._fwrite.restype = ctypes.c_size_t
        self._fflush.argtypes = [ctypes.c_void_p]
        self._setvbuf.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
        self._fgets.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
        self._fgets.restype = ctypes.c_void_p
        self._getline.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
        self._getline.restype = ctypes.c_ssize_t
        self.stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        self.stderr = ctypes.c_void_p.in_dll(libc, "stderr")
        self.stdin = ctypes.c_void_p.in_dll(libc, "stdin")
        self._line, self._room = ctypes.c_void_p(), ctypes.c_size_t(0)

    def out(self, text: str | bytes) -> None:
        """Write `text` to stdout; the C library buffers it as it would a C program's."""
        self._put(self.stdout, text)

    def err(self, text: str | bytes) -> None:
        """Write to stderr, which has no buffer."""
        self._put(self.stderr, text)

    def _put(self, stream: ctypes.c_void_p, text: str | bytes) -> None:
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        self._fwrite(data, 1, len(data), stream)

    def flush(self) -> None:
        """`fflush(stdout)`; never `fflush(NULL)`, which would wait for a thread that reads stdin."""
        self._fflush(self.stdout)

    def buffer_fully(self, size: int = 1 << 20) -> None:
        """Buffer stdout fully, so that `stdbuf` has no effect."""
        self._buffer = ctypes.create_string_buffer(size)  # glibc would keep the one byte of an unbuffered stream
        self._setvbuf(self.stdout, self._buffer, FULL, size)

    def getline(self) -> bytes | None:
        """Read one line of any length; None at the end of the input."""
        size = self._getline(ctypes.byref(self._line), ctypes.byref(self._room), self.stdin)
        return None if size < 0 else ctypes.string_at(self._line, size)

    def fgets(self, size: int) -> bytes | None:
        """Read at most `size - 1` bytes of a line, up to a NUL."""
        buffer = ctypes.create_string_buffer(size)
        if not self._fgets(buffer, size, self.stdin):
            return None
        return buffer.value

    def silent(self, seconds: float) -> bool:
        """Wait up to `seconds` for input on descriptor 0; True if none came."""
        poll = select.poll()
        poll.register(0, select.POLLIN | select.POLLHUP)
        return not poll.poll(seconds * 1000)
