"""Many clients at once: how long the BPU idles between two jobs, and what those cost that only wait."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bpu.bench import programs, stamps
from bpu.bench.bench import Bench, question, warm
from bpu.bench.client import chat, crowd, exchange, request, wait_for
from bpu.bench.figures import Check, Row, median, quantile
from bpu.bench.programs import Gateway, cpu_s, memory_mb

#: Ten tokens in 50 ms: short jobs, but long enough that the client's own work is over before the next one begins.
JOB = question(tokens=10, rate=200)
AIMS_MS = {1: 2.0, 4: 4.0}
#: Processor time below which a worker has served nobody.
SERVED_S = 0.01
HEALTH_EVERY_S = 0.05


def hand_over(bench: Bench) -> Iterator[Row]:
    """Idle BPU between jobs while clients queue, with one worker and with four that really share."""
    for workers, aim in AIMS_MS.items():
        place = bench.place()
        with programs.gateway(place, "--stamp", str(place / "stamps"), workers=workers) as gateway:
            warm(gateway)
            before = {pid: cpu_s([pid]) for pid in gateway.worker_pids()}
            began = time.monotonic_ns()
            crowd(gateway.address, chat(JOB), clients=bench.plan.clients, jobs=bench.plan.hand_overs)
            served = sum(cpu_s([pid]) - used > SERVED_S for pid, used in before.items())
            gaps = stamps.idle_ms(stamps.read(gateway.stamps, began))
        bench.series[f"idle between jobs, {workers} workers, ms"] = gaps
        checks = [Check("median_ms", median(gaps), aim)]
        if workers > 1:
            checks.append(Check("workers_that_served", served, 2, least=True))
        yield Row(f"hand_over_{workers}", "ms", median(gaps), checks=checks)


def waiting(bench: Bench) -> Iterator[Row]:
    """What waiting clients cost while one slow job runs, keep-alives included."""
    plan = bench.plan
    _allow_descriptors(plan.waiting + 100)
    env = {"BPU_QUEUE_LIMIT": str(plan.waiting + 10)}
    with programs.gateway(bench.place(), env=env) as gateway, ExitStack() as stack:
        warm(gateway)
        pids = gateway.server().pids
        stack.enter_context(_client(gateway, question(tokens=100_000, rate=1)))
        wait_for(lambda: gateway.health()["engine"]["state"] == "busy", what="the slow job runs")
        memory = _anonymous_kb(pids)
        for _ in range(plan.waiting):
            stack.enter_context(_client(gateway, JOB))
        wait_for(lambda: gateway.health()["engine"]["queued"] == plan.waiting, what="all wait", pause_s=0.1)
        memory = (_anonymous_kb(pids) - memory) / plan.waiting
        used, began = cpu_s(pids), time.monotonic()
        time.sleep(plan.waiting_s)
        percent = 100 * (cpu_s(pids) - used) / (time.monotonic() - began)
        health = _health_ms(gateway, plan.waiting_s / 2)
    yield Row("waiting_cpu", "%", percent, checks=[Check("percent_of_a_core", percent, 2.0)])
    yield Row("waiting_memory", "kB", memory, checks=[Check("kb_each", memory, 60.0)])
    p99 = quantile(health, 0.99)
    bench.series["health while clients wait, ms"] = health
    yield Row("waiting_health", "ms", p99, checks=[Check("p99_ms", p99, 50.0)])


def _client(gateway: Gateway, text: str) -> socket.socket:
    """A client whose first chunk has come: it has its place in the queue."""
    sock = socket.create_connection(gateway.address, timeout=30)
    sock.sendall(chat(text))
    sock.recv(65536)
    return sock


def _anonymous_kb(pids: object) -> float:
    assert isinstance(pids, list)
    return sum(memory_mb(pid, "Anonymous") for pid in pids) * 1000


def _health_ms(gateway: Gateway, seconds: float) -> list[float]:
    found = []
    for _ in range(max(5, int(seconds / HEALTH_EVERY_S))):
        heard = exchange(gateway.address, request("/health", None))
        found.append((heard.ended - heard.sent) / 1e6)
        time.sleep(HEALTH_EVERY_S)
    return found


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + len(list(Path("/proc/self/fd").iterdir())):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
