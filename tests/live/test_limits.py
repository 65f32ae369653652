"""Over a limit: a status, JSON, flat memory, the same worker, and an answer under way that notices nothing of it."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from itertools import islice

from bpu.settings import Settings
from tests.live.gateway import Gateway, sim

CHAT = "/v1/chat/completions"
HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()
MIB = 1 << 20


def posted(body: object) -> bytes:
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    return HEAD + f"Connection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def messages(count: int, text: str = "Hi", **more: object) -> bytes:
    return posted({"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": text}] * count, **more})


def tool(number: int) -> dict[str, object]:
    return {"type": "function", "function": {"name": f"tool_{number}", "parameters": {"type": "object"}}}


#: What is sent, with the status and code of its refusal.
ABUSES: dict[str, tuple[bytes, int, str]] = {
    "line": (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 414, "uri_too_long"),
    "field": (HEAD + b"X-Large: " + b"x" * 100_000 + b"\r\n\r\n", 431, "headers_too_large"),
    "fields": (HEAD + b"X-Many: x\r\n" * 5000 + b"\r\n", 431, "headers_too_large"),
    "body": (posted({"x": "y" * 5 * MIB}), 413, "request_too_large"),
    "depth": (posted("[" * 1_000_000), 413, "request_too_large"),
    "nesting": (posted("[" * 2000 + "]" * 2000), 400, "invalid_json"),
    "messages": (messages(2001), 400, "invalid_value"),
    "length": (messages(1, "word " * 700_000), 400, "context_length_exceeded"),
    "tools": (messages(1, tools=[tool(number) for number in range(2000)]), 400, "invalid_value"),
    "silent head": (HEAD + b"X-Slow", 408, "request_timeout"),
    "silent body": (HEAD + b"Content-Length: 100\r\n\r\n{", 408, "request_timeout"),
    "silent chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", 408, "request_timeout"),
}


def refusals(gateway: Gateway, times: int) -> Counter[tuple[str, int, str]]:
    """All abuses at once, `times` each: (abuse, status, code) as they were answered."""
    heard: Counter[tuple[str, int, str]] = Counter()
    with ExitStack() as stack:
        sent = []
        for name, (data, _, _) in ABUSES.items():
            for _ in range(times):
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=30))
                with suppress(ConnectionError):  # refused before it was all sent
                    sock.sendall(data)
                sent.append((name, sock))
        for name, sock in sent:
            received = b""
            with suppress(ConnectionResetError):
                while piece := sock.recv(65536):
                    received += piece
            head, _, data = received.partition(b"\r\n\r\n")
            heard[name, int(head.split(b" ")[1]), json.loads(data)["error"]["code"]] += 1
    return heard


def test_whatever_is_too_much_is_refused_and_hurts_nobody(start: Callable[..., Gateway]) -> None:
    gateway = start(env={"BPU_HEAD_TIMEOUT_S": "1", "BPU_BODY_TIMEOUT_S": "10"})
    (worker,), (console,) = gateway.workers(), gateway.consoles()
    with closing(gateway.stream(sim("Go on", tokens=3000, rate=20)).until_text()) as calm:
        refusals(gateway, 2)
        before = worker.memory_info().rss
        heard = refusals(gateway, 8)
        grown = worker.memory_info().rss - before
        # All bodies together stay within their budget, and one at a time costs several times its size to parse.
        settings = Settings()
        assert grown < settings.body_budget_bytes + 8 * settings.max_body_bytes
        assert heard == {(name, status, code): 8 for name, (_, status, code) in ABUSES.items()}
        assert not [chunk for chunk in islice(calm, 20) if "error" in chunk]
        assert gateway.slots()["slots"][0]["is_processing"]
        assert (gateway.workers(), gateway.consoles()) == ([worker], [console])
    print(f"{8 * len(ABUSES)} refusals; the worker grew by {grown / MIB:.1f} MiB")
