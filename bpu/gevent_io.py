"""Wraps gevent: greenlets, timers and waiting for descriptors without blocking the rest of the process.

Only this module and `wsgi.py` import gevent. The greenlets of workers and commands use it, and their event loop runs
its callbacks: a callback of a `Watcher`, a `Timer`, an `Alarm` or `call_soon` must not wait.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from socket import MSG_DONTWAIT, MSG_PEEK
from typing import Any

import gevent
from gevent.event import Event as Flag
from gevent.hub import Waiter, get_hub
from gevent.lock import BoundedSemaphore as Lock

__all__ = [
    "Alarm",
    "ChildProcess",
    "ClientWatch",
    "Flag",
    "Lock",
    "ReadLoop",
    "Reader",
    "Timer",
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
#: The shortest time of a timer in seconds; libev has no repeated timer of no time.
_LEAST_S = 1e-6


def spawn(function: Callable[..., object], *, on_end: Callable[[], None] = lambda: None) -> Any:
    """Run `function` in a new greenlet.

    `on_end` is called in the event loop at its end, even if it never began.
    """
    greenlet = gevent.spawn(function)
    greenlet.rawlink(lambda _: on_end())
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
        """Cancel the call; may be called twice, and after it."""
        self._timer.stop()
        self._timer.close()


def call_soon(function: Callable[..., object], *args: Any) -> None:
    """Call `function` in the event loop, after the callbacks that are due now."""
    get_hub().loop.run_callback(function, *args)


def in_thread(function: Callable[[], Any]) -> Any:
    """Run `function` in a real thread, and return its result.

    It may wait for a disk.
    """
    return get_hub().threadpool.apply(function)


def sleep(seconds: float) -> None:
    """Let other greenlets run for `seconds`, at least once."""
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


class Timer:
    """Calls `function` in the event loop after each time that was set.

    Again and again, until another time or none is set. One timer serves all waits of its owner: to set the same time
    again, as for each token, is one call of libev.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._timer: Any = None
        self._seconds = 0.0

    def start(self, seconds: float | None) -> None:
        """Set the time anew, counted from now; None or infinite: no time."""
        if seconds is None or seconds == math.inf:
            self.stop()
            return
        if seconds != self._seconds or self._timer is None:
            self.close()
            self._seconds = seconds
            repeat = max(seconds, _LEAST_S)
            self._timer = get_hub().loop.timer(repeat, repeat)
        self._timer.again(self._function)

    def stop(self) -> None:
        """Set no time, so that nothing is called; `start` may follow."""
        if self._timer is not None:
            self._timer.stop()

    def close(self) -> None:
        """Free the timer; may be called twice. `start` makes another one."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.close()


class Reader:
    """Waits until `fd` can be read, any number of times. Used by one greenlet."""

    def __init__(self, fd: int) -> None:
        self._io = get_hub().loop.io(fd, _READ, priority=_FIRST)
        self._timer = Timer(lambda: self._waiter.switch(False))
        self._waiter = Waiter()

    def wait(self, seconds: float | None) -> bool:
        """Wait until `fd` can be read, at most `seconds` (None or infinite: no limit).

        Return whether it can.
        """
        self._waiter = waiter = Waiter()
        self._io.start(waiter.switch, True)
        self._timer.start(seconds)
        try:
            return bool(waiter.get())
        finally:
            self._io.stop()
            self._timer.stop()

    def close(self) -> None:
        """Free the watcher; the descriptor stays open."""
        self._timer.close()
        self._io.stop()
        self._io.close()


class ReadLoop:
    """Calls `step` in the event loop on readable data and after a time.

    A greenlet waits for the end. `fd` is the descriptor. `step(readable)` returns whether that was the last time; after
    each, `pass_on` may switch to another greenlet; at the end the waiting one comes first, because others wait for what
    it gives back. `next_s` returns the seconds after which `step` is called again without data; infinite: never.
    """

    def __init__(
        self,
        fd: int,
        step: Callable[[bool], bool],
        *,
        pass_on: Callable[[], object],
        next_s: Callable[[], float],
    ) -> None:
        self._step, self._pass_on, self._next_s = step, pass_on, next_s
        self._io = get_hub().loop.io(fd, _READ, priority=_FIRST)
        self._timer = Timer(lambda: self._call(False))
        self._waiter = Waiter()
        self._running = False

    def run(self) -> None:
        """Return after the last `step`; raise what it or `next_s` raised.

        The first call needs no data.
        """
        self._running = True
        self._io.start(self._call, True)
        call_soon(self._call, False)
        try:
            self._waiter.get()
        finally:
            self._running = False
            self._timer.close()
            self._io.stop()
            self._io.close()

    def _call(self, readable: bool) -> None:
        if not self._running:  # the greenlet was killed
            return
        try:
            if self._step(readable):
                self._end(self._waiter.switch, None)
                return
            self._pass_on()
            self._timer.start(self._next_s())
        except Exception as error:
            self._end(self._waiter.throw, error)

    def _end(self, wake: Callable[[Any], object], value: object) -> None:
        self._running = False
        self._timer.stop()
        self._io.stop()
        wake(value)
        self._pass_on()


class WakeEvent:
    """An event for one waiting greenlet and many short waits.

    It does them faster than `Flag`.
    """

    def __init__(self) -> None:
        self._timer = Timer(self._on_time)
        self._waiter: Any = None
        self._is_set = False

    def set(self) -> None:
        """Wake the greenlet after the callbacks that are due now."""
        self._is_set = True
        if self._waiter is not None:
            call_soon(self._wake)

    def switch(self) -> None:
        """Set the event and run the greenlet now, until it waits.

        Call it only in a callback of the event loop.
        """
        self._is_set = True
        if self._waiter is not None:
            self._waiter.switch(True)

    def clear(self) -> None:
        """Forget the last `set`, before the owner looks for what it announced."""
        self._is_set = False

    def wait(self, seconds: float | None) -> bool:
        """Wait until the event is set, at most `seconds` (None: no limit).

        Return whether it is.
        """
        if self._is_set:
            return True
        self._waiter = Waiter()
        self._timer.start(seconds)
        try:
            return bool(self._waiter.get())
        finally:
            self._waiter = None

    def close(self) -> None:
        """Free the timer; later waits must not need one."""
        self._timer.close()

    def _wake(self) -> None:
        if self._waiter is not None and self._is_set:
            self._waiter.switch(True)

    def _on_time(self) -> None:
        if self._waiter is None:
            self._timer.stop()  # the last wait is over
        else:
            self._waiter.switch(self._is_set)


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
        """Stop watching; may be called twice."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None


class ChildProcess:
    """Runs one program.

    The start does not copy this process's memory, as a fork does, which holds up other greenlets. `stdin` and `stdout`
    are descriptors; the program writes its errors nowhere. All methods are for one greenlet, but for `kill`, which a
    callback may call.
    """

    def __init__(self, command: list[str], *, env: Mapping[str, str], stdin: int, stdout: int) -> None:
        self._code: int | None = None
        self._ended = Flag()
        loop = get_hub().loop
        loop.install_sigchld()
        self.pid = os.posix_spawn(
            command[0],
            command,
            env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, stdin, 0),
                (os.POSIX_SPAWN_DUP2, stdout, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # which Python ignores
        )
        self._watcher = loop.child(self.pid)
        self._watcher.start(self._on_end)

    def kill(self) -> None:
        """Kill the program, unless it has ended."""
        if self._code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for the end, and return the exit code, or the signal's number below 0."""
        self._ended.wait()
        assert self._code is not None
        return self._code

    def _on_end(self) -> None:
        self._code = os.waitstatus_to_exitcode(self._watcher.rstatus)
        self._watcher.stop()
        self._watcher.close()
        self._ended.set()
