"""The one module that knows gevent: waiting without holding up anybody else in the worker.

A callback of a `Watcher` runs in the event loop itself and must not wait for anything.
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
#: What the engine says goes before new connections that are ready in the same moment: the BPU waits for it.
_FIRST = 1


def spawn(function: Callable[..., object], *, ended: Callable[[], None] = lambda: None) -> Any:
    """Run `function` in a greenlet of its own; `ended` is called when it is over, even if it never began."""
    greenlet = gevent.spawn(function)
    greenlet.rawlink(lambda _: ended())
    return greenlet


def spawn_later(seconds: float, function: Callable[[], object]) -> None:
    """Run `function` in a greenlet of its own, after `seconds`."""
    gevent.spawn_later(seconds, function)


def kill(greenlet: Any, after_s: float = 0.0) -> None:
    """End `greenlet` where it waits, unless it is over by then. Returns at once."""
    if after_s > 0:
        gevent.spawn_later(after_s, greenlet.kill, block=False)
    else:
        greenlet.kill(block=False)


class Alarm:
    """Calls `function` in the event loop after `seconds`, unless it is closed by then."""

    def __init__(self, seconds: float, function: Callable[..., object], *args: Any) -> None:
        self._timer = get_hub().loop.timer(seconds)
        self._timer.start(function, *args)

    def close(self) -> None:
        self._timer.stop()
        self._timer.close()


def call_soon(function: Callable[..., object], *args: Any) -> None:
    """Call `function` in the event loop, after all that is to run now."""
    get_hub().loop.run_callback(function, *args)


def in_thread(function: Callable[[], Any]) -> Any:
    """The result of `function`, run in a real thread: for what may wait for a disk. Others run meanwhile."""
    return get_hub().threadpool.apply(function)


def sleep(seconds: float) -> None:
    gevent.sleep(seconds)


def raw(sock: Any) -> Any:
    """The original socket under a gevent one, for a call that must not wait."""
    return getattr(sock, "_sock", sock)


class Watcher:
    """Calls back, in the event loop, whenever `fd` can be read; costs no greenlet and no wake-up while it cannot."""

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
    """Calls `late` when a wait lasts too long. Its timer runs on through many waits, since nearly every one is over
    long before its limit, and to set a timer for each token costs as much as the wait itself."""

    def __init__(self, late: Callable[[], None]) -> None:
        self._late = late
        self._alarm: Alarm | None = None
        self._rings = self._until = 0.0  # on the monotonic clock; 0 for "not set" and "no limit"

    def begin(self, seconds: float | None) -> None:
        if seconds is None or seconds == math.inf:
            return
        self._until = time.monotonic() + seconds
        if not 0 < self._rings <= self._until:
            self._set()

    def end(self) -> None:
        self._until = 0.0

    def close(self) -> None:
        if self._alarm is not None:
            self._alarm.close()
        self._alarm, self._rings = None, 0.0

    def _set(self) -> None:
        self.close()
        self._rings = self._until
        self._alarm = Alarm(max(0.0, self._until - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self.close()
        if self._until > time.monotonic():
            self._set()
        elif self._until:
            self._late()


class Reader:
    """Waits, again and again, until `fd` can be read. For one greenlet."""

    def __init__(self, fd: int) -> None:
        self._io = get_hub().loop.io(fd, _READ, priority=_FIRST)
        self._patience = _Timeout(lambda: self._waiter.switch(False))
        self._waiter = Waiter()

    def wait(self, seconds: float | None) -> bool:
        """Whether it can be read within `seconds` (None or infinite: however long it takes)."""
        self._waiter = waiter = Waiter()
        self._io.start(waiter.switch, True)
        self._patience.begin(seconds)
        try:
            return bool(waiter.get())
        finally:
            self._io.stop()
            self._patience.end()

    def close(self) -> None:
        self._patience.close()
        self._io.stop()
        self._io.close()


class WakeEvent:
    """What `Flag` is, for one waiting greenlet and many short waits."""

    def __init__(self) -> None:
        self._patience = _Timeout(lambda: self._waiter.switch(self._is_set))
        self._waiter: Any = None
        self._is_set = False

    def set(self) -> None:
        self._is_set = True
        if self._waiter is not None:
            call_soon(self._wake)

    def clear(self) -> None:
        self._is_set = False

    def wait(self, seconds: float | None) -> bool:
        """Whether it is set, or will be within `seconds` (None: however long it takes)."""
        if self._is_set:
            return True
        self._waiter = Waiter()
        self._patience.begin(seconds)
        try:
            return bool(self._waiter.get())
        finally:
            self._waiter = None
            self._patience.end()

    def close(self) -> None:
        """No wait will be long any more."""
        self._patience.close()

    def _wake(self) -> None:
        if self._waiter is not None and self._is_set:
            self._waiter.switch(True)


def wait_writable(fd: int, seconds: float | None) -> bool:
    """Whether `fd` takes data within `seconds`."""
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
    """Watches a client's socket while it has nothing to say: `left` is called once, in the event loop, when it goes.

    A silent generator never notices a client that left, and the first write after its FIN succeeds. A half-close
    counts as leaving. A client that sends more instead (a pipelined request) is not watched any further.
    """

    def __init__(self, sock: Any, left: Callable[[], None]) -> None:
        self._sock = raw(sock)
        self._left = left
        self._watcher: Watcher | None = Watcher(sock.fileno(), self._look)

    def _look(self) -> None:
        try:
            gone = self._sock.recv(1, MSG_PEEK | MSG_DONTWAIT) == b""
        except BlockingIOError:
            return
        except OSError:
            gone = True
        self.close()
        if gone:
            self._left()

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
