"""The gunicorn worker: gevent's, with connection limits and a graceful stop of its own.

gunicorn's own graceful stop also waits for idle keep-alive connections until its master kills the worker, and then no
exit hook runs. This worker closes idle connections and status streams at once, gives running answers the graceful time,
then ends them with an error object, and exits so that all hooks run.
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
from bpu.server.chunked_body import limit_chunks
from bpu.server.client_socket import ClientSocket
from bpu.server.json_error_worker import JsonErrorWorker
from bpu.web.connections import Connections
from bpu.web.lingering_close import linger
from bpu.web.shared_counts import Counts

#: Time for aborted streams to write their error objects.
ABORT_GRACE_S = 1.0
#: How often a worker that stops looks whether its detached answers have ended.
DETACHED_POLL_S = 0.1
#: Connections accepted beyond the limit while idle ones are being closed.
EXTRA_CONNECTIONS = 128
#: Seconds between two log lines about refused connections.
REFUSALS_LOGGED_EVERY_S = 60.0


def _mask_stop_signals(how: int) -> Callable[[], object]:
    return lambda: signal.pthread_sigmask(how, (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT))


# Python forgets a signal that reaches a child before its fork is complete, so a worker that the master forks while the
# gateway stops would run on until the master kills it. A blocked signal waits.
os.register_at_fork(
    before=_mask_stop_signals(signal.SIG_BLOCK),
    after_in_parent=_mask_stop_signals(signal.SIG_UNBLOCK),
    after_in_child=_mask_stop_signals(signal.SIG_UNBLOCK),
)


class Worker(JsonErrorWorker):
    """One worker process of the gateway; the master forks it and `gunicorn.conf.py` sets its attributes.

    Each connection of the worker has a greenlet, in which `handle` runs; the stop runs in a greenlet of its own.
    `on_stop` is called when the worker begins to stop, `abort_jobs` when `graceful_s` is over. `runs_answers` returns
    whether there are answers that go on without a connection. `first_byte_s` limits the time to the first byte of a new
    connection, `head_s` the time of a request's head.
    """

    first_byte_s = 5.0
    head_s = 20.0
    graceful_s = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_stop: Callable[[], None] = lambda: None
        self.abort_jobs: Callable[[], None] = lambda: None
        self.runs_answers: Callable[[], bool] = lambda: False
        #: Connection counts shared by all workers; the master sets them before the fork.
        self.counts: Counts | None = None
        self.connections: Connections[ClientSocket] = Connections(limit=self.cfg.worker_connections)
        self.worker_connections += EXTRA_CONNECTIONS
        self._quitting = False
        self._refusal_logged = float("-inf")

    def init_process(self) -> None:
        """Prepare the worker after the fork, then load the application and serve."""
        self._stop_requested = gevent_io.Flag()
        self._is_idle = gevent_io.Flag()
        super().init_process()

    def init_signals(self) -> None:
        """Install the worker's signal handlers, and repeat stop signals that came before.

        Until now signals went to the queue inherited from the master, which the worker does not read: without the
        repeat a gateway that is stopped while a worker boots would wait for it in vain.
        """
        master = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        super().init_signals()
        waiting = getattr(master, "SIG_QUEUE", None)
        while waiting is not None and not waiting.empty():
            number = waiting.get_nowait()
            if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                os.kill(os.getpid(), number)

    def run(self) -> None:
        """Serve connections until the worker has stopped."""
        gevent_io.spawn(self._drain_on_stop)
        super().run()  # which ends as soon as no connection is left
        while self.runs_answers():  # `_quit` ends the process, however long they take
            self.notify()
            gevent_io.sleep(DETACHED_POLL_S)

    # gunicorn clears this on a stop signal and when the worker has reached its number of requests.
    @property
    def alive(self) -> bool:
        """Whether the worker goes on; False begins its graceful stop."""
        return bool(self._alive)

    @alive.setter
    def alive(self, value: bool) -> None:
        self._alive = value
        if not value:
            self._stop_requested.set()

    # Connections

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Serve one connection to its end, or refuse it where there are too many."""
        connection = ClientSocket(client, first_byte_s=self.first_byte_s, idle_s=self.cfg.keepalive, head_s=self.head_s)
        try:
            self.connections.open(connection, peer_address(addr))
        except ClientLimitReached as error:
            self._refuse_overload(connection, addr, error)
            return
        try:
            if (surplus := self.connections.pop_surplus()) is not None:
                surplus.shut_down_reading()
            super().handle(listener, connection, addr)
        finally:
            self.connections.close(connection)

    def timeout_ctx(self) -> AbstractContextManager[None]:
        """Disable gunicorn's limit on a head, which closes without an answer; `ClientSocket` has its own."""
        return nullcontext()

    def handle_request(self, listener_name: Any, req: Any, connection: ClientSocket, addr: Any) -> None:
        """Serve one request, or refuse it where there are too many."""
        limit_chunks(req)
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
                connection.shut_down_reading()
                self._check_idle()
        discard_body(req)
        connection.begin_head()

    def _refuse_overload(
        self, connection: ClientSocket, addr: Any, error: BpuError, path: str = "", headers: Any = ()
    ) -> None:
        """Refuse a connection or request at a limit; log one refusal a minute."""
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
            connection.shut_down_reading()
        self.on_stop()
        self._check_idle()
        ends_at = time.monotonic() + self.graceful_s
        self._is_idle.wait(self.graceful_s)
        self._wait_for_answers(ends_at)
        os.kill(os.getpid(), signal.SIGQUIT)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """On SIGINT and SIGQUIT, end streams with their error object, then the worker.

        Ctrl-C at a terminal sends both; the second one is ignored, because it would end the worker with a traceback.
        """
        if not self._quitting:
            self._quitting = True
            gevent_io.spawn(self._quit)

    def _quit(self) -> None:
        self.alive = False
        self._check_idle()
        if not self._is_idle.is_set() or self.runs_answers():
            ends_at = time.monotonic() + ABORT_GRACE_S
            self.abort_jobs()
            self._is_idle.wait(ABORT_GRACE_S)
            self._wait_for_answers(ends_at)
        self.cfg.worker_int(self)
        raise SystemExit(0)

    def _wait_for_answers(self, ends_at: float) -> None:
        """Wait for the answers that go on without a connection, at most until `ends_at` (monotonic)."""
        while self.runs_answers() and time.monotonic() < ends_at:
            gevent_io.sleep(DETACHED_POLL_S)


def peer_address(addr: Any) -> str:
    """Return the address of the other end; "" for a unix socket."""
    return str(addr[0]) if isinstance(addr, tuple) and addr else ""


def joined_headers(req: Any) -> dict[str, str]:
    """Return a request's headers by names in capitals, repeated ones joined by commas."""
    headers: dict[str, str] = {}
    for name, value in req.headers:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def discard_body(req: Any) -> None:
    """Read an unread body to its end; `bpu.web.request_body` closes the connection when much is left."""
    while req.body.read(65536):
        pass
