"""Wraps gevent: greenlets, timers and waiting for descriptors without blocking the rest of the process.

Only this module, `wsgi.py` and `gunicorn.conf.py` import gevent. It runs in workers and in commands. A callback of a
`Watcher`, an `Alarm` or `call_soon` runs in the event loop itself and must not wait.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from socket import MSG_DONTWAIT, MSG_PEEK
from typing import Any

import gevent
from gevent.event import Event as Flag
from gevent.hub import Waiter, get_hub
from gevent.lock import BoundedSemaphore as Lock

__all__ = [
    "Alarm",
    "ClientWatch",
    "Flag",
    "Lock",
    "Reader",
    "WakeEvent",
    "Watcher",
    "call_soon",
    "in_thread",
    "kill",
    "sleep",
    "spawn",
    "spawn_later",
    "wait_writable",
]

_READ, _WRITE = 1, 2
#: Watcher priority above that of new connections, because the BPU waits while the engine's messages wait.
_FIRST = 1


def spawn(function: Callable[..., object], *, ended: Callable[[], None] = lambda: None) -> Any:
    """Run `function` in a new greenlet; `ended` is called in the event loop at its end, even if it never began."""
    greenlet = gevent.spawn(function)
    greenlet.rawlink(lambda _: ended())
    return greenlet


def spawn_later(seconds: float, function: Callable[[], object]) -> None:
    """Run `function` in a new greenlet after `seconds`."""
    gevent.spawn_later(seconds, function)


def kill(greenlet: Any, after_s: float = 0.0) -> None:
    """Kill `greenlet` after `after_s` seconds, unless it is over by then. Returns at once."""
    if after_s > 0:
        gevent.spawn_later(after_s, greenlet.kill, block=False)
    else:
        greenlet.kill(block=False)


class Alarm:
    """Calls `function` once in the event loop after `seconds`, unless it is closed before."""

    def __init__(self, seconds: float, function: Callable[..., object], *args: Any) -> None:
        self._timer = get_hub().loop.timer(seconds)
        self._timer.start(function, *args)

    def close(self) -> None:
        self._timer.stop()
        self._timer.close()


def call_soon(function: Callable[..., object], *args: Any) -> None:
    """Call `function` in the event loop, after the callbacks that are due now."""
    get_hub().loop.run_callback(function, *args)


def in_thread(function: Callable[[], Any]) -> Any:
    """Run `function` in a real thread, because it may wait for a disk, and return its result."""
    return get_hub().threadpool.apply(function)


def sleep(seconds: float) -> None:
    gevent.sleep(seconds)


def raw(sock: Any) -> Any:
    """Return the original socket under a gevent one, for a call that must not wait."""
    return getattr(sock, "_sock", sock)


class Watcher:
    """Calls back in the event loop whenever `fd` can be read. It needs no greenlet."""

    def __init__(self, fd: int, callback: Callable[[], None]) -> None:
        self._io = get_hub().loop.io(fd, _READ, priority=_FIRST)
        self._io.start(callback)

    def close(self) -> None:
        """Stop watching; may be called twice. Call it before the descriptor is closed."""
        if self._io is not None:
            self._io.stop()
            self._io.close()
            self._io = None


class _Timeout:
    """Calls `on_timeout` in the event loop when a wait lasts too long.

    One timer serves many waits, because nearly every wait ends long before its limit, and setting a timer for each
    token costs as much as the wait itself.
    """

    def __init__(self, on_timeout: Callable[[], None]) -> None:
        self._on_timeout = on_timeout
        self._alarm: Alarm | None = None
        self._alarm_at = self._until = 0.0  # monotonic seconds; 0 for "not set" and "no limit"

    def begin(self, seconds: float | None) -> None:
        if seconds is None or seconds == math.inf:
            return
        self._until = time.monotonic() + seconds
        if not 0 < self._alarm_at <= self._until:
            self._set()

    def end(self) -> None:
        self._until = 0.0

    def close(self) -> None:
        if self._alarm is not None:
            self._alarm.close()
        self._alarm, self._alarm_at = None, 0.0

    def _set(self) -> None:
        self.close()
        self._alarm_at = self._until
        self._alarm = Alarm(max(0.0, self._until - time.monotonic()), self._on_alarm)

    def _on_alarm(self) -> None:
        self.close()
        if self._until > time.monotonic():
            self._set()
        elif self._until:
            self._on_timeout()


class Reader:
    """Waits until `fd` can be read, any number of times. Used by one greenlet."""

    def __init__(self, fd: int) -> None:
        self._io = get_hub().loop.io(fd, _READ, priority=_FIRST)
        self._timeout = _Timeout(lambda: self._waiter.switch(False))
        self._waiter = Waiter()

    def wait(self, seconds: float | None) -> bool:
        """Wait until `fd` can be read, at most `seconds` (None or infinite: no limit); return whether it can."""
        self._waiter = waiter = Waiter()
        self._io.start(waiter.switch, True)
        self._timeout.begin(seconds)
        try:
            return bool(waiter.get())
        finally:
            self._io.stop()
            self._timeout.end()

    def close(self) -> None:
        self._timeout.close()
        self._io.stop()
        self._io.close()


class WakeEvent:
    """An event for one waiting greenlet and many short waits, which it does faster than `Flag`."""

    def __init__(self) -> None:
        self._timeout = _Timeout(lambda: self._waiter.switch(self._is_set))
        self._waiter: Any = None
        self._is_set = False

    def set(self) -> None:
        self._is_set = True
        if self._waiter is not None:
            call_soon(self._wake)

    def clear(self) -> None:
        self._is_set = False

    def wait(self, seconds: float | None) -> bool:
        """Wait until the event is set, at most `seconds` (None: no limit); return whether it is."""
        if self._is_set:
            return True
        self._waiter = Waiter()
        self._timeout.begin(seconds)
        try:
            return bool(self._waiter.get())
        finally:
            self._waiter = None
            self._timeout.end()

    def close(self) -> None:
        """Release the timer; later waits must not need one."""
        self._timeout.close()

    def _wake(self) -> None:
        if self._waiter is not None and self._is_set:
            self._waiter.switch(True)


def wait_writable(fd: int, seconds: float | None) -> bool:
    """Wait until `fd` takes data, at most `seconds`; return whether it does."""
    watcher = get_hub().loop.io(fd, _WRITE)
    try:
        with gevent.Timeout(seconds, False):
            get_hub().wait(watcher)
            return True
        return False
    finally:
        watcher.stop()
        watcher.close()


class ClientWatch:
    """Calls `on_left` once in the event loop when the client closes its connection.

    Without it a silent response would not notice that, because the first write after the FIN of the client succeeds. A
    half-close counts as closing. A client that sends more data (a pipelined request) is not watched any further.
    """

    def __init__(self, sock: Any, on_left: Callable[[], None]) -> None:
        self._sock = raw(sock)
        self._on_left = on_left
        self._watcher: Watcher | None = Watcher(sock.fileno(), self._check)

    def _check(self) -> None:
        try:
            gone = self._sock.recv(1, MSG_PEEK | MSG_DONTWAIT) == b""
        except BlockingIOError:
            return
        except OSError:
            gone = True
        self.close()
        if gone:
            self._on_left()

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
