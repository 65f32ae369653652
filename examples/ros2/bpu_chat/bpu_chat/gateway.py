"""An HTTP client of the gateway: streamed answers that can be cancelled, models, loading, unloading.

It uses the standard library only, because a robot's Python should need nothing but ROS. A stream is read by the thread
that asked for it; `hang_up` and `cancel` may be called by any other thread, at any time, any number of times.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

CONNECT_S = 5.0
#: Gateways say something every ten seconds while a client waits.
SILENCE_S = 60.0
CANCEL_S = 2.0
#: A line of a stream that is longer than this is not an answer's.
MAX_LINE = 1 << 20
#: The most bytes that are read of an answer that is not streamed.
MAX_BODY = 1 << 20


class GatewayError(Exception):
    """The gateway refused a request, broke off, or cannot be reached.

    `code` is its error code, or "unreachable".
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class GatewayClient:
    """A client of one gateway; `url` is `http://HOST:PORT`, with or without `/v1`."""

    def __init__(self, url: str, *, key: str = "", model: str = "") -> None:
        whole = url.strip() if "://" in url else f"http://{url.strip()}"
        parts = urlsplit(whole.rstrip("/").removesuffix("/v1"))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise GatewayError(f"{url!r} is not the address of a gateway; write for example http://127.0.0.1:8000")
        self._secure = parts.scheme == "https"
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self.model = model

    def chat(self, messages: list[dict[str, Any]], **fields: Any) -> ChatStream:
        """Make a stream; its `events` sends the request."""
        return ChatStream(self, {"model": self.model, "messages": messages, "stream": True, **fields})

    def models(self) -> list[dict[str, Any]]:
        found = self.request("GET", "/v1/models").get("data")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def engine(self, operation: str) -> None:
        """Order `load` of this client's model or `unload`.

        Returns when it is accepted, not when it is done.
        """
        body = {"model": self.model} if operation == "load" and self.model else {}
        self.request("POST", f"/v1/engine/{operation}", body)

    def cancel(self, job: str) -> None:
        """Cancel a job, also one that has ended already."""
        with contextlib.suppress(GatewayError):
            self.request("POST", f"/v1/jobs/{quote(job, safe='')}/cancel", {}, timeout=CANCEL_S)

    def request(self, method: str, path: str, body: object = None, *, timeout: float = CONNECT_S) -> dict[str, Any]:
        """Send one request and return its JSON. Raises `GatewayError`."""
        with self.connected(timeout) as connection:
            response = self.send(connection, method, path, body)
            return _object(response.read(MAX_BODY))

    @contextlib.contextmanager
    def connected(self, timeout: float) -> Iterator[http.client.HTTPConnection]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=timeout)
        try:
            connection.connect()
            if connection.sock is not None:
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield connection
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise GatewayError(f"The gateway at {self._host} does not answer: {reason}", "unreachable") from error
        finally:
            connection.close()

    def send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: object
    ) -> http.client.HTTPResponse:
        """Send a request and read the head of its answer. Raises `GatewayError` for a refusal."""
        data = None if body is None else json.dumps(body).encode("ascii")
        connection.request(method, f"{self._path}{path}", data, self._headers)
        response = connection.getresponse()
        if response.status >= 300:
            raise _refusal(_object(response.read(MAX_BODY)), response.status)
        return response


class ChatStream:
    """One answer.

    The thread that iterates `events` owns it; only `hang_up` and `cancel` may be called by others.
    """

    def __init__(self, client: GatewayClient, body: dict[str, Any]) -> None:
        self._client = client
        self._body = body
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cancelled = False
        self.job = ""

    def events(self) -> Iterator[str]:
        """Yield the answer's text without reasoning. Raises `GatewayError` if the answer breaks off.

        Ends quietly after `hang_up`.
        """
        try:
            with self._client.connected(CONNECT_S) as connection:
                if not self._own(connection.sock):
                    return
                connection.sock.settimeout(SILENCE_S)
                response = self._client.send(connection, "POST", "/v1/chat/completions", self._body)
                self.job = response.headers.get("x-request-id", "")
                yield from _contents(response)
        except GatewayError:
            if not self._is_cancelled:
                raise
        finally:
            with self._lock:
                self._socket = None

    def hang_up(self) -> None:
        """Close the connection, which frees the job; returns at once."""
        with self._lock:
            self._is_cancelled = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        """Close the connection and cancel the job by its id, for gateways behind a proxy.

        Waits for the answer.
        """
        self.hang_up()
        if self.job:
            self._client.cancel(self.job)

    def _own(self, sock: socket.socket) -> bool:
        """Keep the socket for `cancel`; False if that was called already."""
        with self._lock:
            self._socket = None if self._is_cancelled else sock
            return not self._is_cancelled


def _contents(response: http.client.HTTPResponse) -> Iterator[str]:
    finished = False
    while line := response.readline(MAX_LINE):
        if line.startswith(b"data: [DONE]"):
            break
        if not line.startswith(b"data: "):
            continue
        data = _object(line[6:])
        if data.get("error"):
            raise _refusal(data, response.status)
        for choice in data.get("choices") or ():
            text = (choice.get("delta") or {}).get("content")
            finished = finished or bool(choice.get("finish_reason"))
            if text:
                yield text
    if not finished:
        raise GatewayError("The answer broke off.", "broken_off")


def _refusal(body: dict[str, Any], status: int) -> GatewayError:
    error = body.get("error")
    found = error if isinstance(error, dict) else {}
    return GatewayError(str(found.get("message") or f"status {status}"), str(found.get("code") or ""))


def _object(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
