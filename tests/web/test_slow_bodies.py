"""Bodies that do not come: 408 in JSON after the time that is allowed, while others are served by the same worker."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest

from tests.web.test_gunicorn import CHAT, Served, body, serving

HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {"TEST_SILENCE_S": "1", "TEST_WHOLE_S": "2"}
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


def test_a_sender_of_drops_is_given_up_too(served: Served) -> None:
    """Never silent for long, and never done: the time for the whole ends it."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        connection.settimeout(0.2)
        received = b""
        while not received:
            connection.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                received = connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 408 ")
    assert served.ask("POST", CHAT, body("Hello"))
