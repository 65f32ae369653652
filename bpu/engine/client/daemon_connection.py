"""A worker's way to the keeper: find it or start it, and know the engine's state without asking.

The lifeline is one idle connection: as long as it is open, the keeper has somebody to live for. What the keeper
pushes down it is all that `/health` needs.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from _socket import SocketType as RawSocket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpu import errors, gevent_io
from bpu.engine import protocol
from bpu.engine.file_locks import SLOT_NAME, is_lockable, try_lock
from bpu.engine.launch_spec import LaunchSpec, LaunchTable, table_of
from bpu.engine.status import STOPPED, Status
from bpu.project import IMPORT_ROOT

log = logging.getLogger("bpu.engine")

START_LIMIT_S = 10.0
#: Pauses between two tries to reach a keeper: the first, and the longest after failures in a row.
RECONNECT_S, LONGEST_RECONNECT_S = 0.2, 2.0
ANSWER_LIMIT_S = 5.0
#: After so much silence the keeper is asked for its status; it has `ANSWER_LIMIT_S` to answer.
PING_S = 5.0
#: How long a living keeper may take to make a socket again that was deleted.
SOCKET_LIMIT_S = 2.0
#: What clients are told to wait before they ask again.
RETRY_AFTER_S = 5.0
LAST_LINES = 8
_BACKLOG_PAUSE_S = 0.005
_POLL_S = 0.02


class DaemonClient:
    """One worker's lifeline. `status` is the newest picture of the engine, with moments instead of ages."""

    def __init__(self, launches: LaunchTable | LaunchSpec, *, quiet: bool = False) -> None:
        self.table = launches if isinstance(launches, LaunchTable) else table_of(launches)
        self.launch = launch = self.table.default_launch
        self._quiet = quiet
        self.folder = Path(launch.state_dir)
        self.status: Status = {
            **STOPPED,
            "simulated": launch.simulated,
            "cpu": launch.cpu,
            "profile": launch.profile,
            "model": launch.model,
        }
        self.problem: errors.BpuError | None = None
        self._closing = False
        self._sock: RawSocket | None = None
        self._spare: RawSocket | None = None
        self._greenlet: Any = None
        self._heard = gevent_io.Flag()
        self.on_change: Callable[[], None] = lambda: None
        #: Called when the keeper has stopped answering: whoever waits for it is told.
        self.on_silence: Callable[[errors.BpuError], None] = lambda error: None

    def start(self, patience_s: float = 0.0) -> None:
        """Hold a lifeline from now on, whatever becomes of the keeper at its other end.

        The first picture of the engine is waited for up to `patience_s`, so that nobody is shown an empty one.
        """
        if self._greenlet is None:
            self._greenlet = gevent_io.spawn(self._hold)
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
        """The lifeline's greenlet: it tries again whatever it meets, with a pause that grows with failures in a row."""
        pause = RECONNECT_S
        while not self._closing:
            try:
                self._listen(self.connect())
                self.problem, pause = None, RECONNECT_S
            except Exception as error:
                self._lost(_problem(error))
                pause = min(LONGEST_RECONNECT_S, 2 * pause)
            gevent_io.sleep(pause)

    def _listen(self, sock: RawSocket) -> None:
        reader = gevent_io.Reader(sock.fileno())
        self._sock = sock
        try:
            protocol.send(sock, {"op": "attach", **self.naming(self.launch)})
            for launch in self.table.launches:
                if launch is not self.launch and not protocol.send(sock, {"op": "model", **self.naming(launch)}):
                    break  # a job brings its launch by itself
            while True:
                packet = protocol.receive(sock)
                if packet is not None:
                    self._hear(packet[0])
                elif not reader.wait(PING_S):
                    self._ping(sock, reader)
        except protocol.Closed:
            self._lost(None)
        finally:
            reader.close()
            sock.close()
            self._sock = None

    def naming(self, launch: LaunchSpec) -> protocol.Message:
        """The fields by which a message names a launch, so that a keeper that does not know it can take it in."""
        return {
            "fingerprint": launch.fingerprint,
            "launch": launch.text,
            "table": self.table.fingerprint,
            "previous": list(self.table.previous),
        }

    def _ping(self, sock: RawSocket, reader: gevent_io.Reader) -> None:
        """Ask a keeper that has said nothing for a while; one that does not answer is reported until it does."""
        protocol.send(sock, {"op": "status"})
        if reader.wait(ANSWER_LIMIT_S):
            return
        problem = _unanswered(protocol.peer_ids(sock)[0])
        self._lost(problem)
        self.on_silence(problem)

    def _hear(self, message: protocol.Message) -> None:
        if message["say"] == "refused":
            raise error_from(message)
        if message["say"] == "status":
            self.problem, self.status = None, message["status"]
            self._heard.set()
            self._tell_change()

    def _lost(self, problem: errors.BpuError | None) -> None:
        self.problem = problem
        self._drop_spare()
        if self._closing:
            return
        self.status = {**STOPPED, **{key: self.status[key] for key in ("simulated", "cpu", "profile", "model")}}
        self.status["since_at"] = time.monotonic()
        if problem is not None:
            self.status.update(_failure(problem))
        self._tell_change()

    def _tell_change(self) -> None:
        try:
            self.on_change()
        except Exception as error:
            log.error("A change of the engine's state could not be shown: %s.", type(error).__name__)

    # Connections

    def connect(self) -> RawSocket:
        """A new connection to the keeper, which is started if there is none. Raises `BpuError`."""
        try:
            return self._find() or self._ask_for_socket() or self._start_keeper()
        except (OSError, ValueError) as error:
            raise _problem(error) from error

    def _find(self) -> RawSocket | None:
        """A connection to a keeper that listens, or None. Raises `BlockingIOError` when its backlog stays full."""
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while True:
            try:
                return protocol.connect(self.folder)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
                gevent_io.sleep(_BACKLOG_PAUSE_S)

    def _ask_for_socket(self) -> RawSocket | None:
        """The socket's file is gone, but the keeper lives: it makes the file again. None when the keeper is gone, too.

        Raises `EngineStopping` when the keeper cannot do so.
        """
        deadline = time.monotonic() + SOCKET_LIMIT_S
        while (lifeline := self._sock) is not None:
            try:
                protocol.send(lifeline, {"op": "listen"})
            except protocol.Closed:
                return None
            gevent_io.sleep(_POLL_S)
            if (sock := self._find()) is not None:
                return sock
            if time.monotonic() >= deadline:
                message = f"The engine's keeper cannot be reached in {self.folder}: its socket is gone."
                raise errors.EngineStopping(f"{message} {errors.STATE_FOLDER_REMEDY}", retry_after=RETRY_AFTER_S)
        return None

    def line(self, hear: Callable[[protocol.Message, list[int]], None], gone: Callable[[], None]) -> JobChannel:
        """A connection of a job's own. Raises `BpuError`."""
        if (problem := self.silence) is not None:
            raise problem
        sock, self._spare = self._spare or self.connect(), None
        return JobChannel(sock, hear, gone)

    def keep_ready(self) -> bool:
        """Connect for the next job, while no client waits for it; whether there is such a connection now."""
        if self._spare is None and not self._closing:
            try:
                self._spare = protocol.connect(self.folder)
                if self._spare is None and self._sock is not None:
                    protocol.send(self._sock, {"op": "listen"})
            except (OSError, protocol.Closed):
                return False
        return self._spare is not None

    @property
    def silence(self) -> errors.EngineStopping | None:
        """Why a new job would get no answer from a keeper that is there; None as far as this process can know.

        A keeper that hangs is noticed by `_ping`; one that is stopped (SIGSTOP) can be seen at once.
        """
        if self._sock is None:
            return None
        if isinstance(self.problem, errors.EngineStopping):
            return self.problem
        pid, _uid, _gid = protocol.peer_ids(self._sock)
        return _unanswered(pid) if _is_stopped(pid) else None

    @property
    def current_status(self) -> Status:
        """The newest picture of the engine; a failed one while its keeper is stopped."""
        problem = self.silence
        return self.status if problem is None or problem is self.problem else {**self.status, **_failure(problem)}

    @property
    def is_reachable(self) -> bool:
        """Whether a new job would reach the keeper and could take the slot, as far as this can be known at once."""
        return is_lockable(self.folder / SLOT_NAME) and (
            self._sock is None or (self.silence is None and self.keep_ready())
        )

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()

    def order(self, message: protocol.Message, *, start: bool = True) -> bool:
        """Send an order over a connection of its own; whether the keeper did it. Raises `BpuError`."""
        try:
            sock = self.connect() if start else self._find() or self._ask_for_socket()
        except OSError as error:
            raise _problem(error) from error
        if sock is None:
            return False
        reader = gevent_io.Reader(sock.fileno())
        try:
            protocol.send(sock, message)
            while (packet := protocol.receive(sock)) is None:
                if not reader.wait(ANSWER_LIMIT_S):
                    raise errors.EngineStopping("The engine's keeper does not answer.", retry_after=RETRY_AFTER_S)
            if packet[0].get("say") == "refused":
                raise error_from(packet[0])
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
            gevent_io.sleep(_POLL_S)
        raise errors.EngineStopping("The engine's keeper could not be started in time; try again.", retry_after=5)

    def _run_keeper(self, deadline: float) -> None:
        keeper = subprocess.Popen(
            [sys.executable, "-S", "-m", "bpu.engine.keeper", self.launch.state_dir],
            cwd=IMPORT_ROOT,
            env={**self.launch.env, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if self._quiet else None,
            start_new_session=True,
        )
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        with keeper, keeper.stdin, keeper.stdout:
            keeper.stdin.write(self.table.to_json().encode())
            keeper.stdin.close()
            reader = gevent_io.Reader(keeper.stdout.fileno())
            try:
                word = keeper.stdout.readline() if reader.wait(deadline - time.monotonic()) else b""
            finally:
                reader.close()
        if not word:
            raise errors.EngineStopping("The engine's keeper did not start; try again.", retry_after=5)
        report = json.loads(word)
        if "error" in report:
            raise errors.EngineUnavailable(report["error"])


class JobChannel:
    """One job's connection. `hear` gets each message with its descriptors, in the event loop; `gone` is its end.

    `hear` must not raise: it leaves its job in a consistent state whatever happens.
    """

    def __init__(
        self, sock: RawSocket, hear: Callable[[protocol.Message, list[int]], None], gone: Callable[[], None]
    ) -> None:
        self._sock: RawSocket | None = sock
        self._hear, self._gone = hear, gone
        self._watcher = gevent_io.Watcher(sock.fileno(), self._listen)

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


def _problem(error: Exception) -> errors.BpuError:
    """The error that a client is told when the keeper cannot be reached for a reason that nobody foresaw."""
    if isinstance(error, errors.BpuError):
        return error
    reason = str(error) if isinstance(error, OSError) else type(error).__name__
    message = f"The engine cannot be reached: {reason}. {errors.STATE_FOLDER_REMEDY}"
    return errors.EngineStopping(message, retry_after=RETRY_AFTER_S)


def _failure(problem: errors.BpuError) -> Status:
    """What `problem` changes in the engine's status."""
    wait = {} if problem.retry_after is None else {"retry_at": time.monotonic() + problem.retry_after}
    return {"state": "failed", "error": problem.message, "person": problem.status == 424, **wait}


def _unanswered(pid: int) -> errors.EngineStopping:
    return errors.EngineStopping(
        f"The engine's keeper, pid {pid}, does not answer. If it is stopped, continue it (kill -CONT {pid}); "
        f"if it hangs, end it (kill -KILL {pid}), and the next one starts by itself.",
        retry_after=RETRY_AFTER_S,
    )


def _is_stopped(pid: int) -> bool:
    """Whether the process `pid` is stopped by a signal or a debugger."""
    try:
        # The name in parentheses may hold anything, even parentheses.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] in (b"T", b"t")
    except OSError:
        return False


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
