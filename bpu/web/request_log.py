"""The id and the log line of each request.

The line holds facts and counts, never texts of users.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from flask import Flask, Response, g, request

from bpu.errors import BpuError
from bpu.web.error_formats import error_format

log = logging.getLogger("bpu.web.request")

#: Requested every few seconds by supervisors and the page: logged at level debug only.
PROBES = frozenset({"/health", "/ready", "/slots", "/metrics"})


@dataclass
class RequestRecord:
    """The record of one request, which becomes its log line after its stream.

    The greenlet of the request owns it; a worker's event loop sets the times and counts of the answer, too.
    """

    id: str
    method: str
    path: str
    client: str
    started: float
    status: int = 0
    endpoint: str = "none"
    #: The phase of its job: `queued`, `loading`, `prefill`, `decode`; empty without a job.
    phase: str = ""
    #: What the job waits for, in words; empty where the phase says enough.
    waiting: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    #: Question and answer; filled only where `BPU_ACTIVITY` asks for it.
    texts: dict[str, str] = field(default_factory=dict)
    #: The answer may outlive its response, and ends the record itself.
    is_detached: bool = False
    #: When it began, in seconds since 1970.
    began: float = field(default_factory=time.time)
    #: Write the line and report the record; called once, at the end.
    end: Callable[[], None] = lambda: None
    #: Makes the body of an error, in the form of the request's API.
    error_format: Callable[[BpuError, str], Mapping[str, Any]] = lambda error, request_id: error.body()

    def error_body(self, error: BpuError) -> Mapping[str, Any]:
        """Return the error in the format of the request's API."""
        return self.error_format(error, self.request_id)

    @property
    def is_page_file(self) -> bool:
        """Whether the request is for a file of the page."""
        return self.path.startswith("/static/")

    @property
    def request_id(self) -> str:
        """The id as Anthropic's clients print it, the same digits behind another prefix."""
        return f"req_{self.id.rpartition('_')[2].rpartition('-')[2]}"


def install(
    app: Flask,
    clock: Callable[[], float] = time.monotonic,
    on_finished: Callable[[RequestRecord], None] = lambda record: None,
) -> None:
    """Give each request of `app` an id, and log it at its end.

    `on_finished` is called then. Register this before all other hooks.
    """

    @app.before_request
    def begin() -> None:
        peer = request.environ.get("REMOTE_ADDR") or "unix"
        g.record = RequestRecord(f"req_{uuid4().hex}", request.method, request.path, peer, clock())
        current().error_format = error_format(request.path, request.headers)

    def end(record: RequestRecord) -> None:
        record.end = lambda: None
        on_finished(record)
        _write(record, clock() - record.started)

    @app.after_request
    def finish(response: Response) -> Response:
        record = current()
        record.status = response.status_code
        record.endpoint = request.endpoint or "none"
        # The page has some sixty files, so they carry no headers that nobody reads.
        if not record.is_page_file:
            response.headers["x-request-id"] = record.id
            response.headers["request-id"] = record.request_id
        record.end = lambda: end(record)
        response.call_on_close(lambda: None if record.is_detached else record.end())
        return response


def current() -> RequestRecord:
    """Return the record of the current request."""
    record = g.record
    assert isinstance(record, RequestRecord)
    return record


def add_fields(**facts: Any) -> None:
    """Add fields to the log line of the current request, if there is one."""
    if "record" in g:
        current().facts.update(facts)


def _write(record: RequestRecord, seconds: float) -> None:
    facts = {
        "id": record.id,
        "client": record.client,
        "method": record.method,
        # Quoted, so that a line break in a path does not begin a new log line.
        "path": quote(record.path),
        "status": record.status,
        "ms": round(seconds * 1000, 1),
        **record.facts,
    }
    quiet = record.path in PROBES or record.is_page_file
    log.log(logging.DEBUG if quiet else logging.INFO, "request", extra={"facts": facts})
