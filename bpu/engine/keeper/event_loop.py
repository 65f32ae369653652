"""The keeper's event loop: who wants to read what, and child processes that ended. One thread, no timers of its own."""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Callable

Callback = Callable[[], None]


class Loop:
    """Calls back when a descriptor can be read, and when a signal came. Nothing happens between two turns.

    `on_error` gets what a callback raises; the other callbacks of the same turn run nevertheless.
    """

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self._on_error = on_error
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._on_signal: dict[int, Callback] = {}
        self.listen(self._wakeup, self._signalled)

    def listen(self, fd: int, callback: Callback) -> None:
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def forget(self, fd: int) -> None:
        """Stop listening to `fd`; nothing happens if nobody did."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def listens(self, fd: int) -> bool:
        return fd in self._selector.get_map()

    def on_signal(self, number: int, callback: Callback) -> None:
        """The handler only writes a byte; `callback` runs in the loop."""
        self._on_signal[number] = callback
        signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)

    def turn(self, timeout: float | None) -> None:
        """Wait for something to happen, `timeout` seconds at most, and call back for each thing that did."""
        for key, _ in self._selector.select(timeout):
            # An earlier callback of this turn may have ended this one's interest.
            if self._selector.get_map().get(key.fd) is key:
                self._call(key.data)

    def _call(self, callback: Callback) -> None:
        try:
            callback()
        except Exception as error:
            self._on_error(error)

    def _signalled(self) -> None:
        for number in set(os.read(self._wakeup, 512)):
            self._call(self._on_signal.get(number, lambda: None))
