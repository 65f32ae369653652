"""A worker's way to the keeper: find it or start it, and know the engine's state without asking.

The lifeline is one idle connection: as long as it is open, the keeper has somebody to live for. What the keeper
pushes down it is all that `/health` needs.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from _socket import SocketType as RawSocket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpu import errors
from bpu.engine import hub, protocol
from bpu.engine.launch import Launch
from bpu.engine.plan import PROJECT
from bpu.engine.slot import try_lock
from bpu.engine.status import STOPPED, Status

START_LIMIT_S = 10.0
RECONNECT_S = 0.2
ANSWER_LIMIT_S = 5.0
LAST_LINES = 8
_BACKLOG_PAUSE_S = 0.005


class Link:
    """One worker's lifeline. `status` is the newest picture of the engine, with moments instead of ages."""

    def __init__(self, launch: Launch, *, quiet: bool = False) -> None:
        self.launch, self._quiet = launch, quiet
        self.folder = Path(launch.state_dir)
        self.status: Status = {
            **STOPPED,
            "simulated": launch.simulated,
            "profile": launch.profile,
            "model": launch.model,
        }
        self.problem: errors.BpuError | None = None
        self._closing = False
        self._sock: RawSocket | None = None
        self._spare: RawSocket | None = None
        self._greenlet: Any = None
        self._heard = hub.Flag()
        self.on_change: Callable[[], None] = lambda: None

    def start(self, patience_s: float = 0.0) -> None:
        """Hold a lifeline from now on, whatever becomes of the keeper at its other end.

        The first picture of the engine is waited for up to `patience_s`, so that nobody is shown an empty one.
        """
        if self._greenlet is None:
            self._greenlet = hub.spawn(self._hold)
            self._heard.wait(patience_s)

    def close(self) -> None:
        """Let go of the keeper: nobody here needs it any more."""
        self._closing = True
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
            self._greenlet = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._drop_spare()

    # The lifeline

    def _hold(self) -> None:
        while not self._closing:
            try:
                self._listen(self.connect())
                self.problem = None
            except errors.BpuError as error:
                self._lost(error)
            hub.sleep(RECONNECT_S if self.problem is None else 1.0)

    def _listen(self, sock: RawSocket) -> None:
        self._sock = sock
        reader = hub.Reader(sock.fileno())
        try:
            protocol.send(sock, {"op": "attach", "fingerprint": self.launch.fingerprint})
            while True:
                packet = protocol.receive(sock)
                if packet is None:
                    reader.wait(None)
                else:
                    self._hear(packet[0])
        except protocol.Closed:
            self._lost(None)
        finally:
            reader.close()
            sock.close()
            self._sock = None

    def _hear(self, message: protocol.Message) -> None:
        if message["say"] == "refused":
            raise error_from(message)
        if message["say"] == "status":
            self.problem, self.status = None, message["status"]
            self._heard.set()
            self.on_change()

    def _lost(self, problem: errors.BpuError | None) -> None:
        self.problem = problem
        self._drop_spare()
        if not self._closing:
            self.status = {**STOPPED, **{key: self.status[key] for key in ("simulated", "profile", "model")}}
            self.status["since_at"] = time.monotonic()
            if problem is not None:
                self.status.update(state="failed", error=problem.message, person=problem.status == 424)
            self.on_change()

    # Connections

    def connect(self) -> RawSocket:
        """A new connection to the keeper, which is started if there is none. Raises `BpuError`."""
        return self._find() or self._start_keeper()

    def _find(self) -> RawSocket | None:
        while True:
            try:
                return protocol.connect(self.folder)
            except BlockingIOError:
                hub.sleep(_BACKLOG_PAUSE_S)

    def line(self, hear: Callable[[protocol.Message, list[int]], None], gone: Callable[[], None]) -> Line:
        """A connection of a job's own. Raises `BpuError`."""
        sock, self._spare = self._spare or self.connect(), None
        return Line(sock, hear, gone)

    def keep_ready(self) -> None:
        """Connect for the next job, while nobody waits for it."""
        if self._spare is None and not self._closing:
            with contextlib.suppress(BlockingIOError):
                self._spare = protocol.connect(self.folder)

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()

    def order(self, message: protocol.Message, *, start: bool = True) -> bool:
        """Send an order over a connection of its own; whether the keeper did it. Raises `BpuError`."""
        sock = self.connect() if start else self._find()
        if sock is None:
            return False
        reader = hub.Reader(sock.fileno())
        try:
            protocol.send(sock, message)
            while (packet := protocol.receive(sock)) is None:
                if not reader.wait(ANSWER_LIMIT_S):
                    raise errors.EngineTimeout("The engine's keeper does not answer.")
            return bool(packet[0].get("done"))
        except protocol.Closed:
            return False
        finally:
            reader.close()
            sock.close()

    # Starting

    def _start_keeper(self) -> RawSocket:
        """Start a keeper, unless somebody else is doing so right now. Raises `BpuError`."""
        deadline = time.monotonic() + START_LIMIT_S
        lock_path = self.folder / "start.lock"
        while time.monotonic() < deadline:
            lease = try_lock(lock_path, create=True)
            try:
                sock = self._find()
                if sock is None and lease is not None:
                    self._run_keeper(deadline)
                    sock = self._find()
            finally:
                if lease is not None:
                    lease.close()
            if sock is not None:
                return sock
            hub.sleep(0.02)
        raise errors.EngineStopping("The engine's keeper could not be started in time; try again.", retry_after=5)

    def _run_keeper(self, deadline: float) -> None:
        keeper = subprocess.Popen(
            [sys.executable, "-S", "-m", "bpu.engine.keeper", self.launch.state_dir],
            cwd=PROJECT,
            env={**self.launch.env, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if self._quiet else None,
            start_new_session=True,
        )
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        with keeper, keeper.stdin, keeper.stdout:
            keeper.stdin.write(self.launch.to_json().encode())
            keeper.stdin.close()
            reader = hub.Reader(keeper.stdout.fileno())
            try:
                word = keeper.stdout.readline() if reader.wait(deadline - time.monotonic()) else b""
            finally:
                reader.close()
        if not word:
            raise errors.EngineStopping("The engine's keeper did not start; try again.", retry_after=5)
        report = json.loads(word)
        if "error" in report:
            raise errors.EngineUnavailable(report["error"])


class Line:
    """One job's connection. `hear` gets each message with its descriptors, in the event loop; `gone` is its end."""

    def __init__(
        self, sock: RawSocket, hear: Callable[[protocol.Message, list[int]], None], gone: Callable[[], None]
    ) -> None:
        self._sock: RawSocket | None = sock
        self._hear, self._gone = hear, gone
        self._watcher = hub.Watcher(sock.fileno(), self._listen)

    def tell(self, message: protocol.Message) -> None:
        if self._sock is None:
            return
        try:
            protocol.send(self._sock, message)
        except protocol.Closed:
            self._gone()

    def _listen(self) -> None:
        try:
            while self._sock is not None and (packet := protocol.receive(self._sock)) is not None:
                self._hear(*packet)
        except protocol.Closed:
            self._gone()

    def close(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            self._watcher.close()
            sock.close()


def error_from(message: protocol.Message) -> errors.BpuError:
    """The error that a `refused` message stands for, the console's last lines in its text."""
    kind = getattr(errors, str(message["kind"]), errors.EngineCrashed)
    error: errors.BpuError = kind(with_log(message["message"], message["log"]), retry_after=message["retry_after"])
    return error


def explained(error: errors.BpuError | None, obituary: protocol.Message | None) -> errors.BpuError | None:
    """The error of a job whose console is lost, the console's last lines in its text.

    `error` is what its worker saw wrong, None when the console has ended by itself; `obituary` the keeper's `exit`
    message, if it came. None: nothing is known.
    """
    lines = list(obituary["log"] if obituary else ())[-LAST_LINES:]
    if error is not None:
        return type(error)(with_log(error.message, lines))
    if obituary is None:
        return None
    kind = errors.EngineUnavailable if obituary["person"] else errors.EngineCrashed
    how = f" ({obituary['how']})" if obituary["how"] else ""
    return kind(with_log(f"{obituary['message']}{how}", lines))


def with_log(text: str, lines: list[str]) -> str:
    """`text`, and the console's last lines where it has any. They are log lines only, nobody's words."""
    return text + " The console's last lines: " + " | ".join(lines) if lines else text
