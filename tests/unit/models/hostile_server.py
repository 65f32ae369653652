"""A server of one file whose connections fail one after another, as a test orders."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Head = dict[str, str]


@dataclass
class Act:
    """What one connection does: the head's fields that differ, and how many bytes of the body it sends.

    `then`: close, reset, or stall (nothing more until the client leaves). `ranges`: honours a range.
    """

    status: str = "200 OK"
    head: Head = field(default_factory=dict)
    sends: int | None = None
    then: str = "close"
    ranges: bool = True
    body: bytes | None = None


class HostileServer:
    """`requests` are the heads that came, in order. After the last act it behaves."""

    def __init__(self, body: bytes, acts: Sequence[Act]) -> None:
        self.body, self._acts = body, list(acts)
        self.requests: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                connection.close()
                return
            head += data
        self.requests.append(head.decode())
        act = self._acts.pop(0) if self._acts else Act()
        body = self.body if act.body is None else act.body
        start, status = self._range(head.decode(), act, len(body))
        fields = {"Content-Length": str(len(body) - start), "ETag": '"one"', "Connection": "close"}
        if start:
            fields["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        fields.update(act.head)
        lines = [f"HTTP/1.1 {status}", *(f"{key}: {value}" for key, value in fields.items() if value), "", ""]
        part = body[start:] if act.sends is None else body[start : start + act.sends]
        with suppress(OSError):
            connection.sendall("\r\n".join(lines).encode() + part)
        if act.then == "stall":
            self._open.append(connection)
            return
        if act.then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    def _range(self, head: str, act: Act, size: int) -> tuple[int, str]:
        asked = re.search(r"(?im)^range: bytes=(\d+)-", head)
        if asked is None or not act.ranges or not act.status.startswith("200"):
            return 0, act.status
        wanted = re.search(r"(?im)^if-range: (.+?)\r?$", head)
        if wanted and wanted[1] != act.head.get("ETag", '"one"'):
            return 0, act.status
        if int(asked[1]) >= size:
            return 0, "416 Range Not Satisfiable"
        return int(asked[1]), "206 Partial Content"


@contextmanager
def serving(body: bytes, *acts: Act) -> Iterator[HostileServer]:
    server = HostileServer(body, acts)
    try:
        yield server
    finally:
        server.close()
