"""The guard around the clients of `make clients`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.with_gateway import guarded


def test_this_machine_is_reached(tmp_path: Path) -> None:
    program = (
        "import socket; server = socket.create_server(('127.0.0.1', 0));"
        "socket.create_connection(('localhost', server.getsockname()[1])).close()"
    )
    assert guarded([sys.executable, "-c", program], tmp_path) == (0, "")


@pytest.mark.parametrize(
    ("attempt", "noted"),
    [
        ("socket.create_connection(('192.0.2.1', 9))", "socket.getaddrinfo 192.0.2.1\n"),
        ("socket.socket().connect(('192.0.2.1', 9))", "socket.connect 192.0.2.1\n"),
        ("socket.getaddrinfo('example.invalid', 443)", "socket.getaddrinfo example.invalid\n"),
        ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 9))", "socket.sendto 192.0.2.1\n"),
    ],
)
def test_another_one_is_not_and_the_attempt_is_noted(tmp_path: Path, attempt: str, noted: str) -> None:
    program = f"import socket\ntry: {attempt}\nexcept ConnectionRefusedError: pass"
    assert guarded([sys.executable, "-c", program], tmp_path) == (0, noted)
