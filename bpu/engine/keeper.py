"""The keeper: the one small process that owns the console and the queue, for all workers and gateways of a board.

Standard library only (`python -S -m bpu.engine.keeper`), one thread. It reads its `Launch` from stdin, takes the
engine's lock, listens in the state folder and says one line on stdout: ready, or why not. It holds the lock for
life and the console inherits it, so nobody can load a second model, whatever is killed.
It lives as long as somebody holds a connection for it to live for: no hook has to run when a worker is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from _socket import SocketType as RawSocket
from itertools import count
from pathlib import Path
from typing import Any

from bpu.engine import protocol
from bpu.engine.connection import Connection
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.desk import Desk
from bpu.engine.diary import Diary
from bpu.engine.examination_runner import write_log
from bpu.engine.launch import Launch, launch_from_json
from bpu.engine.loop import Loop
from bpu.engine.peer import refuse
from bpu.engine.queue import Ticket
from bpu.engine.slot import Lease, describe, holders, try_lock
from bpu.engine.states import Move, State
from bpu.engine.status import Status, status_of
from bpu.engine.supervisor import Supervisor

#: A worker that is recycled leaves a gap; a restart of the gateway, too.
LIFELINE_GRACE_S = 5.0
FIRST_LIFELINE_GRACE_S = 15.0
LOCK_PATIENCE_S = 2.0
#: A worker that did not read its lifeline missed the newest picture of the engine: it is told again after this.
RETELL_S = 0.2
#: Places that change are told so often at most: hundreds of clients need not hear of every short job.
PLACES_S = 1.0
#: What the waiting jobs wait for; in all other states they wait for a load.
_PHASES = {State.BUSY: "queued", State.CHECKING: "checking"}


class Keeper:
    """Accepts connections, hands their messages to the desk, and tells everybody what changed."""

    def __init__(self, launch: Launch, listener: RawSocket, lock: Lease) -> None:
        self.launch, self.listener = launch, listener
        self.loop = Loop()
        self.supervisor = Supervisor(launch, lock.fd, self.loop, clock=time.monotonic, changed=self._changed)
        record = ConsoleRecord(launch, warn=lambda text: write_log(launch.log_format, text))
        self.desk = Desk(launch, self.supervisor, record, clock=time.monotonic)
        self._connections: dict[int, Connection] = {}
        self._numbers = count()
        self._since = time.monotonic()
        self._diary = Diary(launch.log_format)
        self._retell_at: float | None = None
        self._places_at, self._places_late = 0.0, False
        self._alone_since: float | None = self._since
        self._grace = FIRST_LIFELINE_GRACE_S
        self._group = Path(launch.state_dir).stat().st_gid

    def run(self) -> None:
        """Until nobody needs the engine any more and the console is gone."""
        self.loop.listen(self.listener.fileno(), self._accept)
        self.loop.on_signal(signal.SIGCHLD, self.supervisor.on_child)
        self.loop.on_signal(signal.SIGTERM, self.desk.stop)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while not (self.desk.leaving and self.supervisor.state in (State.STOPPED, State.FAILED)):
            self._advance()
            self.loop.turn(self._timeout())
            self.supervisor.tick()
            self._leave_if_alone()
        self._diary.write()

    def _advance(self) -> None:
        state = None
        while state is not self.supervisor.state:
            state = self.supervisor.state
            self.desk.advance()
        self._tell_places()
        self._tell_status()
        self._diary.write()

    def _timeout(self) -> float | None:
        places_at = self._places_at if self._places_late else None
        times = [self.supervisor.deadline(), self.desk.deadline(), self._alone_until(), self._retell_at, places_at]
        first = min((time for time in times if time is not None), default=None)
        return None if first is None else max(0.0, first - time.monotonic())

    # Connections

    def _accept(self) -> None:
        sock = protocol.accept(self.listener)
        if sock is None:
            return
        _pid, uid, gid = protocol.peer_ids(sock)
        if uid not in (os.getuid(), 0) and gid != self._group:
            sock.close()
            return
        connection = Connection(sock)
        self._connections[sock.fileno()] = connection
        self.loop.listen(sock.fileno(), lambda: self._read(connection))
        # Whoever connects has something to say, and has mostly said it by now.
        self._read(connection)

    def _read(self, connection: Connection) -> None:
        try:
            while (packet := protocol.receive(connection.sock)) is not None:
                message, fds = packet
                for fd in fds:
                    os.close(fd)
                self._obey(connection, message)
        except (protocol.Closed, KeyError, TypeError, ValueError):
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        fd = connection.sock.fileno()
        if fd < 0:
            return
        self.loop.forget(fd)
        del self._connections[fd]
        connection.sock.close()
        if connection.ticket is not None:
            self.desk.leave(connection.ticket)
        self._count_lifelines()

    def _obey(self, connection: Connection, message: dict[str, Any]) -> None:
        op = message["op"]
        if op in ("attach", "job") and message["fingerprint"] != self.launch.fingerprint:
            folder, pid = self.launch.state_dir, os.getpid()
            text = f"The keeper with pid {pid} ({folder}) holds the model with other settings; stop it or use them."
            refuse(connection, "EngineUnavailable", text)
        elif op == "attach":
            connection.lifeline, self._grace = True, LIFELINE_GRACE_S
            self._count_lifelines()
            connection.tell(self._status())
        elif op == "job":
            self._join(connection, message)
        elif op == "progress":
            self._progress(connection, message)
        elif op == "end" and connection.ticket is not None:
            self.desk.finish(connection.ticket, message)
            connection.ticket = None
        elif op == "failed" and connection.ticket is not None:
            self.desk.fail(connection.ticket, str(message["why"]))
        else:
            self._order(connection, op, message)

    def _order(self, connection: Connection, op: str, message: dict[str, Any]) -> None:
        """What an operator asks for, over any connection; the answer says what was done."""
        if op == "status":
            connection.send({"say": "status", "status": self._status()})
            return
        done = True
        if op == "cancel":
            done = self.desk.cancel(str(message["id"]))
        elif op in ("load", "unload", "examine"):
            getattr(self.desk, op)()
        elif op == "bye":
            # A whole gateway has left: nobody need be waited for, unless another one is here.
            self._grace = 0.0 if self._alone_since is not None else self._grace
        else:
            done = False
        connection.send({"say": "done", "op": op, "done": done})

    def _join(self, connection: Connection, message: dict[str, Any]) -> None:
        ticket = Ticket[Any](
            arrived=min(float(message["arrived"]), time.monotonic()),
            number=next(self._numbers),
            peer=connection,
            id=str(message["id"]),
            history=str(message["history"]),
            tokens=int(message["tokens"]),
            short_tokens=int(message["short_tokens"]),
        )
        connection.ticket = ticket
        self.desk.join(ticket)

    def _progress(self, connection: Connection, message: dict[str, Any]) -> None:
        if self.desk.running is not None and self.desk.running is connection.ticket:
            now = time.monotonic()
            first = self.desk.progress.get("first_at", now)
            counted = {"tokens": int(message["tokens"]), "tokens_at": now}
            self.desk.progress = {"phase": "decode", "first_at": first, **counted}

    # Living for somebody

    def _count_lifelines(self) -> None:
        if any(connection.lifeline for connection in self._connections.values()):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = time.monotonic()

    def _alone_until(self) -> float | None:
        if self._alone_since is None or self.desk.leaving:
            return None
        return self._alone_since + self._grace

    def _leave_if_alone(self) -> None:
        until = self._alone_until()
        if until is not None and time.monotonic() >= until:
            self.desk.stop()

    # Telling

    def _changed(self, old: State, new: State, move: Move) -> None:
        self._since = time.monotonic()
        fault = self.supervisor.fault
        reason = fault.message if new is State.FAILED and fault is not None else ""
        self._diary.note(old, new, move, reason)
        self.desk.console_changed(old, new, move)

    def _status(self) -> Status:
        return status_of(self.desk, self._since)

    def _tell_status(self) -> None:
        status = self._status()
        lifelines = [connection for connection in self._connections.values() if connection.lifeline]
        behind = [connection for connection in lifelines if not connection.tell(status)]
        self._retell_at = time.monotonic() + RETELL_S if behind else None

    def _tell_places(self) -> None:
        """A newcomer's place at once, a changed one now and then."""
        phase = _PHASES.get(self.supervisor.state, "loading")
        due, self._places_late = time.monotonic() >= self._places_at, False
        for index, ticket in enumerate(self.desk.waiting, 1):
            known, place = ticket.peer.place, (index, phase)
            if known == place:
                continue
            if known is not None and not due:
                self._places_late = True
                continue
            ticket.peer.place = place
            ticket.peer.send({"say": "place", "position": index, "phase": phase})
            if known is not None:
                self._places_at = time.monotonic() + PLACES_S


def main() -> int:
    """Run a keeper; the exit code is 0 when it was not needed any more, 1 when it could not serve."""
    launch = launch_from_json(sys.stdin.read())
    if os.fork():
        # Nobody's child: whoever started it may end before it, or live on and never look after it.
        os._exit(0)
    folder = Path(launch.state_dir)
    try:
        lock = _lock_within(LOCK_PATIENCE_S, Path(launch.lock_path), create=launch.simulated)
    except OSError as error:
        return _report({"error": f"The engine's lock on {launch.lock_path} cannot be taken: {error}."})
    if lock is None:
        who = ", ".join(describe(pid) for pid in holders(Path(launch.lock_path))) or "another process"
        return _report({"error": f"The model is held by {who}; stop it, or use its BPU_STATE_DIR."})
    try:
        listener = protocol.listen(folder)
    except OSError as error:
        return _report(
            {"error": f"The state folder {folder} cannot be used: {error}. Set BPU_STATE_DIR.", "person": True}
        )
    keeper = Keeper(launch, listener, lock)
    _report({"ready": os.getpid()})
    _detach()
    try:
        keeper.run()
    finally:
        with contextlib.suppress(OSError):
            (folder / protocol.SOCKET_NAME).unlink()
    return 0


def _lock_within(seconds: float, path: Path, *, create: bool) -> Lease | None:
    """The engine's lock. The console of a keeper that was killed holds it for a moment longer than its keeper."""
    deadline = time.monotonic() + seconds
    while (lock := try_lock(path, create=create)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return lock


def _report(message: dict[str, Any]) -> int:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
    return 1 if "error" in message else 0


def _detach() -> None:
    """Let go of the starter's pipes: it waits for our word, not for our end."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
