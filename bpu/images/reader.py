"""Reads the images of one request in a process of its own.

It fetches and decodes them. It runs in a greenlet of a worker, where waiting for the process holds up no other one, or
in a command.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket
from typing import Any

from bpu import gevent_io
from bpu.errors import BpuError, ClientLeft, Overloaded
from bpu.images.data import ImageData, Span, nameless_file
from bpu.project import IMPORT_ROOT

#: Seconds for all images of one request, fetching included.
LIMIT_S = 30.0
#: Processes at a time in one worker; each may need 200 MB for a moment, at worst 530 MB.
AT_ONCE = 2
#: Seconds that a request waits for one of these places.
WAIT_S = 20.0
#: More than the head of a result has.
_HEAD_BYTES = 64 * 1024
#: What the process gets of the environment: where programs and libraries are, and which certificates are trusted.
_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
#: Runs the process, with this package wherever the gateway was started.
_PROGRAM = "import sys; sys.path[0] = sys.argv[1]; from bpu.images.process import main; main()"


@dataclass(frozen=True)
class Source:
    """Where an image comes from.

    It is an address, or the places of its base64 text in the data of the request.
    """

    address: str = ""
    spans: Sequence[Span] = ()


@dataclass(frozen=True)
class Picture:
    """A decoded image: the digest of its original bytes, and its file for the console."""

    digest: str
    file: bytes


class ImageRefused(Exception):
    """The image with the number `index` was refused.

    The message is a sentence for the client.
    """

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class ImageReader:
    """Reads images for one worker or command. `allowed` are the values of `BPU_IMAGE_URLS`."""

    def __init__(self, allowed: Iterable[str] = (), *, limit_s: float = LIMIT_S, wait_s: float = WAIT_S) -> None:
        self._allowed, self._limit_s, self._wait_s = list(allowed), limit_s, wait_s
        self._places = gevent_io.Lock(AT_ONCE)

    def read(
        self, sources: Sequence[Source], side: int, data: ImageData, *, client: socket | None = None
    ) -> list[Picture]:
        """Return the images as squares of `side` pixels.

        Raises `ImageRefused`, `Overloaded` when no place becomes free, and `ClientLeft` if `client` leaves.
        """
        with self._place():
            result = nameless_file()
            try:
                code = self._run(self._request(sources, side, data), data, result, client)
                head, _, _ = os.pread(result, _HEAD_BYTES, 0).partition(b"\n")
                return _pictures(json.loads(head or "{}"), code, result, len(head) + 1)
            finally:
                os.close(result)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._wait_s):
            raise Overloaded("Too many images are read at the moment; try again soon.", retry_after=5)
        try:
            yield
        finally:
            self._places.release()

    def _request(self, sources: Sequence[Source], side: int, data: ImageData) -> Span:
        """Write the request behind the data, and return its place."""
        images = [{"address": one.address} if one.address else {"base64": one.spans} for one in sources]
        head = {"side": side, "allowed": self._allowed, "limit_s": self._limit_s, "parent": os.getpid()}
        return data.append(json.dumps({**head, "images": images}).encode())

    def _run(self, request: Span, data: ImageData, result: int, client: socket | None) -> int:
        """Run the process until its end, and return its exit code.

        It is killed when its client leaves, so that those who have left hold no place.
        """
        left = gevent_io.Flag()
        process = gevent_io.ChildProcess(
            [sys.executable, "-c", _PROGRAM, str(IMPORT_ROOT), *map(str, request)],
            env={name: os.environ[name] for name in _VARIABLES if name in os.environ},
            stdin=data.fd,
            stdout=result,
        )

        def on_left() -> None:
            left.set()
            process.kill()

        watch = gevent_io.ClientWatch(client, on_left) if client is not None else None
        try:
            code = process.wait()
        finally:
            if watch is not None:
                watch.close()
            process.kill()
        if left.is_set():
            raise ClientLeft("The client has left.")
        return code


def _pictures(head: dict[str, Any], code: int, result: int, at: int) -> list[Picture]:
    """Return the images of a result, whose files begin at `at`.

    Raises `ImageRefused`, and `BpuError` without one.
    """
    if "error" in head and code <= 0:
        raise ImageRefused(str(head["error"]), int(head["index"]))
    if code:
        raise BpuError("The process that decodes images could not run; see the log of the gateway.")
    pictures = []
    for one in head["images"]:
        pictures.append(Picture(one["digest"], os.pread(result, one["size"], at)))
        at += one["size"]
    return pictures
