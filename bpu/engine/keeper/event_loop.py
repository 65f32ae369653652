"""The keeper's event loop: readable descriptors and signals, in one thread, without timers."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable

Callback = Callable[[], None]


class Loop:
    """Calls back for readable descriptors and signals, only during `turn`.

    The keeper owns it, and runs it in its one thread. `on_error` gets what a callback raises; the other callbacks of
    the same turn still run. The kernel learns of a new descriptor in the next turn: the console's output is often
    listened to and given away again in between.
    """

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self._on_error = on_error
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callback] = {}
        self._unregistered: set[int] = set()
        self._wakeup, self._signal_pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._on_signal: dict[int, Callback] = {}
        self.listen(self._wakeup, self._on_signals)

    def listen(self, fd: int, callback: Callback) -> None:
        """Call `callback` in each turn in which `fd` can be read."""
        if fd not in self._callbacks:
            self._unregistered.add(fd)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """Stop listening to `fd`, if the loop listens to it.

        Call it before the descriptor is closed.
        """
        if self._callbacks.pop(fd, None) is None:
            return
        if fd in self._unregistered:
            self._unregistered.remove(fd)
        else:
            with contextlib.suppress(OSError):  # it is closed already
                self._epoll.unregister(fd)

    def listens(self, fd: int) -> bool:
        """Whether the loop listens to `fd`."""
        return fd in self._callbacks

    def on_signal(self, number: int, callback: Callback) -> None:
        """Call `callback` in the loop when the signal arrives.

        The signal handler itself only writes a byte.
        """
        self._on_signal[number] = callback
        signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._signal_pipe, warn_on_full_buffer=False)

    def turn(self, timeout: float | None) -> None:
        """Wait up to `timeout` seconds for events and call back for each."""
        while self._unregistered:
            fd = self._unregistered.pop()
            try:
                self._epoll.register(fd, select.EPOLLIN)
            except OSError:
                del self._callbacks[fd]
                raise
        readable = [(fd, self._callbacks[fd]) for fd, _ in self._epoll.poll(timeout)]
        for fd, callback in readable:
            # An earlier callback of this turn may have removed this one.
            if self._callbacks.get(fd) is callback:
                self._call(callback)

    def _call(self, callback: Callback) -> None:
        try:
            callback()
        except Exception as error:
            self._on_error(error)

    def _on_signals(self) -> None:
        for number in set(os.read(self._wakeup, 512)):
            self._call(self._on_signal.get(number, lambda: None))
