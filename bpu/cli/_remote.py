"""An HTTP client of a gateway for the commands with `--url`: models, status, streamed answers.

It uses blocking sockets, so that Ctrl-C ends every wait.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning
from bpu.chat.requests import THINK_SUFFIX
from bpu.chat.usage import Usage
from bpu.errors import BadRequest, BpuError, EngineCrashed, EngineUnavailable
from bpu.messages import translate
from bpu.turn import Phase

CONNECT_S = 10.0
#: Gateways send a keep-alive every few seconds, so a longer silence means that the gateway has ended.
SILENCE_S = 300.0
#: The most bytes of an answer that is no stream.
MAX_BYTES = 16 * 1024 * 1024

Body = dict[str, Any]

_QUEUED: Phase = "queued"
#: The comment before a keep-alive, and the phases that its first word names.
_WAITING = b": keep-alive, "
_PHASES: dict[bytes, Phase] = {b"loading": "loading", b"checking": "checking"}


class Refused(BpuError):
    """The gateway answered with an error; the message is its own."""

    exit_code = 3


class RemoteGateway:
    """The gateway at `url`: `http://HOST:PORT`, with or without `/v1`. Raises `BadRequest` for an invalid URL."""

    def __init__(self, url: str, key: str = "") -> None:
        self.base = base_url(url)
        self._key = key

    def models(self, limit_s: float = CONNECT_S) -> list[Body]:
        """Return `[{"id": ..., "context_length": ...}]`. Raises `BpuError`, also after a wait of `limit_s` seconds."""
        return list(self.json("GET", "/v1/models", limit_s=limit_s).get("data", []))

    def json(self, method: str, path: str, body: Body | None = None, *, limit_s: float = CONNECT_S) -> Body:
        """Send one request and return its JSON. Raises `Refused`, `EngineUnavailable`."""
        with self._request(method, path, body, limit_s) as response:
            return _object(_read(response, limit_s))

    def status(self) -> Body:
        """Return the engine's status in `/health`."""
        return dict(self.json("GET", "/health").get("engine", {}))

    def chat(self, body: Body) -> Iterator[Delta]:
        """Yield the deltas of a streamed answer.

        Closing the iterator closes the connection and ends the job.
        """
        with self._request("POST", "/v1/chat/completions", {**body, "stream": True}, SILENCE_S) as response:
            ended, phase = False, _QUEUED
            for event in _events(response):
                if isinstance(event, KeepAlive):
                    phase = event.phase
                    yield event
                    continue
                for delta in _deltas(event, phase):
                    ended = ended or isinstance(delta, Finish)
                    yield delta
                phase = _QUEUED
            if not ended:
                raise EngineCrashed(translate("remote.broken_off", url=self.base))

    @contextlib.contextmanager
    def _request(self, method: str, path: str, body: Body | None, timeout: float) -> Iterator[http.client.HTTPResponse]:
        parts = urlsplit(self.base)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            data = None if body is None else json.dumps(body).encode("ascii")
            connection.request(method, f"{parts.path}{path}", data, headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise refusal(_object(_read(response, timeout)), response.status)
            yield response
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            reason = _printable(str(error)) or type(error).__name__
            raise EngineUnavailable(translate("remote.unreachable", url=self.base, reason=reason)) from error
        finally:
            connection.close()


def is_twin(name: str, names: Collection[str]) -> bool:
    """Whether `name` in a gateway's list is the second name of a model.

    Under it the model's reasoning is shown in the answer.
    """
    return name.endswith(THINK_SUFFIX) and name.removesuffix(THINK_SUFFIX) in names


def base_url(text: str) -> str:
    """Return `text` as `scheme://host[:port][/path]`, without `/v1` and slashes at its end."""
    whole = text.strip() if "://" in text else f"http://{text.strip()}"
    try:
        parts = urlsplit(whole)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
        wrong = wrong or not whole.isprintable() or " " in whole
    except ValueError:
        wrong = True
    if wrong:
        raise BadRequest(translate("remote.no_address", url=text), param="url")
    return whole.rstrip("/").removesuffix("/v1").rstrip("/")


def refusal(body: Mapping[str, Any], status: int) -> BpuError:
    """Return the error in an answer of the gateway, under the gateway's own code."""
    error = body.get("error")
    found = error if isinstance(error, Mapping) else {}
    message = found.get("message")
    return Refused(
        str(message) if message else translate("remote.strange", status=status), code=str(found.get("code") or "")
    )


def _printable(text: str) -> str:
    """Return `text` of a server as a terminal may show it."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _read(response: http.client.HTTPResponse, limit_s: float) -> bytes:
    """Read a body.

    Raises `OSError` when it is not whole after `limit_s` seconds, or is too long.
    """
    data, until = bytearray(), time.monotonic() + limit_s
    while piece := response.read1(64 * 1024):
        data += piece
        if len(data) > MAX_BYTES:
            raise OSError(f"More than {MAX_BYTES} bytes came.")
        if time.monotonic() > until:
            raise TimeoutError("timed out")
    if response.length:
        raise http.client.IncompleteRead(bytes(data), response.length)
    return bytes(data)


def _object(data: bytes) -> Body:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _events(response: http.client.HTTPResponse) -> Iterator[Body | KeepAlive]:
    """Yield the chunks, and a `KeepAlive` for each comment with a reason to wait."""
    for line in response:
        if line.startswith(b"data: [DONE]"):
            return
        if line.startswith(b"data: "):
            yield _object(line[6:])
        elif line.startswith(_WAITING):
            yield KeepAlive(_PHASES.get(line.removeprefix(_WAITING).split(b" ")[0], _QUEUED))


def _deltas(data: Body, phase: Phase) -> Iterator[Delta]:
    """Yield the deltas of a chunk; a chunk without text is a keep-alive in `phase`."""
    if data.get("error"):
        raise refusal(data, 200)
    for choice in data.get("choices", []):
        delta = choice.get("delta") or {}
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought:
            yield Reasoning(thought)
        if delta.get("content"):
            yield Content(delta["content"])
        if choice.get("finish_reason"):
            yield Finish(choice["finish_reason"], _usage(data))
        elif not delta.get("content") and not thought:
            yield KeepAlive(phase)


def _usage(data: Body) -> Usage:
    usage, timings = data.get("usage") or {}, data.get("timings") or {}
    return Usage(
        prompt_tokens=int(usage.get("prompt_tokens", 0)),
        completion_tokens=int(usage.get("completion_tokens", 0)),
        cached_tokens=int(timings.get("cache_n", 0)),
        predicted_n=int(timings.get("predicted_n", 0)),
        predicted_ms=float(timings.get("predicted_ms", 0.0)),
    )
