"""Clients of bare sockets: what they receive and when, and many of them at once."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.clients import run_clients, wait_for
from benchmarks.plan import first_ms, tokens_per_s
from bpu.bench.client import DONE, Address, Exchange, chat, exchange, request

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
MS = 1_000_000


def event(text: str, key: str = "content") -> bytes:
    body = {"choices": [{"index": 0, "delta": {key: text}}]}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def exchange_of(*pieces: bytes) -> Exchange:
    """One read each millisecond, the first a millisecond after it was sent."""
    return Exchange(0, [((number + 1) * MS, piece) for number, piece in enumerate(pieces)])


def test_a_text_has_the_time_of_the_read_that_completed_its_event() -> None:
    whole = event("海风")
    one = exchange_of(HEAD + event("a") + whole[:30], whole[30:-1], whole[-1:] + event("b"), DONE)
    assert one.texts() == [(MS, "a"), (3 * MS, "海风"), (3 * MS, "b")]
    assert one.status == 200
    assert one.ended == 4 * MS


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_however_it_is_cut_the_texts_are_the_same(size: int) -> None:
    data = HEAD + event("思", "reasoning_content") + event("one ") + event("two") + b": a comment\n\n" + DONE
    one = exchange_of(*(data[at : at + size] for at in range(0, len(data), size)))
    assert [text for _, text in one.texts()] == ["思", "one ", "two"]
    assert one.first_text() == one.texts()[0][0]


def test_what_has_no_text_is_no_piece() -> None:
    role = b'data: {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}\n\n'
    usage = b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n'
    assert exchange_of(HEAD + role, event("a"), usage).texts() == [(2 * MS, "a")]
    with pytest.raises(ValueError, match="no text came"):
        exchange_of(HEAD + role).first_text()


def test_of_a_relay_only_the_answer_counts() -> None:
    echo = [event("go on\n[Assis"), event("tant] >>> fir"), event("st"), event(" second")]
    assert exchange_of(HEAD, *echo).texts() == [(3 * MS, "fir"), (4 * MS, "st"), (5 * MS, " second")]
    assert first_ms(exchange_of(HEAD, event("[Assistant] >>> "), event("x"))) == 3.0


def test_pace_is_counted_behind_the_first_piece_which_may_hold_many() -> None:
    assert tokens_per_s(exchange_of(event("aa"), event("bb"), event("cc")), 3) == pytest.approx(2 / 0.002)
    assert tokens_per_s(exchange_of(event("aaaa"), event("bb")), 3) == pytest.approx(1 / 0.001)
    assert tokens_per_s(exchange_of(event("aa") + event("aa"), event("bb")), 3) == pytest.approx(1 / 0.001)


def test_an_answer_in_one_read_has_the_pace_of_all_of_it() -> None:
    assert tokens_per_s(exchange_of(event("aaaa")), 3) == pytest.approx(3 / 0.001)
    assert tokens_per_s(exchange_of(event("aa") + event("bb")), 3) == pytest.approx(3 / 0.001)


def test_requests_are_whole_http() -> None:
    head, _, body = chat("hi 海", "secret", max_tokens=3).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"Authorization: Bearer secret" in head
    sent = json.loads(body)
    assert (sent["stream"], sent["max_tokens"]) == (True, 3)
    assert sent["messages"] == [{"role": "user", "content": "hi 海"}]
    assert request("/health", None).startswith(b"GET /health HTTP/1.1\r\n")


@contextmanager
def server(answer: Callable[[socket.socket, int], None]) -> Iterator[Address]:
    """A server that calls `answer(socket, number)` for each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = 0

        def serve() -> None:
            nonlocal number
            while True:
                try:
                    sock, _ = listening.accept()
                except OSError:
                    return
                with sock:
                    sock.recv(65536)
                    answer(sock, number)
                number += 1

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_an_exchange_ends_with_done_with_what_was_waited_for_or_with_the_connection() -> None:
    def answer(sock: socket.socket, number: int) -> None:
        sock.sendall(HEAD + event("a") + (DONE if number == 0 else b""))
        if number < 2:
            sock.recv(1)  # open until the client leaves

    with server(answer) as address:
        assert exchange(address, b"x").data.endswith(DONE)
        assert exchange(address, b"x", until=b'"a"').texts()[0][1] == "a"
        assert exchange(address, b"x").texts()[0][1] == "a"


def test_a_crowd_does_all_jobs_and_tells_of_each() -> None:
    def answer(sock: socket.socket, number: int) -> None:
        for piece in (HEAD, event(str(number)), DONE[:5], DONE[5:]):
            sock.sendall(piece)

    counts: list[int] = []
    with server(answer) as address:
        run_clients(address, b"x", clients=3, jobs=7, on_done=counts.append)
    assert counts == [1, 2, 3, 4, 5, 6, 7]


def test_an_answer_that_breaks_off_ends_the_crowd() -> None:
    with server(lambda sock, number: sock.sendall(HEAD)) as address:
        with pytest.raises(ConnectionError, match="broke off"):
            run_clients(address, b"x", clients=2, jobs=2)
        run_clients(address, b"x", clients=2, jobs=2, last=b"")


def test_waiting_gives_the_first_true_value_or_says_what_did_not_come() -> None:
    values = iter([0, "", "there"])
    assert wait_for(lambda: next(values), pause_s=0) == "there"
    with pytest.raises(TimeoutError, match="the moon"):
        wait_for(lambda: False, seconds=0, what="the moon")
