"""The time that a head gets: from its first byte to its last, however often a byte comes."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import gevent
import pytest
from gevent.socket import socketpair
from gunicorn.http.errors import LimitRequestHeaders

from bpu.server.client_socket import MAX_HEAD_BYTES, ClientSocket, LateHead


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        yield ours, theirs


def test_bytes_that_come_slowly_end_with_the_time_for_all(ends: tuple[socket.socket, socket.socket]) -> None:
    clock = Clock()
    connection = ClientSocket(ends[0], first_byte_s=90, idle_s=90, head_s=3, clock=clock)
    for _ in range(3):
        ends[1].sendall(b"G")
        assert connection.recv(10) == b"G"
        clock.now += 1
    ends[1].sendall(b"G")
    with pytest.raises(LateHead):
        connection.recv(10)


def test_silence_within_a_head_is_late_and_before_one_it_is_an_end(ends: tuple[socket.socket, socket.socket]) -> None:
    connection = ClientSocket(ends[0], first_byte_s=0.01, idle_s=90, head_s=0.01)
    assert connection.recv(10) == b""
    ends[1].sendall(b"GET /")
    assert connection.recv(10) == b"GET /"
    with pytest.raises(LateHead):
        connection.recv(10)


def test_a_body_has_no_limit_here_and_the_next_head_has_its_own(ends: tuple[socket.socket, socket.socket]) -> None:
    clock = Clock()
    connection = ClientSocket(ends[0], first_byte_s=90, idle_s=90, head_s=3, clock=clock)
    ends[1].sendall(b"head")
    assert connection.recv(10) == b"head"
    connection.begin_request()
    assert ends[0].gettimeout() is None
    clock.now += 1000
    ends[1].sendall(b"body")
    assert connection.recv(10) == b"body"
    connection.end_request()
    connection.begin_head()
    ends[1].sendall(b"next")
    assert connection.recv(10) == b"next"
    assert connection.fileno() == ends[0].fileno()


def read_all(connection: ClientSocket, theirs: socket.socket, size: int) -> None:
    while size > 0:
        sent = theirs.send(b"x" * min(size, 8192))
        while sent > 0:
            got = len(connection.recv(sent))
            sent, size = sent - got, size - got


def test_7_a_head_is_read_up_to_its_longest_length(ends: tuple[socket.socket, socket.socket]) -> None:
    connection = ClientSocket(ends[0], first_byte_s=90, idle_s=90, head_s=90)
    for _ in range(2):
        read_all(connection, ends[1], MAX_HEAD_BYTES)
        ends[1].sendall(b"x")
        with pytest.raises(LimitRequestHeaders):
            connection.recv(1)
        connection.begin_request()
        read_all(connection, ends[1], MAX_HEAD_BYTES)
        connection.end_request()
        read_all(connection, ends[1], MAX_HEAD_BYTES)  # the rest of a body that was not read
        assert connection.recv(1) == b"x"
        connection.begin_head()


@pytest.mark.parametrize("size", [1, 64, 4 * 1024 * 1024])
def test_all_is_sent_also_to_a_client_that_takes_it_slowly(
    size: int, ends: tuple[socket.socket, socket.socket]
) -> None:
    data = os.urandom(size)
    heard = bytearray()

    def listen() -> None:
        while len(heard) < size and (piece := ends[1].recv(4096)):
            heard.extend(piece)

    listener = threading.Thread(target=listen)
    listener.start()
    ClientSocket(ends[0], first_byte_s=90, idle_s=90, head_s=3).sendall(data)
    listener.join(20)
    assert bytes(heard) == data


def test_6_a_reader_that_waits_reads_the_end_when_reading_is_shut_down() -> None:
    ours, theirs = socketpair()
    with closing(ours), closing(theirs):
        connection = ClientSocket(ours, first_byte_s=90, idle_s=90, head_s=90)
        reader = gevent.spawn(connection.recv, 10)
        gevent.sleep(0)
        connection.shut_down_reading()
        assert reader.get(timeout=10) == b""
        connection.sendall(b"an answer")
        assert theirs.recv(10) == b"an answer"
        connection.close()
        connection.shut_down_reading()  # of a closed one does nothing
