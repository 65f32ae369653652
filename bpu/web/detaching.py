"""Detached answers in HTTP: the first response of one, and the route that resumes it."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request

from bpu.web import request_log, sse
from bpu.web.client_key import key_digest
from bpu.web.context import app_context
from bpu.web.detached import Detached, DetachedAnswers
from bpu.web.request_body import client_socket

detaching = Blueprint("detaching", __name__)

DETACH_HEADER = "X-BPU-Detach"
RESUME_HEADER = "X-BPU-Resume"


def reserve() -> Detached | None:
    """Reserve a detached answer, if the client asks for one and is within its limit."""
    answers = app_context().detached
    if answers is None or request.headers.get(DETACH_HEADER) != "1":
        return None
    return answers.reserve(request_log.current().client, key_digest())


def detach(answer: Response, detached: Detached, *, cancel: Callable[[], None]) -> Response:
    """Make a response that reads the stream `answer`, which continues when the reader disconnects.

    Its log line and its metrics are written when the answer itself ends.
    """
    answers, record = app_context().detached, request_log.current()
    assert answers is not None
    reader = sse.response(answers.read(detached.files, client_socket()))
    reader.headers.update(dict(answer.headers))
    reader.headers[RESUME_HEADER] = detached.token
    record.is_detached = True
    answer.call_on_close(lambda: record.end())  # it is set when the first response goes out
    detached.run(answer.iter_encoded(), cancel=cancel, close=answer.close)
    return reader


@detaching.get("/v1/detached")
def resume() -> Response:
    """Send the answer of the token in `X-BPU-Resume` from its beginning."""
    answers = app_context().detached or DetachedAnswers.none()
    files = answers.find(request.headers.get(RESUME_HEADER, ""), key_digest())
    return sse.response(answers.read(files, client_socket()))
