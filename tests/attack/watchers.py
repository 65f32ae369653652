"""What goes on beside the requests of a cell: stopped processes, restarts, and eyes on what is open without a key."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException

import psutil

from tests.attack.jobs import NONCE
from tests.support.waits import let_pass
from tests.witness.program import Event, WitnessGateway

STOPPED_CONSOLE_S = 1.0
MAX_STOP_S = 10.0
RESTART_EVERY_S = 10.0
POLL_S = 0.01
#: Words of the examination, which must show as little as those of a client.
EXAMINATION = "secret word"


class Watcher:
    """Runs `step` again and again in a thread until the cell is over.

    `acts` counts what it did, and `failure` is what ended it before: a cell in which nothing was done shows nothing.
    """

    def __init__(self, gateway: WitnessGateway) -> None:
        self.gateway = gateway
        self.over = threading.Event()
        self.acts, self.failure = 0, ""
        self._seen = len(gateway.trace())

    def run(self) -> None:
        while not self.over.is_set():
            try:
                with suppress(OSError, HTTPException, ValueError, psutil.Error):
                    self.step()
            except AssertionError as error:
                self.failure = str(error)
                return
            let_pass(POLL_S)

    def step(self) -> None:
        """One look."""

    def new_events(self) -> list[Event]:
        """Events of the trace since the last call."""
        events = self.gateway.trace()
        new_events, self._seen = events[self._seen :], len(events)
        return new_events

    def signal_workers(self, number: int) -> None:
        for worker in self.gateway.workers():
            with suppress(psutil.Error):
                worker.send_signal(number)

    def wait_for_event(self, *names: str, seconds: float) -> bool:
        for _ in range(int(seconds / POLL_S)):
            if any(event.name in names for event in self.new_events()):
                return True
            let_pass(POLL_S)
        return False


class StoppedConsole(Watcher):
    """Lets a console that has stopped itself go on after a second."""

    def step(self) -> None:
        for console in self.gateway.consoles():
            if console.status() == psutil.STATUS_STOPPED:
                let_pass(STOPPED_CONSOLE_S)
                console.send_signal(signal.SIGCONT)
                self.acts += 1


class WorkersMissTheEnd(Watcher):
    """Stops all workers from before the false end until the true one."""

    begins = "work"

    def step(self) -> None:
        if any(event.name == self.begins for event in self.new_events()):
            self.stop_until_end()

    def stop_until_end(self) -> None:
        self.signal_workers(signal.SIGSTOP)
        try:
            self.wait_for_event("end", seconds=MAX_STOP_S)
            let_pass(0.05)
        finally:
            self.signal_workers(signal.SIGCONT)
            self.acts += 1


class WorkersMissTheRest(WorkersMissTheEnd):
    """Stops all workers once the next line is written, until the attacker's true end."""

    def step(self) -> None:
        if any(event.name == "silent" for event in self.new_events()):
            self.wait_for_event("read", seconds=0.12)
            self.stop_until_end()


class Restarts(Watcher):
    """Restarts the service every ten seconds; `up` is clear meanwhile."""

    def __init__(self, gateway: WitnessGateway) -> None:
        super().__init__(gateway)
        self.up = threading.Event()
        self.up.set()

    def step(self) -> None:
        if self.over.wait(RESTART_EVERY_S):
            return
        self.up.clear()
        try:
            self.gateway.stop()
            self.gateway.start()
            self.gateway.wait_for("ready")
            self.acts += 1
        finally:
            self.up.set()


class LeakReader(Watcher):
    """Reads `/health` and `/v1/logs`, and collects what must not be there."""

    def __init__(self, gateway: WitnessGateway) -> None:
        super().__init__(gateway)
        self.leaks: set[str] = set()

    def step(self) -> None:
        self.search(json.dumps(self.gateway.health()))
        connection = HTTPConnection("127.0.0.1", self.gateway.port, timeout=2)
        try:
            connection.request("GET", "/v1/logs")
            response = connection.getresponse()
            with suppress(TimeoutError):
                while not self.over.is_set() and (line := response.readline()):
                    self.search(line.decode(errors="replace"))
        finally:
            connection.close()

    def search(self, text: str) -> None:
        self.leaks.update(NONCE.findall(text))
        self.leaks.update(mark for mark in ("{{new}}", EXAMINATION) if mark in text)


WATCHERS: dict[str, Callable[[WitnessGateway], Watcher]] = {
    "console": StoppedConsole,
    "end": WorkersMissTheEnd,
    "written": WorkersMissTheRest,
    "restart": Restarts,
}


@contextmanager
def run_watchers(gateway: WitnessGateway, kind: str) -> Iterator[tuple[LeakReader, Watcher | None]]:
    reader = LeakReader(gateway)
    other = WATCHERS[kind](gateway) if kind else None
    watchers = [reader, *([other] if other else [])]
    threads = [threading.Thread(target=watcher.run, daemon=True) for watcher in watchers]
    for thread in threads:
        thread.start()
    try:
        yield reader, other
    finally:
        for watcher in watchers:
            watcher.over.set()
        for thread in threads:
            thread.join(30)
