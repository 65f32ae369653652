"""Heads and bodies that do not come: 408 in JSON after the time allowed, while others are served by the same worker."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest

from tests.unit.web.test_gunicorn import CHAT, JSON, Served, body, serving

pytestmark = pytest.mark.live

HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {"TEST_SILENCE_S": "1", "BPU_BODY_TIMEOUT_S": "2", "BPU_HEAD_TIMEOUT_S": "1"}
    with serving(tmp_path_factory.mktemp("gunicorn"), **limits) as one:
        yield one


def answer(connection: socket.socket) -> tuple[bytes, dict[str, str]]:
    received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, data = received.partition(b"\r\n\r\n")
    return head.split(b" ")[1], json.loads(data)["error"]


@pytest.mark.parametrize(
    "begun",
    [
        b"Content-Length: 100\r\n\r\n",
        b'Content-Length: 100\r\n\r\n{"model"',
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
    ids=["nothing", "some", "chunk"],
)
def test_a_silent_sender_is_given_up_and_hurts_nobody(served: Served, begun: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(HEAD + begun)
        assert served.ask("POST", CHAT, body("Hello"))
        status, error = answer(connection)
    assert (status, error["code"]) == (b"408", "request_timeout")


@pytest.mark.parametrize("begun", [HEAD + b"Content-Length: 100000\r\n\r\n", HEAD + b"X-Slow: "], ids=["body", "head"])
def test_a_sender_of_drops_is_given_up_too(served: Served, begun: bytes) -> None:
    """Never silent for long, and never done: the time for the whole ends it."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(begun)
        connection.settimeout(0.2)
        received = b""
        while not received:
            connection.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                received = connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 408 ")
    assert served.ask("POST", CHAT, body("Hello"))


@pytest.mark.parametrize("begun", [b"G", b"GET /health HTTP/1.1\r\n", HEAD], ids=["letter", "line", "fields"])
def test_a_head_that_does_not_come_is_given_up_and_an_idle_client_is_not(served: Served, begun: bytes) -> None:
    """Two clients that asked before are silent for longer than a head may take; one had sent what nobody wanted."""
    with served.connect() as idle, served.connect() as unread, served.connect() as silent:
        silent.connect()
        for connection, sent, status in ((idle, body("Hello"), 200), (unread, {"x": "y" * 50_000}, 404)):
            connection.request("POST", CHAT if status == 200 else "/nowhere", json.dumps(sent), JSON)
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (status, True)
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as slow:
            slow.sendall(begun)
            assert served.ask("POST", CHAT, body("Hello"))
            refused, error = answer(slow)
        assert (refused, error["code"]) == (b"408", "request_timeout")
        for connection in (idle, unread, silent):
            sock = connection.sock
            connection.request("GET", "/health")
            assert connection.getresponse().read()
            assert connection.sock is sock
