"""What others announce and answer is hostile: it is cut, cleaned, and never waited for without an end."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.discovery.scan import (
    MAX_ADDRESSES,
    MAX_BYTES,
    MAX_MODELS,
    MAX_TEXT,
    FoundGateway,
    ask,
    clean,
    models_of,
    parse_records,
    with_health,
)
from tests.support.waits import let_pass

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def check_shown(found: FoundGateway) -> None:
    """Whatever is in an entry can be shown on a terminal."""
    for text in (found.name, found.address, found.version, found.state, *found.models):
        assert text.isprintable() or text == ""
        assert len(text) <= MAX_TEXT
    assert len(found.models) <= MAX_MODELS


@given(
    st.text(max_size=300),
    st.lists(st.ip_addresses(v=4).map(str) | st.sampled_from(["10.0.0.1", "192.168.1.1", "junk"]), max_size=8),
    st.none() | st.integers(-1, 70000),
    st.dictionaries(st.binary(max_size=20) | st.just(b"models"), st.none() | st.binary(max_size=300), max_size=30),
)
def test_records_are_made_fit_to_be_shown(name: str, ips: list[str], port: int | None, txt: dict[Any, Any]) -> None:
    found = parse_records(name, ips, port, txt)
    if found is None:
        return
    assert 1 <= len(found) <= MAX_ADDRESSES
    for one in found:
        check_shown(one)
        assert not one.address.startswith(("http://127.", "http://8.", "http://0."))


def test_an_address_that_is_not_of_a_local_network_is_never_asked() -> None:
    for ip in ("127.0.0.1", "8.8.8.8", "0.0.0.0", "224.0.0.251"):
        assert parse_records("x", [ip], 80, {}) is None
    assert parse_records("x", ["10.0.0.1"], 0, {}) is None
    assert parse_records("x", ["10.0.0.1"], None, {}) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("a\nb\tc\r", "a b c"),
        ("abc\u202egpj.exe", "abc gpj.exe"),
        ("x" * 1000, "x" * MAX_TEXT),
        (5, ""),
        (None, ""),
        ("开发板", "开发板"),
    ],
)
def test_text_for_a_terminal(text: object, shown: str) -> None:
    assert clean(text) == shown


@given(ANY_JSON, ANY_JSON, st.integers(0, 600))
def test_whatever_a_gateway_answers_can_be_shown(engine: Any, listed: Any, status: int) -> None:
    found = with_health(
        FoundGateway("x", "http://10.0.0.1:1"),
        {"engine": engine if isinstance(engine, dict) else {}, "version": engine},
    )
    check_shown(found)
    fields = models_of(status, listed if isinstance(listed, dict) else {"data": listed})
    check_shown(FoundGateway("x", "http://10.0.0.1:1", **fields))


def test_what_a_good_gateway_answers() -> None:
    health = {"version": "1.0", "simulated": True, "engine": {"state": "busy", "running": True, "waiting": 3}}
    found = with_health(FoundGateway("x", "http://10.0.0.1:1"), health)
    assert (found.version, found.state, found.busy, found.waiting, found.simulated) == ("1.0", "busy", True, 3, True)
    assert models_of(200, {"data": [{"id": "a"}, {"id": "a"}, {"id": "b"}]})["models"] == ("a", "b")
    assert models_of(401, {}) == {"needs_key": True}
    assert models_of(500, {"data": [{"id": "a"}]}) == {}


@contextmanager
def stranger(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that treats its one client badly; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                client, _ = server.accept()
                with client:
                    client.recv(4096)
                    behave(client)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield int(server.getsockname()[1])


def head(length: object, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()


def drip(data: bytes) -> Callable[[socket.socket], None]:
    def send(client: socket.socket) -> None:
        for number in range(6000):
            client.sendall(data[number % len(data) :][:1])
            let_pass(0.05)

    return send


@pytest.mark.parametrize(
    "behave",
    [
        lambda client: None,
        lambda client: client.recv(1),
        drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000),
        lambda client: (client.sendall(head(10_000)), drip(b" ")(client)),
        lambda client: client.sendall(b"\0" * 100_000),
        lambda client: client.sendall(head(5) + b"12345"[:3]),
        lambda client: client.sendall(head("x") + b"{"),
        lambda client: client.sendall(head(200_000) + b"[" * 200_000),
        lambda client: client.sendall(head(2 * MAX_BYTES) + b'{"a": "' + b"x" * MAX_BYTES),
        lambda client: client.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        ),
    ],
)
def test_an_answer_that_is_none_ends_in_time(behave: Callable[[socket.socket], None]) -> None:
    """The strangers that go on would do so for longer than a test may take."""
    with stranger(behave) as port:
        status, body = ask("127.0.0.1", port, "/health", limit_s=0.5)
        assert body == {}
        assert status in (0, 200, 302)


def test_a_good_answer_is_read_and_a_closed_port_is_no_answer() -> None:
    data = json.dumps({"engine": {}}).encode()
    with stranger(lambda client: client.sendall(head(len(data)) + data)) as port:
        assert ask("127.0.0.1", port, "/health") == (200, {"engine": {}})
    assert ask("127.0.0.1", 1, "/health") == (0, {})
