"""Copies a console's pipe to a socket: the least that an HTTP hop costs.

It has no queue, no parser, no template and no OpenAI format. Standard library only.
`python -S -m benchmarks.relay PORT ARGV...` prints `ready` after the console's first prompt.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence

PROMPT = b"[User] <<< "
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
READ_BYTES = 64 * 1024
#: The constant frame around a piece.
FRAME = (b'data: {"choices":[{"index":0,"delta":{"content":', b"}}]}\n\n")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def main(port: int, argv: Sequence[str]) -> None:
    """Serve one client after the other; the request's body is the line."""
    command = ["stdbuf", "-i0", "-o0", "-e0", *argv]
    console = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert console.stdin is not None
    assert console.stdout is not None
    write, read = console.stdin.fileno(), console.stdout.fileno()
    _copy(read, None)
    with socket.create_server(("127.0.0.1", port)) as server:
        os.write(1, b"ready\n")
        while True:
            client, _ = server.accept()
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line = _body(client)
                client.sendall(HEAD)
                os.write(write, line + b"\n")
                _copy(read, client)


def _body(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(READ_BYTES)
    head, _, body = data.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    while length and len(body) < int(length[1]):
        body += client.recv(READ_BYTES)
    return body


def _copy(pipe: int, client: socket.socket | None) -> None:
    """Send every read of the pipe as one event, up to and with the prompt."""
    tail = b""
    while not tail.endswith(PROMPT):
        piece = os.read(pipe, READ_BYTES)
        if not piece:
            raise SystemExit("the console has ended")
        tail = (tail + piece)[-len(PROMPT) :]
        if client is not None:
            client.sendall(FRAME[0] + json.dumps(piece.decode("utf-8", "replace")).encode("ascii") + FRAME[1])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
