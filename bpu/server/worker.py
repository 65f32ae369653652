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
LAST_WORDS_S = 1.0
#: Accepted beyond the limit, for as long as those that give way need to end.
SLACK = 128
#: Between two log lines about connections that were refused.
REFUSALS_LOGGED_EVERY_S = 60.0


class Worker(JsonErrorWorker):
    """`leaving` is called when the worker is told to stop, `cut` when running answers have had their time.

    `first_byte_s` is the time for the first byte of a new connection, `head_s` for the head of a request.
    """

    first_byte_s = 5.0
    head_s = 20.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.leaving: Callable[[], None] = lambda: None
        self.cut: Callable[[], None] = lambda: None
        #: What all workers count together; the master sets it before the fork.
        self.counts: Counts | None = None
        self.connections: Connections[ClientSocket] = Connections(limit=self.cfg.worker_connections)
        self.worker_connections += SLACK
        self._quitting = False
        self._refusal_logged = float("-inf")

    def init_process(self) -> None:
        self._told = gevent_io.Flag()
        self._at_rest = gevent_io.Flag()
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
        gevent_io.spawn(self._stop_when_told)
        super().run()

    # gunicorn sets this when a signal came and when the worker has served enough: both are told here.
    @property
    def alive(self) -> bool:
        return bool(self._alive)

    @alive.setter
    def alive(self, value: bool) -> None:
        self._alive = value
        if not value:
            self._told.set()

    # Connections

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        caller = ClientSocket(client, first_byte_s=self.first_byte_s, idle_s=self.cfg.keepalive, head_s=self.head_s)
        try:
            self.connections.open(caller, peer(addr))
        except ClientLimitReached as error:
            self._turn_away(caller, addr, error)
            return
        try:
            if (surplus := self.connections.surplus()) is not None:
                let_go(surplus)
            super().handle(listener, caller, addr)
        finally:
            self.connections.close(caller)

    def timeout_ctx(self) -> AbstractContextManager[None]:
        """No limit of gunicorn's on a head, which ends a connection without a word: the caller has its own."""
        return nullcontext()

    def handle_request(self, listener_name: Any, req: Any, caller: ClientSocket, addr: Any) -> None:
        try:
            self.connections.begin(caller, peer(addr), req.path, joined_headers(req))
        except BpuError as error:
            self._turn_away(caller, addr, error, req.path, req.headers)
            linger(caller.serve())
            raise StopIteration from None
        try:
            super().handle_request(listener_name, req, caller.serve(), addr)
        finally:
            caller.rest()
            self.connections.end(caller)
            if not self.alive:
                let_go(caller)
                self._look()
        skip(req)
        caller.rest()

    def _turn_away(self, caller: ClientSocket, addr: Any, error: BpuError, path: str = "", headers: Any = ()) -> None:
        """Refuse a connection or a request for want of room; a flood of them must not flood the log."""
        self.refused(error.code)
        if time.monotonic() - self._refusal_logged > REFUSALS_LOGGED_EVERY_S:
            self._refusal_logged = time.monotonic()
            self.log.warning("Refused for want of room, as may be more in the next minute: %s", error.message)
        self._refuse(caller, HTTPStatus(error.status), error, path, headers)

    def _look(self) -> None:
        if self.connections.busy == 0:
            self._at_rest.set()

    # The end

    def _stop_when_told(self) -> None:
        self._told.wait()
        for caller in self.connections.resting:
            let_go(caller)
        self.leaving()
        self._look()
        if not self._at_rest.wait(max(0.0, self.cfg.settings["graceful_timeout"].get() - 2 * LAST_WORDS_S)):
            self._cut_off()
        os.kill(os.getpid(), signal.SIGQUIT)

    def _cut_off(self) -> None:
        self.cut()
        self._at_rest.wait(LAST_WORDS_S)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """SIGINT and SIGQUIT: streams get their error object, then the worker ends. Ctrl-C at a terminal brings both,
        and the second one, come when the worker is all but gone, would end it with a traceback."""
        if not self._quitting:
            self._quitting = True
            gevent_io.spawn(self._quit)

    def _quit(self) -> None:
        self.alive = False
        self._look()
        if not self._at_rest.is_set():
            self._cut_off()
        self.cfg.worker_int(self)
        raise SystemExit(0)


def peer(addr: Any) -> str:
    """The address of the other end; "" for a unix socket."""
    return str(addr[0]) if isinstance(addr, tuple) and addr else ""


def joined_headers(req: Any) -> dict[str, str]:
    """The headers of a request by their names in capitals; a repeated one is joined by commas."""
    headers: dict[str, str] = {}
    for name, value in req.headers:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def skip(req: Any) -> None:
    """Read on to the end of a body that nobody wanted; `bpu.web.request_body` sees to it that little is left of one."""
    while req.body.read(65536):
        pass


def let_go(caller: ClientSocket) -> None:
    """End a connection from its reading side, so that a response under way is still written."""
    try:
        caller.shutdown(socket.SHUT_RD)
    except OSError:
        return
