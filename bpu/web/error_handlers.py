"""Makes every error a JSON response in the format of the path's API, never HTML."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from bpu.errors import BadRequest, BpuError
from bpu.log_format import where
from bpu.web import request_log

log = logging.getLogger("bpu.web")

#: What OpenAI calls the errors that Flask raises by itself.
CODES = {
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_too_large",
    415: "unsupported_media_type",
    431: "headers_too_large",
}


def install(app: Flask) -> None:
    """Register the handlers on `app`."""
    app.register_error_handler(BpuError, respond)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _internal_error)


def respond(error: BpuError) -> Response:
    """Make the response of `error` in the format of the path's API."""
    request_log.add_fields(error=error.code)
    body = json.dumps(request_log.current().error_body(error))
    response = Response(body, status=error.status, content_type="application/json; charset=utf-8")
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def internal(error: BaseException) -> BpuError:
    """Return the API error for an unexpected error.

    The log gets its place and type but not its message, because that may quote a request.
    """
    log.error("An internal error, %s", where(error))
    return BpuError("The gateway made a mistake; its log has the details. Sending the request again may help.")


def _http(error: HTTPException) -> Response:
    if isinstance(error, RequestRedirect):
        error.code = HTTPStatus.NOT_FOUND
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    api_error = BadRequest(_message(status, error), code=CODES.get(status, "invalid_value"))
    api_error.status = status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        api_error.type, api_error.code = BpuError.type, BpuError.code
    response = respond(api_error)
    response.headers.extend([item for item in error.get_headers() if item[0] in ("Allow", "Retry-After")])
    return response


def _message(status: int, error: HTTPException) -> str:
    target = f"{request.method} {request.path}"
    if status == HTTPStatus.NOT_FOUND:
        return f"There is no {target} here. The chat is at POST /v1/chat/completions, the models at GET /v1/models."
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return f"{target} is not possible; {request.path} takes {allowed}."
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        limit = request.max_content_length
        return f"The request body is larger than {limit} bytes. Send less, or raise BPU_MAX_BODY_BYTES."
    return str(error.description or HTTPStatus(status).phrase)


def _internal_error(error: Exception) -> Response:
    return respond(internal(error))
