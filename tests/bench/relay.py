"""The least that a relay can do: one process that copies each piece of a console's pipe to a socket, and no more.

It knows no queue, no parser and no HTTP: it is the yardstick, not a gateway.
`python -m tests.bench.relay PORT ARGV...`
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

PROMPT = b"[User] <<< "


def main(port: int, argv: list[str]) -> None:
    """Serve one client after the other: a line in, pieces out, each as `data: {"piece": ...}`, until the prompt."""
    console = subprocess.Popen(["stdbuf", "-i0", "-o0", "-e0", *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert console.stdin is not None
    assert console.stdout is not None
    pipe = console.stdout.fileno()
    _until_prompt(pipe)
    with socket.create_server(("127.0.0.1", port)) as server:
        print("ready", flush=True)
        while True:
            client, _ = server.accept()
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                console.stdin.write(client.makefile("rb").readline())
                console.stdin.flush()
                _until_prompt(pipe, client)


def _until_prompt(pipe: int, client: socket.socket | None = None) -> None:
    tail = b""
    while not tail.endswith(PROMPT):
        piece = os.read(pipe, 65536)
        if not piece:
            raise SystemExit("the console has ended")
        tail = (tail + piece)[-len(PROMPT) :]
        if client is not None:
            client.sendall(b"data: " + json.dumps({"piece": piece.decode(errors="replace")}).encode() + b"\n\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
