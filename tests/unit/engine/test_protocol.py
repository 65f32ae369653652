"""Packets between keeper and workers: whole or not at all, descriptors beside them, any folder."""

from __future__ import annotations

import os
from _socket import SocketType as RawSocket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.engine import protocol
from bpu.engine.protocol import Closed

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)

#: The listener, the server's side of a connection, the client's.
Sockets = tuple[RawSocket, RawSocket, RawSocket]


def pair(folder: Path) -> Sockets:
    listener = protocol.listen(folder)
    client = protocol.connect(folder)
    assert client is not None
    server = RawSocket(fileno=listener._accept()[0])  # type: ignore[attr-defined]  # as `socket.accept` does
    server.setblocking(False)
    return listener, server, client


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[Sockets]:
    opened = pair(tmp_path)
    yield opened
    for sock in opened:
        sock.close()


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_what_is_sent_arrives(tmp_path_factory: pytest.TempPathFactory, message: dict[str, object]) -> None:
    listener, server, client = pair(tmp_path_factory.mktemp("state"))
    try:
        assert protocol.send_packet(client, message)
        assert protocol.receive_packet(server) == (message, [])
        assert protocol.receive_packet(server) is None
    finally:
        for sock in (listener, server, client):
            sock.close()


def test_descriptors_travel_beside_a_packet_and_are_not_inherited(sockets: Sockets) -> None:
    _, server, client = sockets
    reading, writing = os.pipe()
    protocol.send_packet(server, {"event": "start"}, (reading, writing))
    packet = protocol.receive_packet(client)
    assert packet is not None
    message, fds = packet
    assert message == {"event": "start"}
    os.write(fds[1], b"hi")
    assert os.read(reading, 10) == b"hi"
    assert not any(os.get_inheritable(fd) for fd in fds)
    for fd in (reading, writing, *fds):
        os.close(fd)


def test_a_full_buffer_is_reported_and_not_waited_for(sockets: Sockets) -> None:
    _, server, _ = sockets
    sent = 0
    while protocol.send_packet(server, {"filler": "x" * 10_000}):
        sent += 1
        assert sent < 10_000
    assert sent > 0


def test_a_closed_connection_is_reported_by_send_and_receive(sockets: Sockets) -> None:
    _, server, client = sockets
    client.close()
    with pytest.raises(Closed):
        protocol.receive_packet(server)
    with pytest.raises(Closed):
        protocol.send_packet(server, {"event": "place"})


@pytest.mark.parametrize("junk", [b"\xff\xfe", b"[1, 2]", b"{", b"7"])
def test_junk_closes_the_connection(sockets: Sockets, junk: bytes) -> None:
    _, server, client = sockets
    client.send(junk)
    with pytest.raises(Closed):
        protocol.receive_packet(server)


def test_the_other_side_is_known_by_the_kernel(sockets: Sockets) -> None:
    _, server, _ = sockets
    assert protocol.peer_ids(server) == (os.getpid(), os.getuid(), os.getgid())


def test_without_a_listener_there_is_no_connection_and_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    assert protocol.connect(tmp_path) is None
    protocol.listen(tmp_path).close()
    assert (tmp_path / protocol.SOCKET_NAME).exists()
    assert protocol.connect(tmp_path) is None
    for sock in pair(tmp_path):
        sock.close()


def test_a_folder_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    listener, server, client = pair(deep)
    protocol.send_packet(client, {"op": "attach"})
    assert protocol.receive_packet(server) == ({"op": "attach"}, [])
    for sock in (listener, server, client):
        sock.close()
