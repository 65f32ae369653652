"""Writes through the C library's streams, so that `stdbuf` works.

So `stdbuf` works as it does on the SDK's programs.
"""

from __future__ import annotations

import ctypes


class Stdio:
    """The output streams of the process; Python's own must not be used beside them.

    It never flushes by itself.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        self._fwrite, self._fflush = libc.fwrite, libc.fflush
        self._fwrite.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]
        self._fwrite.restype = ctypes.c_size_t
        self._fflush.argtypes = [ctypes.c_void_p]
        self._stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        self._stderr = ctypes.c_void_p.in_dll(libc, "stderr")

    def out(self, text: str | bytes) -> None:
        """Write to stdout through the C library's buffer."""
        self._write(self._stdout, text)

    def err(self, text: str) -> None:
        """Write to stderr, which has no buffer."""
        self._write(self._stderr, text)

    def flush(self) -> None:
        """Write what the buffer of stdout holds."""
        self._fflush(self._stdout)

    def _write(self, stream: ctypes.c_void_p, text: str | bytes) -> None:
        data = text.encode("utf-8", "replace") if isinstance(text, str) else text
        self._fwrite(data, 1, len(data), stream)
