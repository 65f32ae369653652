"""The keeper's main module.

The process that owns the console and the queue of a board, for all its gateways. Standard library only (`python -S -m
bpu.engine.keeper`), one thread. It reads its `LaunchTable` from stdin, takes the locks of all console programs in it,
listens in the state folder and writes one line to stdout: ready, or why not. It holds the locks until it ends and the
console inherits them, so no second model can be loaded, whatever is killed. It runs while a lifeline is open: no hook
has to run when a worker is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from _socket import SocketType as RawSocket
from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

from bpu.console.diagnosis import Diagnosis
from bpu.engine import protocol
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.file_locks import FileLock, describe, holders, try_lock
from bpu.engine.keeper.connection import Connection
from bpu.engine.keeper.console_locks import ConsoleLocks, file_id
from bpu.engine.keeper.event_loop import Loop
from bpu.engine.keeper.job_connection import refuse
from bpu.engine.keeper.kv_cache import UNKNOWN, Cache
from bpu.engine.keeper.orphans import end_orphans, end_processes, lock_holders, read_process, saved_console
from bpu.engine.keeper.queue import Ticket
from bpu.engine.keeper.scheduler import Scheduler
from bpu.engine.keeper.status_report import status_of
from bpu.engine.keeper.supervisor import Supervisor
from bpu.engine.keeper.transition_log import TransitionLog, format_note, where
from bpu.engine.launch_spec import BRIEF, LaunchSpec, LaunchTable, launch_from_json, table_from_json
from bpu.engine.messages import (
    Attach,
    BadPacket,
    CancelJob,
    DeclineJob,
    EndJob,
    ExamineConsole,
    FailJob,
    GetStatus,
    ListenAgain,
    LoadModel,
    Message,
    NamesLaunch,
    NotifyShutdown,
    OfferLaunch,
    OrderDone,
    QueuePlace,
    RefusalCode,
    ReportProgress,
    StatusUpdate,
    SubmitJob,
    UnloadModel,
    name_of,
)
from bpu.engine.states import State, Transition
from bpu.engine.status import EngineStatus
from bpu.log_writer import LogWriter, describe_loss

#: How long the keeper runs without a lifeline: a reload ends idle workers before the new ones have started, which takes
#: some seconds on a board. A gateway that stops announces it.
LIFELINE_GRACE_S = 15.0
LOCK_TIMEOUT_S = 2.0
#: A console whose keeper was killed ends with its keeper; one that still lives after this is an orphan.
ORPHAN_GRACE_S = 0.3
#: How often the keeper checks its files and its console.
CHECK_INTERVAL_S = 1.0
#: More internal errors than this within so many seconds end the keeper, and workers start the next one.
ERROR_LIMIT, ERROR_SPAN_S = 5, 60.0
#: Tables of models that one keeper follows, by their fingerprints: a reload of a gateway brings a new one.
MAX_TABLES = 64
#: So long status and places wait for the lines of jobs, however short these are.
LONGEST_HOLD_S = 0.1
#: When to send the status again to a worker that did not read its lifeline.
RESEND_STATUS_S = 0.2
#: The shortest interval between messages about changed places, because short jobs change hundreds of them.
PLACES_INTERVAL_S = 1.0
#: What the waiting jobs wait for; in all other states they wait for a load.
_PHASES: dict[State, Literal["queued", "checking"]] = {State.BUSY: "queued", State.CHECKING: "checking"}


class Keeper:
    """Accepts connections, passes their messages to the scheduler, and sends the clients what has changed.

    There is one per keeper process, in its main thread; every method runs in its event loop. An unexpected exception
    ends the console, so that every state is known again; it ends the keeper only when such errors repeat.
    """

    def __init__(self, table: LaunchTable, listener: RawSocket, locks: ConsoleLocks, log: TransitionLog) -> None:
        self.launch, self.listener = table.default_launch, listener
        self._folder, self._locks = Path(self.launch.state_dir), locks
        self._tables = {table.fingerprint: None}
        self.loop = Loop(self._recover)
        self._transition_log = log
        self.scheduler = Scheduler(
            self.launch,
            *self._make_parts(self.launch),
            clock=time.monotonic,
            log=lambda text: self._transition_log.note_event("examination", text),
            make_parts=self._make_parts,
            find_shortage=_find_shortage,
        )
        for launch in table.launches:
            self.scheduler.registry.register(launch, newest=True)
        self._connections: dict[int, Connection] = {}
        self._numbers = count()
        self._since = time.monotonic()
        self._errors: list[float] = []
        self._socket_id = file_id(self._folder / protocol.SOCKET_NAME)
        self._unreachable = ""
        self._check_at = self._since + CHECK_INTERVAL_S
        self._resend_at: float | None = None
        #: When status and places can be sent, and since when they wait for the line of a job.
        self._news_at: float | None = None
        self._held_since: float | None = None
        self._places_at, self._places_pending = 0.0, False
        self._no_lifeline_since: float | None = self._since
        self._grace = LIFELINE_GRACE_S
        self._group = Path(launch.state_dir).stat().st_gid
        self._handlers: dict[type[Message], Callable[[Connection, Any], object]] = {
            Attach: self._attach,
            OfferLaunch: self._admit,
            SubmitJob: self._queue_job,
            ReportProgress: self._note_progress,
            EndJob: self._finish_job,
            DeclineJob: self._decline_job,
            FailJob: self._fail_job,
            ListenAgain: lambda connection, message: self._check_files(),
            GetStatus: lambda connection, message: connection.send(StatusUpdate(status=self._status())),
            CancelJob: self._cancel_job,
            LoadModel: self._load_model,
            UnloadModel: self._unload_model,
            ExamineConsole: self._examine_console,
            NotifyShutdown: self._note_shutdown,
        }

    def _make_parts(self, launch: LaunchSpec) -> tuple[Supervisor, ConsoleRecord]:
        record = ConsoleRecord(
            launch, warn=lambda text: self._transition_log.note_event("examination", text, level="warning")
        )
        clock = time.monotonic
        return Supervisor(launch, self._locks.fds, self.loop, clock=clock, changed=self._on_state_change), record

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of the model that has the console, or had it last."""
        return self.scheduler.supervisor

    def run(self) -> None:
        """Run until no client needs the engine any more and the console has ended."""
        self.loop.listen(self.listener.fileno(), self._accept)
        self.loop.on_signal(signal.SIGCHLD, lambda: self.supervisor.on_child())
        self.loop.on_signal(signal.SIGTERM, self.scheduler.stop)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while not (self.scheduler.stopping and self.supervisor.state in (State.STOPPED, State.FAILED)):
            try:
                self._run_once()
            except Exception as error:
                self._recover(error)
        self._transition_log.write()

    def _run_once(self) -> None:
        self._advance()
        self.loop.turn(self._timeout())
        self.supervisor.tick()
        self._stop_without_lifeline()
        if time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + CHECK_INTERVAL_S
            self.supervisor.check()
            self._check_files()

    def _recover(self, error: Exception) -> None:
        """End the console after an unexpected error, because its state may be half changed.

        Raises repeated errors.
        """
        self._transition_log.note_error(error)
        self._transition_log.write()
        now = time.monotonic()
        self._errors = [*(moment for moment in self._errors if now - moment < ERROR_SPAN_S), now]
        if len(self._errors) > ERROR_LIMIT:
            raise error
        message = f"The engine's keeper made a mistake ({where(error)}) and has ended the console."
        self.scheduler.end_console("internal", Diagnosis("internal", message, False))

    def _advance(self) -> None:
        state = None
        while state is not self.supervisor.state:
            state = self.supervisor.state
            self.scheduler.advance()
        now = time.monotonic()
        until = min(self.scheduler.hand_over_until, (self._held_since or now) + LONGEST_HOLD_S)
        if now < until:
            self._news_at, self._held_since = until, self._held_since or now
            return  # a job's line is waited for, and nothing of what follows
        self._news_at = self._held_since = None
        self._send_places()
        self._publish_status()
        self._transition_log.write()

    def _timeout(self) -> float | None:
        places_at = self._places_at if self._places_pending else None
        # News that are held back are not due before: the loop would not sleep until then.
        news = [self._resend_at, places_at] if self._news_at is None else [self._news_at]
        times = [
            self.supervisor.deadline(),
            self.scheduler.deadline(),
            self._lifeline_deadline(),
            self._check_at,
            *news,
        ]
        first = min((time for time in times if time is not None), default=None)
        return None if first is None else max(0.0, first - time.monotonic())

    # Files

    def _check_files(self) -> None:
        """Make the socket again when its file is gone or replaced.

        Stop when a lock's file is not ours any more.
        """
        try:
            if self.scheduler.stopping:
                return
            if not self._locks.still_held():
                self.scheduler.stop()
            elif file_id(self._folder / protocol.SOCKET_NAME) != self._socket_id:
                self._listen_again()
            elif not self.loop.listens(self.listener.fileno()):
                self.loop.listen(self.listener.fileno(), self._accept)
            self._unreachable = ""
        except OSError as error:
            self._unreachable = f"The socket in the state folder {self._folder} cannot be made again: {error}."

    def _listen_again(self) -> None:
        listener = protocol.listen(self._folder)
        self.loop.forget(self.listener.fileno())
        self.listener.close()
        self.listener, self._socket_id = listener, file_id(self._folder / protocol.SOCKET_NAME)
        self.loop.listen(listener.fileno(), self._accept)

    def remove_socket(self) -> None:
        """Remove the socket's file, unless it is another keeper's by now."""
        path = self._folder / protocol.SOCKET_NAME
        with contextlib.suppress(OSError):
            if file_id(path) == self._socket_id:
                path.unlink()

    # Connections

    def _accept(self) -> None:
        try:
            sock = protocol.accept(self.listener)
        except OSError:
            # No free descriptor: others wait in the backlog until the next check, instead of waking the loop for ever.
            self.loop.forget(self.listener.fileno())
            return
        if sock is None:
            return
        pid, uid, gid = protocol.peer_ids(sock)
        if uid not in (os.getuid(), 0) and gid != self._group:
            sock.close()
            return
        # A launch names a program to run: only this user and root may bring one.
        connection = Connection(sock, pid=pid, may_bring_launches=uid in (os.getuid(), 0))
        self._connections[sock.fileno()] = connection
        self.loop.listen(sock.fileno(), lambda: self._read(connection))
        # A client sends its first message at once, so it is mostly there already.
        self._read(connection)

    def _read(self, connection: Connection) -> None:
        """Read one packet.

        The loop calls again for a further one, after what this one has caused.
        """
        try:
            packet = protocol.receive(connection.sock)
            if packet is None:
                return
            message, fds = packet
            protocol.close_all(fds)
            self._handle(connection, message)
        except (protocol.Closed, BadPacket):
            self._close(connection)
        except Exception:
            self._close(connection)
            raise

    def _close(self, connection: Connection) -> None:
        fd = connection.sock.fileno()
        if fd < 0:
            return
        self.loop.forget(fd)
        del self._connections[fd]
        connection.sock.close()
        if connection.ticket is not None:
            self.scheduler.remove(connection.ticket)
        self._count_lifelines()

    def _handle(self, connection: Connection, message: Message) -> None:
        """Do what a client's message asks for. Raises `BadPacket`."""
        handler = self._handlers.get(type(message))
        if handler is None:
            raise BadPacket(f"{name_of(message)} is no message to the keeper")
        handler(connection, message)

    def _attach(self, connection: Connection, message: Attach) -> None:
        if connection.ticket is not None:
            raise BadPacket("a job's connection is no lifeline")
        if refusal := self._admit(connection, message):
            refuse(connection, RefusalCode.ENGINE_UNAVAILABLE, refusal)
            return
        connection.lifeline, self._grace = True, LIFELINE_GRACE_S
        self._count_lifelines()
        connection.send_status(self._status())

    def _admit(self, connection: Connection, message: NamesLaunch) -> str:
        """Take in the launch that a message names, and its table.

        Returns why not, "" when it can be used. A launch that is known may be used by any gateway. Another one must
        come from a table that this keeper follows, or from a table whose `previous` names one.
        """
        fingerprint, table = message.fingerprint, message.table
        follows = table in self._tables or any(one in self._tables for one in message.previous[-MAX_TABLES:])
        known = self.scheduler.registry.knows(fingerprint)
        if follows:
            self._tables[table] = None
            if len(self._tables) > MAX_TABLES:
                del self._tables[next(iter(self._tables))]
        if not known and not (follows and connection.may_bring_launches):
            return (
                f"The keeper with pid {os.getpid()} ({self.launch.state_dir}) holds the model with other settings; "
                "stop it or use them."
            )
        newest = not isinstance(message, SubmitJob) and follows and connection.may_bring_launches
        if newest or not known:
            launch = _launch(message, self.launch.state_dir)
            try:
                if not self._locks.take(launch):
                    return _lock_holder_message(Path(launch.lock_path))
            except OSError as error:
                return f"The engine's lock on {launch.lock_path} cannot be taken: {error}."
            self.scheduler.registry.register(launch, newest=newest)
            if newest:
                self.scheduler.take_limits(launch)
        return ""

    # Jobs

    def _queue_job(self, connection: Connection, message: SubmitJob) -> None:
        if refusal := self._admit(connection, message):
            refuse(connection, RefusalCode.ENGINE_UNAVAILABLE, refusal)
            return
        if connection.ticket is not None or connection.lifeline:
            raise BadPacket("this connection is in use already")
        ticket = Ticket[Any](
            arrived=min(message.arrived, time.monotonic()),
            number=next(self._numbers),
            peer=connection,
            id=message.id,
            prefix_digest=message.prefix_digest,
            tokens=message.tokens,
            continuation_tokens=message.continuation_tokens,
            needs_fresh=message.needs_fresh,
            fingerprint=message.fingerprint,
        )
        connection.ticket = ticket
        self.scheduler.join(ticket, again=message.again)

    def _running_ticket(self, connection: Connection) -> Ticket[Any] | None:
        """The ticket of the connection's job.

        It is None when the job does not run, as after the loss of its console.
        """
        ticket = connection.ticket
        return ticket if ticket is not None and ticket is self.scheduler.running else None

    def _note_progress(self, connection: Connection, message: ReportProgress) -> None:
        if self._running_ticket(connection) is not None:
            now = time.monotonic()
            first = self.scheduler.progress.get("first_at", now)
            self.scheduler.progress = {"phase": "decode", "first_at": first, "tokens": message.tokens, "tokens_at": now}

    def _finish_job(self, connection: Connection, message: EndJob) -> None:
        if (ticket := self._running_ticket(connection)) is not None:
            cache = Cache(message.digest, message.tokens, job=ticket.id) if message.digest else UNKNOWN
            self.scheduler.finish(ticket, message.report, cache, reset_sent=message.reset_sent)
            connection.ticket = None

    def _decline_job(self, connection: Connection, message: DeclineJob) -> None:
        if (ticket := self._running_ticket(connection)) is not None:
            self.scheduler.return_unused(ticket)
            connection.ticket = None

    def _fail_job(self, connection: Connection, message: FailJob) -> None:
        if (ticket := self._running_ticket(connection)) is not None:
            self.scheduler.fail(ticket, message.why, retry=message.retry)

    # Orders

    def _cancel_job(self, connection: Connection, message: CancelJob) -> None:
        self._confirm(connection, message, done=self.scheduler.cancel(message.id))

    def _load_model(self, connection: Connection, message: LoadModel) -> None:
        refusal, fingerprint = self._load_target(connection, message)
        if refusal := refusal or self.scheduler.load(fingerprint):
            refuse(connection, RefusalCode.ENGINE_UNAVAILABLE, refusal)
        else:
            self._confirm(connection, message)

    def _load_target(self, connection: Connection, message: LoadModel) -> tuple[str, str]:
        """(reason for a refusal, fingerprint) of the named model.

        Without a name it is ("", ""), which stands for the last one.
        """
        if message.fingerprint:
            return self._admit(connection, message), message.fingerprint
        fingerprint = self.scheduler.registry.fingerprint_of(message.model) if message.model else ""
        return ("", fingerprint) if fingerprint is not None else (f"The engine knows no model {message.model}.", "")

    def _unload_model(self, connection: Connection, message: UnloadModel) -> None:
        self.scheduler.unload(message.model)
        self._confirm(connection, message)

    def _examine_console(self, connection: Connection, message: ExamineConsole) -> None:
        self.scheduler.examine()
        self._confirm(connection, message)

    def _note_shutdown(self, connection: Connection, message: NotifyShutdown) -> None:
        if self._no_lifeline_since is not None:  # else another gateway is attached
            self._grace = 0.0
        self._confirm(connection, message)

    def _confirm(self, connection: Connection, order: Message, *, done: bool = True) -> None:
        connection.send(OrderDone(op=name_of(order), done=done))

    # Lifelines

    def _count_lifelines(self) -> None:
        self.scheduler.has_clients = any(connection.lifeline for connection in self._connections.values())
        if self.scheduler.has_clients:
            self._no_lifeline_since = None
        elif self._no_lifeline_since is None:
            self._no_lifeline_since = time.monotonic()

    def _lifeline_deadline(self) -> float | None:
        if self._no_lifeline_since is None or self.scheduler.stopping:
            return None
        return self._no_lifeline_since + self._grace

    def _stop_without_lifeline(self) -> None:
        until = self._lifeline_deadline()
        if until is not None and time.monotonic() >= until:
            self.scheduler.stop()

    # What clients are sent

    def _on_state_change(self, old: State, new: State, move: Transition) -> None:
        self._since = time.monotonic()
        fault = self.supervisor.fault
        reason = fault.message if new is State.FAILED and fault is not None else ""
        self._transition_log.note(old, new, move, reason, model=self.scheduler.launch.model)
        self.scheduler.console_changed(old, new, move)

    def _status(self) -> EngineStatus:
        status = status_of(self.scheduler, self._since)
        if self._unreachable:
            return replace(status, state=State.FAILED, error=self._unreachable, retry_at=self._check_at)
        return status

    def _publish_status(self) -> None:
        status = self._status()
        lifelines = [connection for connection in self._connections.values() if connection.lifeline]
        behind = [connection for connection in lifelines if not connection.send_status(status)]
        self._resend_at = time.monotonic() + RESEND_STATUS_S if behind else None

    def _send_places(self) -> None:
        """Send a new job its place at once, and others at intervals.

        A changed place is sent at most every `PLACES_INTERVAL_S`.
        """
        phase: Literal["queued", "checking", "loading"] = _PHASES.get(self.supervisor.state, "loading")
        due, self._places_pending = time.monotonic() >= self._places_at, False
        for index, ticket in enumerate(self.scheduler.waiting, 1):
            known, place = ticket.peer.place, (index, phase)
            if known == place:
                continue
            if known is not None and not due:
                self._places_pending = True
                continue
            ticket.peer.place = place
            ticket.peer.send(QueuePlace(position=index, phase=phase))
            if known is not None:
                self._places_at = time.monotonic() + PLACES_INTERVAL_S


def _launch(message: NamesLaunch, state_dir: str) -> LaunchSpec:
    """The launch in a message. Raises `BadPacket`."""
    try:
        launch = launch_from_json(message.launch)
    except ValueError as error:
        raise BadPacket("not a launch") from error
    if launch.fingerprint != message.fingerprint or launch.state_dir != state_dir:
        raise BadPacket("another launch than it names")
    return launch


def main() -> int:
    """Run a keeper.

    The exit code is 0 when it was not needed any more, 1 when it could not serve.
    """
    table = table_from_json(sys.stdin.read())
    if os.fork():
        # The daemon is not a child of the worker that started it, because that worker may never wait for it.
        os._exit(0)
    launch = table.default_launch
    log = LogWriter(on_loss=lambda lines: format_note(launch.log_format, "log_lost", describe_loss(lines).strip()))
    sys.stderr = log
    folder = Path(launch.state_dir)
    locks = ConsoleLocks()
    for lock_path in table.lock_paths:
        owned = all(one.owns_lock for one in table.launches if one.lock_path == lock_path)
        try:
            lock = _lock_within(LOCK_TIMEOUT_S, Path(lock_path), folder, create=owned)
            if lock is None and _is_served(folder):
                return _report({"ready": 0})
        except OSError as error:
            return _report({"error": f"The engine's lock on {lock_path} cannot be taken: {error}."})
        if lock is None:
            return _report({"error": _lock_holder_message(Path(lock_path))})
        locks.add(lock_path, lock, owned=owned)
    # With all locks held no other keeper runs, so a console that an earlier one has left behind is an orphan.
    end_processes(lambda: saved_console(folder))
    try:
        listener = protocol.listen(folder)
    except OSError as error:
        return _report(
            {"error": f"The state folder {folder} cannot be used: {error}. Set BPU_STATE_DIR.", "person": True}
        )
    keeper = Keeper(table, listener, locks, TransitionLog(launch.log_format, log, brief=BRIEF in sys.argv))
    _report({"ready": os.getpid()})
    _detach()
    try:
        keeper.run()
    finally:
        keeper.remove_socket()
    return 0


def _lock_holder_message(lock_path: Path) -> str:
    who = ", ".join(describe(pid) for pid in _holder_pids(lock_path)) or "another process"
    return f"The model is held by {who}; stop it, or use its BPU_STATE_DIR."


def _find_shortage(launch: LaunchSpec, own: Collection[int]) -> str:
    if not launch.need_bytes:
        return ""
    from bpu.engine.keeper.memory_check import shortage  # its modules are not needed where a board has one model

    return shortage(launch, own)


def _lock_within(seconds: float, path: Path, folder: Path, *, create: bool) -> FileLock | None:
    """Take the engine's lock within `seconds`, or return None.

    A keeper that was killed leaves a console that holds the lock for a moment, or, behind a wrapper script, for ever:
    such an orphan is ended. A living keeper of the same folder whose socket was deleted makes it again meanwhile.
    """
    began = time.monotonic()
    ended = False
    while (lock := try_lock(path, create=create)) is None and not _is_served(folder):
        waited = time.monotonic() - began
        if waited >= seconds:
            return None
        if waited >= ORPHAN_GRACE_S and not ended:
            ended = True
            if end_orphans(path):
                began = time.monotonic()
        time.sleep(0.01)
    return lock


def _is_served(folder: Path) -> bool:
    """Whether a keeper listens in `folder`.

    Raises OSError when that cannot be known, as without a free descriptor.
    """
    try:
        sock = protocol.connect(folder)
    except BlockingIOError:
        return True  # its backlog is full
    if sock is not None:
        sock.close()
    return sock is not None


def _holder_pids(path: Path) -> list[int]:
    """The processes that hold the lock.

    The one that took it, or those that have inherited it.
    """
    takers = [pid for pid in holders(path) if read_process(pid) is not None]
    return takers or [holder.process.pid for holder in lock_holders(path)]


def _report(message: dict[str, Any]) -> int:
    with contextlib.suppress(OSError):  # the starter has ended; the keeper serves the next client
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    return 1 if "error" in message else 0


def _detach() -> None:
    """Close the starter's pipes.

    It waits for one line and not for the keeper's end.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    os.close(null)
