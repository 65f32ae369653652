"""gunicorn's gevent worker with refusals in JSON and no traceback for a stalled client."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.ggevent import GeventWorker

from bpu.errors import BadRequest, BpuError
from bpu.log_format import where
from bpu.server.client_socket import LateHead
from bpu.web.body_cut import BodyCut
from bpu.web.lingering_close import reset_at_close

log = logging.getLogger("bpu.web.request")

#: Errors that gunicorn's parser raises: status, code and message.
REFUSALS: tuple[tuple[type[Exception], HTTPStatus, str, str], ...] = (
    (LateHead, HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "The head of the request did not come in time."),
    (errors.LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG, "uri_too_long", "The address is too long."),
    (
        errors.LimitRequestHeaders,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        "The headers are too many or too large.",
    ),
    (errors.UnsupportedTransferCoding, HTTPStatus.NOT_IMPLEMENTED, "invalid_http", "This transfer coding is unknown."),
    (errors.ParseException, HTTPStatus.BAD_REQUEST, "invalid_http", "This is not HTTP as the gateway understands it."),
)
#: Errors of the same parser for the response's headers; they are faults of the gateway.
OWN_ERRORS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)


class JsonErrorWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Base class of `bpu.server.worker.Worker`.

    Its methods run in a worker, in the greenlet of a connection.
    """

    #: Called with the code of each refusal.
    on_refused: Callable[[str], None] = staticmethod(lambda code: None)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Serve one request; close the connection when the client stops reading.

        A body that was cut ends its connection without its last chunk, or, for HTTP/1.0, with a reset.
        """
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except BodyCut:
            if req.version < (1, 1):
                # A body without chunks ends with its connection, so an orderly close would make it complete.
                reset_at_close(sock)
            raise StopIteration from None
        except TimeoutError:
            log.info("A client stopped reading and was let go.", extra={"facts": {"client": _host(addr)}})
            raise StopIteration from None

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that gunicorn could not parse; log any other error and answer 500."""
        for kind, status, code, words in REFUSALS:
            if isinstance(exc, kind) and not isinstance(exc, OWN_ERRORS):
                log.info("request", extra={"facts": {"client": _host(addr), "status": int(status), "error": code}})
                self.on_refused(code)
                self._refuse(client, status, BadRequest(words, code=code), client.path)
                return
        self.log.error("An error while a request was served, %s", where(exc))
        self._refuse(client, HTTPStatus.INTERNAL_SERVER_ERROR, BpuError("The gateway made a mistake."))

    def _refuse(self, client: Any, status: HTTPStatus, error: BpuError, path: str = "", headers: Any = ()) -> None:
        """Answer without the application; `path` and `headers` are the request's, if known."""
        from bpu.web.error_formats import error_format  # the master, which imports this module, must not import Flask

        form = error_format(path, {name.lower(): value for name, value in headers})
        body = json.dumps(form(error, f"req_{uuid4().hex}"))
        head = (
            f"HTTP/1.1 {int(status)} {status.phrase}\r\nConnection: close\r\n"
            f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        )
        head += f"Retry-After: {error.retry_after}\r\n\r\n" if error.retry_after else "\r\n"
        try:
            util.write_nonblock(client, (head + body).encode("ascii"))
        except OSError:
            self.log.debug("The client left before its refusal.")


def _host(addr: Any) -> str:
    return addr[0] if isinstance(addr, tuple) and addr else "unix"
