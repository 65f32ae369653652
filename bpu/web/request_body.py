"""Reads the request body as JSON, with limits on size, time and depth.

It reads `wsgi.input` itself, because Flask cuts a body without a length at the limit instead of refusing it, and treats
a slow client as one that disconnected. Runs in the greenlet of the request.
"""

from __future__ import annotations

import json
import math
import re
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, NoReturn

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout, UnsupportedMediaType

from bpu import gevent_io
from bpu.chat.nesting import levels
from bpu.errors import BadRequest, BpuError
from bpu.images.data import ImageData
from bpu.web.body_budget import BodyBudget, BodyShare
from bpu.web.body_parsing import ParsingQueue, check_values
from bpu.web.lifted_data import forget_lifted, keep_lifted, lift
from bpu.web.lingering_close import linger

#: How deep lists and objects may be nested; a tool's JSON schema needs about twenty levels.
MAX_DEPTH = 100
#: Silence within a body after which it is refused.
SILENCE_S = 30.0
#: The size of one read, and the first bytes of a body that its budget does not count: all of most bodies.
PIECE_BYTES = 16 * 1024
#: The same of a body in chunks, each byte of which may be a chunk.
CHUNKED_PIECE_BYTES = 1024
FREE_BYTES = 64 * 1024
#: Other greenlets run after so many seconds of processor time, for so many seconds. Above 0, because after a pause of 0
#: the event loop goes on with the body before it polls its sockets.
WORK_S, PAUSE_S = 0.002, 0.001
#: gunicorn may discard this much of an unread body; a longer one closes its connection.
SKIPPED_BYTES = 1024 * 1024

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def install(app: Flask, *, whole_s: float, budget: BodyBudget, with_images: int = 0) -> None:
    """Limit each body to `whole_s` seconds and all bodies together to `budget`.

    `with_images` is the limit in bytes of a body that may hold images, 0 if no model sees.

    Connections on which much of a body was left unread are closed, because the rest is no request.
    """
    app.config["BODY_TIMEOUT_S"] = whole_s
    app.config["BODY_BUDGET"] = budget
    app.config["BODY_PARSING"] = ParsingQueue()
    app.config["IMAGE_BODY_LENGTH"] = with_images
    app.teardown_request(lambda error: forget_lifted())

    @app.after_request
    def end(response: Response) -> Response:
        client = client_socket()
        if client is not None and _is_body_unread():
            response.call_on_close(lambda: linger(client))
        return response


def read_json(*, may_hold_images: bool = False) -> Any:
    """Read the current request's body. Raises `BadRequest` (`invalid_json`, 413), or Flask's 408 and 413.

    A body that may hold images may be larger by their data, which is kept apart from it (`ImageData`).
    """
    parsing: ParsingQueue = current_app.config["BODY_PARSING"]
    images = ImageData() if may_hold_images and current_app.config["IMAGE_BODY_LENGTH"] else None
    with _share() as (share, ended):
        if images is not None:
            keep_lifted(images, lambda: None)
        data = _read(share, ended, images)
        share.complete()
        if images is not None and images.size:
            _keep(images)
        is_large = client_socket() is not None and len(data) > FREE_BYTES
        with parsing.turn() if is_large else nullcontext():
            return _parse(data)


def read_object(*, may_hold_images: bool = False) -> dict[str, Any]:
    """Read the current request's body as a JSON object.

    Raises as `read_json`, and `BadRequest` for another value.
    """
    body = read_json(may_hold_images=may_hold_images)
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    return body


def _keep(images: ImageData) -> None:
    """Keep the data of images in the budget of bodies.

    They stay until the request's images are read, or until its end.
    """
    budget: BodyBudget = current_app.config["BODY_BUDGET"]
    share = budget.open(lambda: None)
    share.hold(images.size)
    keep_lifted(images, share.close)


def _parse(data: bytes) -> Any:
    check_values(data)
    try:
        body = json.loads(data, parse_constant=_refuse_constant, parse_float=_parse_number)
        _check_depth(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {_reason(error)}", code="invalid_json") from None
    return _replace_surrogates(body) if _SURROGATE_ESCAPE.search(data) else body


def client_socket() -> socket.socket | None:
    """Return the client's socket under gunicorn; None under a test client."""
    found: socket.socket | None = request.environ.get("gunicorn.socket")
    return found


def _is_body_unread() -> bool:
    if g.get("body_read"):
        return False
    if g.get("body_begun") or request.headers.get("Transfer-Encoding"):
        return True
    return (request.content_length or 0) > SKIPPED_BYTES


def _read(share: BodyShare, ended: list[str], images: ImageData | None = None) -> bytes:
    """Read all of the body, at most `BPU_MAX_BODY_BYTES`, and with `images` at most `BPU_MAX_IMAGE_BODY_BYTES`."""
    length, most = request.content_length, request.max_content_length or 0
    longest = most if images is None else max(most, current_app.config["IMAGE_BODY_LENGTH"])
    _refuse_compressed()
    g.body_begun = True
    if length is not None and length > longest:
        raise RequestEntityTooLarge
    if length is None and not request.environ.get("wsgi.input_terminated"):
        return b""
    client = client_socket()
    with _time_limits(client, ended) if client is not None else nullcontext():
        pieces = _pieces(length, longest, share)
        # One buffer that grows, because thousands of pieces in the heap would not go back to the system.
        data = bytearray()
        for piece in pieces if images is None else _limited(lift(pieces, images), most):
            data += piece
    if length is not None and g.body_size < length:
        raise BadRequest("The body broke off before its end.", code="invalid_http")
    g.body_read = True
    return bytes(data)


def _refuse_compressed() -> None:
    """Refuse a compressed body, because its size is unknown and no client needs one."""
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise UnsupportedMediaType(f"A body in the coding {coding[:40]!r} is not taken; send it as it is.")


def _limited(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield `pieces` while they hold at most `most` bytes."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise RequestEntityTooLarge
        yield piece


def _pieces(length: int | None, most: int, share: BodyShare) -> Iterator[bytes]:
    """Yield the pieces of the body.

    The budget does not count the first ones; the connection limit bounds them.
    """
    stream, size = request.environ["wsgi.input"], 0
    g.body_size, begun = 0, time.thread_time()
    while length is None or size < length:
        piece = stream.read(CHUNKED_PIECE_BYTES if length is None else min(PIECE_BYTES, length - size))
        if not piece:
            return
        size += len(piece)
        g.body_size = size
        if size > most:
            raise RequestEntityTooLarge
        if size > FREE_BYTES:
            share.take(len(piece))
        yield piece
        # A fast client always has more, and reading what is there lets no other greenlet run.
        if time.thread_time() - begun > WORK_S and client_socket() is not None:
            gevent_io.sleep(PAUSE_S)
            begun = time.thread_time()


@contextmanager
def _share() -> Iterator[tuple[BodyShare, list[str]]]:
    """Open this body's share of the budget.

    Also return a list for the reason of an abort.
    """
    client, ended = client_socket(), list[str]()
    budget: BodyBudget = current_app.config["BODY_BUDGET"]
    share = budget.open(
        lambda: _abort_reading(client, ended, "Other bodies needed the room of this one, which had stopped.")
    )
    try:
        yield share, ended
    finally:
        share.close()


@contextmanager
def _time_limits(client: socket.socket, ended: list[str]) -> Iterator[None]:
    """Limit the time of reading: 408 for a late body, 400 for a broken one."""
    whole_s = current_app.config["BODY_TIMEOUT_S"]
    alarm = gevent_io.Alarm(
        whole_s, _abort_reading, client, ended, f"The body did not come within {whole_s:g} seconds."
    )
    client.settimeout(SILENCE_S)
    try:
        yield
    except (RequestEntityTooLarge, BpuError):
        raise
    except TimeoutError:
        raise RequestTimeout(f"The body did not come: nothing was sent for {SILENCE_S:.0f} seconds.") from None
    except Exception:  # gunicorn's own types, for an invalid chunk and for a client that disconnected
        if not ended:
            raise BadRequest(
                "The body broke off, or its chunks are not HTTP or very many and tiny.", code="invalid_http"
            ) from None
    finally:
        alarm.close()
        with suppress(OSError):
            client.settimeout(None)
    if ended:
        raise RequestTimeout(ended[0])


def _abort_reading(client: socket.socket | None, ended: list[str], reason: str) -> None:
    """Stop reading the body; the answer can still be written."""
    ended.append(reason)
    if client is not None:
        with suppress(OSError):
            client.shutdown(socket.SHUT_RD)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _parse_number(text: str) -> float:
    """Parse a number.

    Raises `ValueError` for one that Python holds as infinity, which JSON does not have.
    """
    value = float(text)
    if math.isinf(value):
        raise ValueError("it holds a number that is too large")
    return value


def _reason(error: Exception) -> str:
    """Say where the body is broken, without quoting the user's text."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}."
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8."
    if isinstance(error, RecursionError):
        return f"it is nested deeper than {MAX_DEPTH} levels."
    return f"{error}."


def _check_depth(body: Any) -> None:
    """Raise `RecursionError` when `body` is nested deeper than `MAX_DEPTH`."""
    for depth, _ in enumerate(levels(body), start=1):
        if depth > MAX_DEPTH:
            raise RecursionError


def _replace_surrogates(value: Any) -> Any:
    """Replace lone surrogates by U+FFFD, because UTF-8 cannot encode them."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_replace_surrogates(name): _replace_surrogates(item) for name, item in value.items()}
    return value
