"""The keeper's event loop: readable descriptors and signals, in one thread, without timers."""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Callable

Callback = Callable[[], None]


class Loop:
    """Calls back for readable descriptors and signals, only during `turn`.

    Owned by the keeper, run in its one thread. `on_error` gets what a callback raises; the other callbacks of the same
    turn still run.
    """

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self._on_error = on_error
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._signal_pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._on_signal: dict[int, Callback] = {}
        self.listen(self._wakeup, self._on_signals)

    def listen(self, fd: int, callback: Callback) -> None:
        """Call `callback` in each turn in which `fd` can be read."""
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def forget(self, fd: int) -> None:
        """Stop listening to `fd`, if the loop listens to it."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def listens(self, fd: int) -> bool:
        """Whether the loop listens to `fd`."""
        return fd in self._selector.get_map()

    def on_signal(self, number: int, callback: Callback) -> None:
        """Call `callback` in the loop when the signal arrives.

        The signal handler itself only writes a byte.
        """
        self._on_signal[number] = callback
        signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._signal_pipe, warn_on_full_buffer=False)

    def turn(self, timeout: float | None) -> None:
        """Wait up to `timeout` seconds for events and call back for each."""
        for key, _ in self._selector.select(timeout):
            # An earlier callback of this turn may have removed this one.
            if self._selector.get_map().get(key.fd) is key:
                self._call(key.data)

    def _call(self, callback: Callback) -> None:
        try:
            callback()
        except Exception as error:
            self._on_error(error)

    def _on_signals(self) -> None:
        for number in set(os.read(self._wakeup, 512)):
            self._call(self._on_signal.get(number, lambda: None))
