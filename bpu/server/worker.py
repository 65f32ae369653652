"""The gunicorn worker: gevent's, with a stop that waits for answers and for nothing else.

gunicorn's own graceful stop waits for idle keep-alive connections too, until its master kills the worker, and then
no exit hook runs. Here idle connections and event streams are let go at once, running answers get the graceful
time, then an error object, and the worker ends itself in a way in which all hooks run.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import Any

from bpu import gevent_io
from bpu.errors import BpuError, ClientLimitReached
from bpu.server.client_socket import ClientSocket
from bpu.server.json_error_worker import JsonErrorWorker
from bpu.web.connections import Connections
from bpu.web.lingering_close import linger
from bpu.web.shared_counts import Counts

#: How long a stream that was cut may take to write its error object.
ABORT_GRACE_S = 1.0
#: Accepted beyond the limit, for as long as those that give way need to end.
SLACK = 128
#: Between two log lines about connections that were refused.
REFUSALS_LOGGED_EVERY_S = 60.0


class Worker(JsonErrorWorker):
    """`on_stop` is called when the worker is told to stop, `abort_jobs` when running answers have had their time.

    `first_byte_s` is the time for the first byte of a new connection, `head_s` for the head of a request.
    """

    first_byte_s = 5.0
    head_s = 20.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_stop: Callable[[], None] = lambda: None
        self.abort_jobs: Callable[[], None] = lambda: None
        #: What all workers count together; the master sets it before the fork.
        self.counts: Counts | None = None
        self.connections: Connections[ClientSocket] = Connections(limit=self.cfg.worker_connections)
        self.worker_connections += SLACK
        self._quitting = False
        self._refusal_logged = float("-inf")

    def init_process(self) -> None:
        self._stop_requested = gevent_io.Flag()
        self._is_idle = gevent_io.Flag()
        super().init_process()

    def init_signals(self) -> None:
        """From here on signals are the worker's own. Until now they went to handlers and queue inherited from the
        master, where nobody reads them: a gateway that is stopped while a worker boots would wait for it in vain."""
        master = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        super().init_signals()
        waiting = getattr(master, "SIG_QUEUE", None)
        while waiting is not None and not waiting.empty():
            number = waiting.get_nowait()
            if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                os.kill(os.getpid(), number)

    def run(self) -> None:
        gevent_io.spawn(self._drain_on_stop)
        super().run()

    # gunicorn sets this when a signal came and when the worker has served enough: both are told here.
    @property
    def alive(self) -> bool:
        return bool(self._alive)

    @alive.setter
    def alive(self, value: bool) -> None:
        self._alive = value
        if not value:
            self._stop_requested.set()

    # Connections

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        connection = ClientSocket(client, first_byte_s=self.first_byte_s, idle_s=self.cfg.keepalive, head_s=self.head_s)
        try:
            self.connections.open(connection, peer_address(addr))
        except ClientLimitReached as error:
            self._refuse_overload(connection, addr, error)
            return
        try:
            if (pop_surplus := self.connections.pop_surplus()) is not None:
                shut_down_reading(pop_surplus)
            super().handle(listener, connection, addr)
        finally:
            self.connections.close(connection)

    def timeout_ctx(self) -> AbstractContextManager[None]:
        """No limit of gunicorn's on a head, which ends a connection without a word: the caller has its own."""
        return nullcontext()

    def handle_request(self, listener_name: Any, req: Any, connection: ClientSocket, addr: Any) -> None:
        try:
            self.connections.begin_request(connection, peer_address(addr), req.path, joined_headers(req))
        except BpuError as error:
            self._refuse_overload(connection, addr, error, req.path, req.headers)
            linger(connection.begin_request())
            raise StopIteration from None
        try:
            super().handle_request(listener_name, req, connection.begin_request(), addr)
        finally:
            connection.end_request()
            self.connections.end_request(connection)
            if not self.alive:
                shut_down_reading(connection)
                self._check_idle()
        discard_body(req)
        connection.end_request()

    def _refuse_overload(
        self, connection: ClientSocket, addr: Any, error: BpuError, path: str = "", headers: Any = ()
    ) -> None:
        """Refuse a connection or a request for want of room; a flood of them must not flood the log."""
        self.on_refused(error.code)
        if time.monotonic() - self._refusal_logged > REFUSALS_LOGGED_EVERY_S:
            self._refusal_logged = time.monotonic()
            self.log.warning("Refused for want of room, as may be more in the next minute: %s", error.message)
        self._refuse(connection, HTTPStatus(error.status), error, path, headers)

    def _check_idle(self) -> None:
        if self.connections.busy == 0:
            self._is_idle.set()

    # The end

    def _drain_on_stop(self) -> None:
        self._stop_requested.wait()
        for connection in self.connections.idle:
            shut_down_reading(connection)
        self.on_stop()
        self._check_idle()
        if not self._is_idle.wait(max(0.0, self.cfg.settings["graceful_timeout"].get() - 2 * ABORT_GRACE_S)):
            self._abort_jobs()
        os.kill(os.getpid(), signal.SIGQUIT)

    def _abort_jobs(self) -> None:
        self.abort_jobs()
        self._is_idle.wait(ABORT_GRACE_S)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """SIGINT and SIGQUIT: streams get their error object, then the worker ends. Ctrl-C at a terminal brings both,
        and the second one, come when the worker is all but gone, would end it with a traceback."""
        if not self._quitting:
            self._quitting = True
            gevent_io.spawn(self._quit)

    def _quit(self) -> None:
        self.alive = False
        self._check_idle()
        if not self._is_idle.is_set():
            self._abort_jobs()
        self.cfg.worker_int(self)
        raise SystemExit(0)


def peer_address(addr: Any) -> str:
    """The address of the other end; "" for a unix socket."""
    return str(addr[0]) if isinstance(addr, tuple) and addr else ""


def joined_headers(req: Any) -> dict[str, str]:
    """The headers of a request by their names in capitals; a repeated one is joined by commas."""
    headers: dict[str, str] = {}
    for name, value in req.headers:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def discard_body(req: Any) -> None:
    """Read on to the end of a body that nobody wanted; `bpu.web.request_body` sees to it that little is left of one."""
    while req.body.read(65536):
        pass


def shut_down_reading(connection: ClientSocket) -> None:
    """End a connection from its reading side, so that a response under way is still written."""
    try:
        connection.shutdown(socket.SHUT_RD)
    except OSError:
        return
