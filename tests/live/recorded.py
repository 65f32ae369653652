"""The gateway's own application, each stream of it written down: so the checker sees all of them, whoever asked.

`TEST_STREAMS` names the folder. A stream is a file: a line that says what was asked, then the bytes. Its name ends in
`.begun` until the application has come to its own end. Nothing else is different from `wsgi:app`.
"""

from __future__ import annotations

from wsgi import app as app  # first of all, because it patches

# isort: split
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

FOLDER = Path(os.environ["TEST_STREAMS"])
PATHS = ("/chat/completions", "/completions", "/responses", "/messages", "/api/chat", "/api/generate")
STREAMS = ("text/event-stream", "application/x-ndjson")
INLINE = os.environ.get("BPU_REASONING") == "think-tags"


class RecordedBody:
    """A request's body, all that was read of it kept."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.data = bytearray()  # which grows in place: a new copy for each piece of 15 MB takes a second

    def read(self, *size: int) -> bytes:
        piece: bytes = self._stream.read(*size)
        self.data += piece
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class RecordedAnswer:
    """An answer's pieces, each written down before it goes on."""

    def __init__(self, answer: Any, asked: dict[str, Any]) -> None:
        self._answer, self._pieces = answer, iter(answer)
        self._path = FOLDER / f"{uuid4().hex}.begun"
        self._file = self._path.open("wb", buffering=0)
        self._file.write(json.dumps(asked).encode() + b"\n")

    def __iter__(self) -> RecordedAnswer:
        return self

    def __next__(self) -> bytes:
        try:
            piece: bytes = next(self._pieces)
        except StopIteration:
            self._path.rename(self._path.with_suffix(""))
            raise
        self._file.write(piece)
        return piece

    def close(self) -> None:
        self._file.close()
        self._answer.close()


def record_streams(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "POST" or not path.rstrip("/").endswith(PATHS):
            return application(environ, start_response)
        kind, received = "", RecordedBody(environ["wsgi.input"])

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            nonlocal kind
            kind = dict(headers).get("Content-Type", "")
            return start_response(status, headers, *more)

        answer = application({**environ, "wsgi.input": received}, start)
        if not kind.startswith(STREAMS):
            return answer
        return RecordedAnswer(answer, {"path": path, "asked": json.loads(received.data), "inline": INLINE})

    return serve


app.wsgi_app = record_streams(app.wsgi_app)  # type: ignore[method-assign]
