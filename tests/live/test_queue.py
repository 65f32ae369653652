"""The queue over HTTP: first come first served across workers, bounded, with a place that can be seen."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

from tests.live.chats import ConsoleInput
from tests.live.gateway import Gateway, sim
from tests.live.stream import Stream
from tests.live.test_sharing import worker_of
from tests.support.waits import let_pass, until

Start = Callable[..., Gateway]
MODEL = {"model": "deepseek-r1:1.5b"}


def test_first_come_first_served_across_workers(start: Start) -> None:
    gateway = start(workers=4, reuse_port=True)
    first = gateway.stream(sim(tokens=100, rate=40)).until_text()
    order: list[int] = []

    def wait_for_turn(number: int, stream: Stream) -> None:
        stream.until_text()
        order.append(number)
        stream.read_to_end()

    threads: list[threading.Thread] = []
    for number in range(12):
        stream = gateway.stream(sim(tokens=12, rate=40))
        until(lambda: len(gateway.slots()["waiting"]) == len(threads) + 1)
        threads.append(threading.Thread(target=wait_for_turn, args=(number, stream)))
        threads[-1].start()
    first.read_to_end()
    for thread in threads:
        thread.join(60)
    assert order == list(range(12))


def test_arrivals_a_tenth_of_a_second_apart_never_swap(start: Start, tmp_path: Path) -> None:
    """Nobody looks whether the one before has its place yet, and the workers have served nothing before."""
    read = ConsoleInput(tmp_path / "lines")
    gateway = start(workers=4, reuse_port=True, env={"BPU_CONSOLE_ARGS": read.options})
    until(lambda: booted(gateway, 4), what="all workers accept")
    first = gateway.open_stream(sim(prefill=600))
    let_pass(0.1)
    socks = []
    for number in range(20):
        socks.append(gateway.open_stream(sim(nonce=f"N{number}E", tokens=5)))
        let_pass(0.1)  # the distance that is promised, not a wait for something
    streams = [Stream(sock) for sock in socks]
    served = {worker_of(gateway, stream) for stream in streams}
    assert len(served) >= 2, "one worker served everything: nothing was shared"
    first.close()
    for stream in streams:
        assert stream.read_to_end().finish == "stop"
    order = [int(match[1]) for _, line in read.lines() if (match := re.search(r"nonce=N(\d+)E", line))]
    assert order == list(range(20))


def booted(gateway: Gateway, workers: int) -> bool:
    """Whether so many workers are there and none computes any more: one that still boots has not heard of anybody."""
    used = [sum(worker.cpu_times()[:2]) for worker in gateway.workers()]
    let_pass(0.3)
    return len(used) == workers and used == [sum(worker.cpu_times()[:2]) for worker in gateway.workers()]


def test_a_full_queue_is_a_429_that_says_when_to_come_back(start: Start) -> None:
    gateway = start(env={"BPU_QUEUE_LIMIT": "2"})
    streams = [gateway.stream(sim(tokens=400, rate=40)) for _ in range(3)]
    until(lambda: len(gateway.slots()["waiting"]) == 2)
    status, headers, body = gateway.request(
        "POST", "/v1/chat/completions", {**MODEL, "messages": [{"role": "user", "content": "hi"}]}
    )
    assert (status, json.loads(body)["error"]["code"]) == (429, "queue_full")
    assert 1 <= int(headers["Retry-After"]) <= 60
    for stream in streams:
        stream.close()


def test_waiting_too_long_is_told(start: Start) -> None:
    gateway = start(env={"BPU_QUEUE_TIMEOUT_S": "1"})
    first = gateway.stream(sim(tokens=400, rate=40)).until_text()
    status, _, body = gateway.request(
        "POST", "/v1/chat/completions", {**MODEL, "messages": [{"role": "user", "content": "hi"}]}
    )
    assert (status, json.loads(body)["error"]["code"]) == (503, "queue_timeout")
    answer = gateway.stream("hi").read_to_end()
    assert answer.error is not None
    assert answer.error["code"] == "queue_timeout"
    first.close()


def test_a_place_is_known_to_slots_and_told_while_it_changes(start: Start) -> None:
    gateway = start(env={"BPU_KEEPALIVE_S": "1"})
    first = gateway.stream(sim(tokens=60, rate=40)).until_text()
    second = gateway.stream(sim(tokens=20, rate=40))
    until(lambda: len(gateway.slots()["waiting"]) == 1)
    third = gateway.stream(sim(tokens=20, rate=40))
    waiting = until(lambda: len(slots := gateway.slots()["waiting"]) == 2 and slots)
    assert [(job["id"], job["position"]) for job in waiting] == [(second.id, 1), (third.id, 2)]
    assert all(job["age_s"] >= 0 for job in waiting)
    first.read_to_end()
    second.read_to_end()
    assert third.read_to_end().finish == "stop"
