"""Reads the images of one request in a process of its own, which fetches and decodes them.

It runs in a greenlet of a worker, where waiting for the process holds up nobody, or in a command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from socket import socket
from typing import IO, Any

from bpu import gevent_io
from bpu.errors import BpuError, ClientLeft
from bpu.project import IMPORT_ROOT

#: Seconds for all images of one request, fetching included.
LIMIT_S = 30.0
#: Processes at a time in one worker; each may need 200 MB for a moment, at worst 530 MB.
AT_ONCE = 2


@dataclass(frozen=True)
class Source:
    """Where an image comes from: an address, or its bytes as base64 text in `pieces`."""

    address: str = ""
    pieces: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


@dataclass(frozen=True)
class Picture:
    """A decoded image: the digest of its original bytes, and its file for the console."""

    digest: str
    file: bytes


class ImageRefused(Exception):
    """The image with the number `index` was refused; the message is a sentence for the client."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class ImageReader:
    """Reads images for one worker or command. `allowed` are the values of `BPU_IMAGE_URLS`."""

    def __init__(self, allowed: Iterable[str] = (), *, limit_s: float = LIMIT_S) -> None:
        self._allowed, self._limit_s = list(allowed), limit_s
        self._places = gevent_io.Lock(AT_ONCE)

    def read(self, sources: Sequence[Source], side: int, *, client: socket | None = None) -> list[Picture]:
        """Return the images as squares of `side` pixels. Raises `ImageRefused`, and `ClientLeft` if `client` leaves."""
        with self._places:
            head, body = self._run(_request(sources, side, self._allowed, self._limit_s), client)
        if "error" in head:
            raise ImageRefused(str(head["error"]), int(head["index"]))
        pictures, at = [], 0
        for one in head["images"]:
            pictures.append(Picture(one["digest"], body[at : at + one["size"]]))
            at += one["size"]
        return pictures

    def _run(self, request: Iterator[bytes], client: socket | None) -> tuple[dict[str, Any], bytes]:
        """Send `request` to a new process, and return the head and the files of its result.

        The process ends with its client, so that those who have left hold no place.
        """
        left = gevent_io.Flag()
        process = subprocess.Popen(
            [sys.executable, "-m", "bpu.images"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=IMPORT_ROOT,
            env={name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG") if name in os.environ},
        )

        def on_left() -> None:
            left.set()
            process.kill()

        watch = gevent_io.ClientWatch(client, on_left) if client is not None else None
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            _send(process.stdin, request)
            head, _, files = process.stdout.read().partition(b"\n")
        finally:
            if watch is not None:
                watch.close()
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
            code = process.wait()
        if left.is_set():
            raise ClientLeft("The client has left.")
        if not head:
            raise ImageRefused(_lost(code), 0)
        found: dict[str, Any] = json.loads(head)
        return found, files


def _request(sources: Sequence[Source], side: int, allowed: list[str], limit_s: float) -> Iterator[bytes]:
    images = [{"address": one.address} if one.address else {"base64": one.size} for one in sources]
    head = {"side": side, "allowed": allowed, "limit_s": limit_s, "images": images}
    yield json.dumps(head).encode() + b"\n"
    for one in sources:
        yield from one.pieces


def _send(pipe: IO[bytes], pieces: Iterator[bytes]) -> None:
    """Write the request; a process that has ended reads no more of it, and its exit says the rest."""
    with suppress(BrokenPipeError):
        for piece in pieces:
            pipe.write(piece)
        pipe.close()


def _lost(code: int) -> str:
    """Say why the process gave no result."""
    if code > 0:
        raise BpuError("The process that decodes images could not run; see the log of the gateway.")
    return "The image takes too long to decode, or needs too much memory."
