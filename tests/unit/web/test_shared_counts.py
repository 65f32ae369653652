"""Limits that hold over all workers: the table that they share, then the real gunicorn with several of them."""

from __future__ import annotations

import os
import signal
from collections import Counter
from http.client import HTTPException
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.web.shared_counts import Counts, CountTable
from tests.support.waits import until
from tests.unit.web.test_connections import STRANGER, crowd, refusal, request, status
from tests.unit.web.test_gunicorn import CHAT, Served, body, serving

pytestmark = pytest.mark.live


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", "::1%é", "\ud800"]), st.booleans())))
def test_6_all_workers_together_have_the_limit(steps: list[tuple[int, str, bool]]) -> None:
    table, held = CountTable(3), list[tuple[int, str]]()
    columns = [table.assign() for _ in range(3)]
    for worker, name, comes in steps:
        if comes:
            expected = sum(other == name for _, other in held) < 2
            assert columns[worker].add(name, 2) == expected
            held += [(worker, name)] * expected
        elif (worker, name) in held:
            held.remove((worker, name))
            columns[worker].remove(name)


def test_6_what_a_worker_that_has_ended_had_counted_is_forgotten() -> None:
    table = CountTable(2)
    first, second = table.assign(), table.assign()
    assert [first.add("a", 3), first.add("a", 3), second.add("a", 3), second.add("a", 3)] == [True, True, True, False]
    assert table.assign().add("a", 1), "a worker too many counts alone"
    first.close()
    third = table.assign()
    assert [third.add("a", 3), third.add("a", 3), third.add("a", 3)] == [True, True, False]


def add_many(counts: Counts, times: int) -> int:
    return sum(counts.add("a", 500) for _ in range(times))


def test_6_processes_that_count_at_once_never_pass_the_limit() -> None:
    table = CountTable(4)
    columns = [table.assign() for _ in range(4)]
    readers = [os.pipe() for _ in columns]
    processes = []
    for counts, (_, end) in zip(columns, readers, strict=True):
        process = get_context("fork").Process(
            target=lambda counts=counts, end=end: os.write(end, str(add_many(counts, 400)).encode())
        )
        process.start()
        processes.append(process)
    for process in processes:
        process.join(60)
    added = [int(os.read(begin, 20)) for begin, _ in readers]
    for ends in readers:
        for end in ends:
            os.close(end)
    assert 490 <= sum(added) <= 500
    assert table.total("a") == sum(added)


# On the real gunicorn

SEVERAL = {"BPU_WORKERS": "3", "GUNICORN_CMD_ARGS": "--reuse-port"}


def workers(served: Served) -> set[int]:
    """The pids of the workers that have answered some of many requests; none of them while one is being replaced."""
    try:
        return {int(served.ask("GET", "/health")["engine"]["console_pid"]) for _ in range(60)}
    except (ConnectionError, HTTPException):
        return set()


def test_6_an_address_has_its_share_of_all_workers_together(tmp_path: Path) -> None:
    env = {**SEVERAL, "BPU_TRUSTED_PROXIES": "127.0.0.1", "BPU_CLIENT_CONNECTIONS": "4"}
    waiting = request("POST", CHAT, body("wait", stream=True), X_Forwarded_For=STRANGER)
    plain = request("POST", CHAT, body("Hello"), X_Forwarded_For=STRANGER, Connection="close")
    with serving(tmp_path, **env) as served:
        assert len(until(lambda: len(found := workers(served)) == 3 and found)) == 3
        with crowd(served, 24, waiting) as held:
            assert Counter(status(sock) for sock in held) == {200: 4, 429: 20}
            assert {refusal(served, plain) for _ in range(9)} == {(429, "too_many_connections")}
            assert served.raw(plain.replace(STRANGER.encode(), b"192.168.7.8")).startswith(b"HTTP/1.1 200 ")
        until(lambda: served.raw(plain).startswith(b"HTTP/1.1 200 "), what="the share is free again", every=0.1)


def test_6_streams_have_their_places_at_all_workers_together(tmp_path: Path) -> None:
    stream = request("GET", "/v1/events")
    with serving(tmp_path, **SEVERAL, BPU_STATUS_STREAMS="4") as served:
        old = until(lambda: len(found := workers(served)) == 3 and found)
        with crowd(served, 24, stream) as held:
            assert Counter(status(sock) for sock in held) == {200: 4, 503: 20}
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            until(lambda: len(found := workers(served)) == 3 and not found & old, what="there are new workers")
        with crowd(served, 24, stream) as held:
            assert Counter(status(sock) for sock in held) == {200: 4, 503: 20}
