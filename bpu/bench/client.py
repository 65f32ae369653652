"""An HTTP client on a bare socket, which records reads and parses them later.

All times are CLOCK_MONOTONIC in nanoseconds, the clock of the simulator's stamps.
"""

from __future__ import annotations

import json
import re
import socket
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

READ_BYTES = 256 * 1024
DONE = b"data: [DONE]\n\n"
START = "[Assistant] >>> "
#: A relay's echo has fewer pieces.
ECHO_PIECES = 20
LIMIT_S = 120.0
_EVENT = re.compile(rb"data: (\{[^\n]*\})\n\n")


@dataclass
class Exchange:
    """One request and its answer, every read with its time."""

    sent: int = 0
    reads: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        """All bytes of the response, with its head."""
        return b"".join(data for _, data in self.reads)

    @property
    def status(self) -> int:
        """The HTTP status in the response's head. Raises `IndexError` for an empty response."""
        return int(self.data.split(b" ", 2)[1])

    @property
    def ended(self) -> int:
        """The time of the last read, in the clock's nanoseconds."""
        return self.reads[-1][0]

    def events(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every event's JSON, with the time of the read that completed it."""
        times, ends, total = [], [], 0
        for at, data in self.reads:
            total += len(data)
            times.append(at)
            ends.append(total)
        for match in _EVENT.finditer(self.data):
            yield times[bisect_left(ends, match.end())], json.loads(match[1])

    def texts(self) -> list[tuple[int, str]]:
        """Pieces of reasoning and answer, without the console's echo, which a bare relay passes on."""
        found = [(at, text) for at, body in self.events() if (text := _text(body))]
        return _after_start(found) if START in "".join(text for _, text in found[:ECHO_PIECES]) else found

    def first_text(self) -> int:
        """Return when the first piece of text came. Raises ValueError if none came."""
        for at, _ in self.texts():
            return at
        raise ValueError(f"no text came: {self.data[-300:]!r}")


def _text(body: dict[str, Any]) -> str:
    return "".join(
        (choice["delta"].get("reasoning_content") or "") + (choice["delta"].get("content") or "")
        for choice in body.get("choices", [])
    )


def _after_start(found: list[tuple[int, str]]) -> list[tuple[int, str]]:
    seen = ""
    for number, (at, text) in enumerate(found):
        seen += text
        if START in seen:
            rest = seen.partition(START)[2]
            return ([(at, rest)] if rest else []) + found[number + 1 :]
    return []


def request(path: str, body: bytes | None, key: str = "") -> bytes:
    """The bytes of one request that closes its connection."""
    method = "GET" if body is None else "POST"
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    head += f"Authorization: Bearer {key}\r\n" if key else ""
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def chat(messages: str | list[dict[str, str]], key: str = "", **fields: Any) -> bytes:
    """A streamed chat completion; a bare text is one question."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    body = {"model": "deepseek-r1:1.5b", "stream": True, "messages": messages, **fields}
    return request("/v1/chat/completions", json.dumps(body).encode(), key)


Address = tuple[str, int]


def exchange(address: Address, data: bytes, *, until: bytes | None = None, limit_s: float = LIMIT_S) -> Exchange:
    """Send `data` on a new connection, and read to its end or to `until`."""
    answer, tail = Exchange(), b""
    with socket.create_connection(address, timeout=limit_s) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer.sent = time.monotonic_ns()
        sock.sendall(data)
        while piece := sock.recv(READ_BYTES):
            answer.reads.append((time.monotonic_ns(), piece))
            tail = (tail + piece)[-256:]
            if DONE in tail or (until is not None and until in piece):
                break
    return answer
