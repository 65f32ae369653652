"""A client's connections to the keeper.

They are its lifeline, with the newest status, and those of jobs and orders. The lifeline is one idle connection: the
keeper runs while at least one is open, and sends every change of its status, so that `/health` is answered from memory.
"""

from __future__ import annotations

import logging
import time
from _socket import SocketType as RawSocket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bpu import errors, gevent_io
from bpu.engine import protocol
from bpu.engine.client.keeper_errors import RETRY_AFTER_S, connect_error, error_from, no_answer_error
from bpu.engine.client.keeper_start import start_keeper
from bpu.engine.file_locks import SLOT_NAME, is_lockable
from bpu.engine.launch_spec import LaunchSpec, LaunchTable, table_of
from bpu.engine.messages import (
    Attach,
    BadPacket,
    GetStatus,
    ListenAgain,
    Message,
    OfferLaunch,
    OrderDone,
    Refusal,
    StatusUpdate,
)
from bpu.engine.states import State
from bpu.engine.status import STOPPED, EngineStatus

log = logging.getLogger("bpu.engine")

#: Pauses between two tries to reach a keeper: the first, and the longest after failures in a row.
RECONNECT_S, LONGEST_RECONNECT_S = 0.2, 2.0
ANSWER_LIMIT_S = 5.0
#: A keeper that sent nothing for so long is asked for its status; it has `ANSWER_LIMIT_S` to answer.
PING_S = 5.0
#: How long a running keeper may take to make a deleted socket again.
SOCKET_LIMIT_S = 2.0
_POLL_S = 0.02


class DaemonClient:
    """Holds one process's lifeline, and opens its other connections.

    The `Engine` of a worker or command owns it, and a greenlet of its own keeps the lifeline. `status` is the newest
    status of the engine; `problem` is why there is no keeper, if that is known.
    """

    def __init__(self, launches: LaunchTable | LaunchSpec, *, is_command: bool = False) -> None:
        self.table = launches if isinstance(launches, LaunchTable) else table_of(launches)
        self.launch = launch = self.table.default_launch
        self._is_command = is_command
        self.folder = Path(launch.state_dir)
        self.status: EngineStatus = replace(
            STOPPED, simulated=launch.simulated, cpu=launch.cpu, profile=launch.profile, model=launch.model
        )
        self.problem: errors.BpuError | None = None
        self._closing = False
        self._sock: RawSocket | None = None
        self._spare: RawSocket | None = None
        self._greenlet: Any = None
        self._status_received = gevent_io.Flag()
        self.on_change: Callable[[], None] = lambda: None
        #: Called when the keeper has stopped answering, with the error for the jobs that wait for it.
        self.on_no_answer: Callable[[errors.BpuError], None] = lambda error: None

    def start(self, timeout_s: float = 0.0) -> None:
        """Hold a lifeline from now on; it is opened again whenever the keeper ends.

        Waits up to `timeout_s` for the first status, so that the first requests are not shown an empty one.
        """
        if self._greenlet is None:
            self._greenlet = gevent_io.spawn(self._keep_lifeline)
            self._status_received.wait(timeout_s)

    def close(self) -> None:
        """Close the lifeline: this process does not need the keeper any more."""
        self._closing = True
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
            self._greenlet = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._close_spare()

    # The lifeline

    def _keep_lifeline(self) -> None:
        """Run in the lifeline's greenlet.

        Connect again after every error, with longer pauses after repeated ones.
        """
        pause = RECONNECT_S
        while not self._closing:
            try:
                self._read_lifeline(self.connect())
                self.problem, pause = None, RECONNECT_S
            except Exception as error:
                self._on_disconnect(connect_error(error))
                pause = min(LONGEST_RECONNECT_S, 2 * pause)
            gevent_io.sleep(pause)

    def _read_lifeline(self, sock: RawSocket) -> None:
        reader = gevent_io.Reader(sock.fileno())
        self._sock = sock
        try:
            self._attach(sock)
            while True:
                packet = protocol.receive(sock)
                if packet is not None:
                    self._on_message(packet[0])
                elif not reader.wait(PING_S):
                    self._ping(sock, reader)
        except protocol.Closed:
            self._on_disconnect(None)
        except BadPacket as error:
            raise errors.EngineStopping(
                f"The engine's keeper of {self.folder} sent a message that this version does not know ({error}): stop "
                "the other gateway that uses this folder, or update it.",
                retry_after=RETRY_AFTER_S,
            ) from error
        finally:
            reader.close()
            sock.close()
            self._sock = None

    def _attach(self, sock: RawSocket) -> None:
        if self._is_command:
            # Without a table the keeper takes no limits from this process: they are those of its gateway.
            protocol.send(sock, Attach(fingerprint=self.launch.fingerprint))
            return
        protocol.send(sock, Attach(**self.launch_fields(self.launch)))
        for launch in self.table.launches:
            if launch is not self.launch and not protocol.send(sock, OfferLaunch(**self.launch_fields(launch))):
                break  # a job brings its launch by itself

    def launch_fields(self, launch: LaunchSpec) -> dict[str, Any]:
        """The fields of `NamesLaunch` for a launch of this process's table."""
        return {
            "fingerprint": launch.fingerprint,
            "launch": launch.text,
            "table": self.table.fingerprint,
            "previous": self.table.previous,
        }

    def _ping(self, sock: RawSocket, reader: gevent_io.Reader) -> None:
        """Ask a silent keeper for its status.

        One that does not answer is a problem until it does.
        """
        protocol.send(sock, GetStatus())
        if reader.wait(ANSWER_LIMIT_S):
            return
        problem = no_answer_error(protocol.peer_ids(sock)[0])
        self._on_disconnect(problem)
        self.on_no_answer(problem)

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Refusal):
            raise error_from(message)
        if isinstance(message, StatusUpdate):
            self.problem, self.status = None, message.status
            self._status_received.set()
            self._notify_change()

    def _on_disconnect(self, problem: errors.BpuError | None) -> None:
        self.problem = problem
        self._close_spare()
        if self._closing:
            return
        last = self.status
        self.status = replace(
            STOPPED,
            since_at=time.monotonic(),
            simulated=last.simulated,
            cpu=last.cpu,
            profile=last.profile,
            model=last.model,
        )
        if problem is not None:
            self.status = _failed(self.status, problem)
        self._notify_change()

    def _notify_change(self) -> None:
        try:
            self.on_change()
        except Exception as error:
            log.error("A change of the engine's state could not be shown: %s.", type(error).__name__)

    # Connections

    def connect(self) -> RawSocket:
        """A new connection to the keeper, which is started if there is none. Raises `BpuError`."""
        try:
            if (sock := self._find() or self._restore_socket()) is not None:
                return sock
            return start_keeper(self.table, self._find, quiet=self._is_command)
        except (OSError, ValueError) as error:
            raise connect_error(error) from error

    def _find(self) -> RawSocket | None:
        """A connection to a keeper that listens, or None.

        Raises `BlockingIOError` when its backlog stays full.
        """
        return protocol.connect_within(self.folder, ANSWER_LIMIT_S, sleep=gevent_io.sleep)

    def _restore_socket(self) -> RawSocket | None:
        """Ask the keeper to make the socket's deleted file again, and connect.

        Return None when the keeper is gone, too. Raises `EngineStopping` when the keeper cannot do so.
        """
        deadline = time.monotonic() + SOCKET_LIMIT_S
        while (lifeline := self._sock) is not None:
            try:
                protocol.send(lifeline, ListenAgain())
            except protocol.Closed:
                return None
            gevent_io.sleep(_POLL_S)
            if (sock := self._find()) is not None:
                return sock
            if time.monotonic() >= deadline:
                message = f"The engine's keeper cannot be reached in {self.folder}: its socket is gone."
                raise errors.EngineStopping(f"{message} {errors.STATE_FOLDER_REMEDY}", retry_after=RETRY_AFTER_S)
        return None

    def open_job_channel(
        self, on_message: Callable[[Message, list[int]], None], on_closed: Callable[[], None]
    ) -> JobChannel:
        """Open a job's connection. Raises `BpuError`."""
        if (problem := self.no_answer_error) is not None:
            raise problem
        sock, self._spare = self._spare or self.connect(), None
        return JobChannel(sock, on_message, on_closed)

    def keep_ready(self) -> bool:
        """Connect in advance for the next job; returns whether there is such a connection now."""
        if self._spare is None and not self._closing:
            try:
                self._spare = protocol.connect(self.folder)
                if self._spare is None and self._sock is not None:
                    protocol.send(self._sock, ListenAgain())
            except (OSError, protocol.Closed):
                return False
        return self._spare is not None

    @property
    def no_answer_error(self) -> errors.EngineStopping | None:
        """The error for a new job that a running keeper would not answer.

        It is None if it is not known to hang. A keeper that hangs is noticed by `_ping`; one that is stopped (SIGSTOP)
        can be seen at once.
        """
        if self._sock is None:
            return None
        if isinstance(self.problem, errors.EngineStopping):
            return self.problem
        pid, _uid, _gid = protocol.peer_ids(self._sock)
        return no_answer_error(pid) if _is_stopped(pid) else None

    @property
    def current_status(self) -> EngineStatus:
        """The newest status of the engine; a failed one while its keeper is stopped."""
        problem = self.no_answer_error
        return self.status if problem is None or problem is self.problem else _failed(self.status, problem)

    @property
    def is_reachable(self) -> bool:
        """Whether a new job would reach the keeper and could take the slot.

        This is what can be known at once. Without a lifeline it is false, because only the start of a keeper shows
        whether one can be started.
        """
        return (
            self._sock is not None
            and is_lockable(self.folder / SLOT_NAME)
            and self.no_answer_error is None
            and self.keep_ready()
        )

    def _close_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()

    def order(self, message: Message, *, start: bool = True) -> bool:
        """Send an order over a connection of its own; returns whether the keeper did it.

        Raises `BpuError`. `start`: start a keeper if there is none.
        """
        try:
            sock = self.connect() if start else self._find() or self._restore_socket()
        except OSError as error:
            raise connect_error(error) from error
        if sock is None:
            return False
        reader = gevent_io.Reader(sock.fileno())
        try:
            answer = protocol.ask(sock, message, wait_readable=reader.wait, limit_s=ANSWER_LIMIT_S)
        except TimeoutError:
            silent = "The engine's keeper does not answer."
            raise errors.EngineStopping(silent, retry_after=RETRY_AFTER_S) from None
        except (protocol.Closed, BadPacket):
            return False
        finally:
            reader.close()
            sock.close()
        if isinstance(answer, Refusal):
            raise error_from(answer)
        return isinstance(answer, OrderDone) and answer.done


class JobChannel:
    """One job's connection, which the job owns.

    The event loop of the worker or command calls `on_message` and `on_closed`; the job's greenlets send. `on_message`
    gets each message with its descriptors. It must not raise, and leaves its job in a consistent state.
    """

    def __init__(
        self, sock: RawSocket, on_message: Callable[[Message, list[int]], None], on_closed: Callable[[], None]
    ) -> None:
        self._sock: RawSocket | None = sock
        self._on_message, self._on_closed = on_message, on_closed
        self._watcher = gevent_io.Watcher(sock.fileno(), self._read)

    def send(self, message: Message) -> None:
        """Send a message; `on_closed` is called if the keeper is gone."""
        if self._sock is None:
            return
        try:
            protocol.send(self._sock, message)
        except protocol.Closed:
            self._on_closed()

    def _read(self) -> None:
        try:
            while self._sock is not None and (packet := protocol.receive(self._sock)) is not None:
                self._on_message(*packet)
        except (protocol.Closed, BadPacket):
            self._on_closed()

    def close(self) -> None:
        """Close the connection, which ends the job in the keeper; may be called twice."""
        sock, self._sock = self._sock, None
        if sock is not None:
            self._watcher.close()
            sock.close()


def _failed(status: EngineStatus, problem: errors.BpuError) -> EngineStatus:
    """`status`, changed to a failed one by `problem`."""
    retry_at = status.retry_at if problem.retry_after is None else time.monotonic() + problem.retry_after
    return replace(status, state=State.FAILED, error=problem.message, person=problem.status == 424, retry_at=retry_at)


def _is_stopped(pid: int) -> bool:
    """Whether the process `pid` is stopped by a signal or a debugger."""
    try:
        # The name in parentheses may hold anything, even parentheses.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] in (b"T", b"t")
    except OSError:
        return False
