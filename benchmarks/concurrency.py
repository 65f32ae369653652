"""Measures many clients: the idle BPU between two jobs, and the cost of waiting."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import programs, stamps
from benchmarks.clients import run_clients, wait_for
from benchmarks.plan import FASTEST, Benchmark, question, queued_client, warm_up
from benchmarks.programs import Gateway, cpu_s, memory_mb
from bpu.bench.client import chat, exchange, request
from bpu.bench.figures import Check, Row, median, quantile

#: Short jobs, but long enough (50 ms) that the client's own work is over before the next one begins.
JOB = question(tokens=10, rate=FASTEST)
AIMS_MS = {1: 2.0, 4: 4.0}
HEALTH_EVERY_S = 0.05


def hand_over(bench: Benchmark) -> Iterator[Row]:
    """Measure the idle BPU between jobs while clients queue, with one worker and with four.

    Beside it the relay, which serves one client after the other, and one process a request, whose load is not counted.
    """
    plan = bench.plan
    with programs.relay("--stamp", str(bench.folder / "relay-idle")) as bare:
        run_clients(bare.address, request("/", JOB.encode()), clients=plan.clients, jobs=plan.handovers, last=b"")
    relay = median(_idle_ms(bench.folder / "relay-idle"))
    per_request = median(_per_request_idle_ms(bench)) if bench.process_per_request else None
    for workers, aim in AIMS_MS.items():
        folder = bench.new_folder()
        with programs.gateway(folder, "--stamp", str(folder / "stamps"), workers=workers) as gateway:
            warm_up(gateway)
            before, began = gateway.answered(), time.monotonic_ns()
            run_clients(gateway.address, chat(JOB), clients=plan.clients, jobs=plan.handovers)
            gaps = _idle_ms(gateway.stamps, began)
            served = gateway.answered() - before
        bench.series[f"idle between jobs, {workers} workers, ms"] = gaps
        checks = [Check("median_ms", median(gaps), aim)]
        if workers > 1:
            checks.append(Check("workers_that_served", len(served), workers, least=True))
        yield Row(f"hand_over_{workers}", "ms", median(gaps), relay, per_request, checks=checks)


def _idle_ms(path: Path, after: int = 0) -> list[float]:
    return stamps.idle_ms(stamps.read(path, after))


def _per_request_idle_ms(bench: Benchmark) -> list[float]:
    path = bench.folder / "per-request-idle"
    with programs.process_per_request("--stamp", str(path), load_s=0.0) as server:
        run_clients(server.address, chat(JOB), clients=bench.plan.clients, jobs=bench.plan.per_request_rounds + 1)
    return _idle_ms(path)


def waiting(bench: Benchmark) -> Iterator[Row]:
    """Measure what waiting clients cost while one slow job runs, keep-alives included."""
    plan = bench.plan
    _allow_descriptors(plan.waiting + 100)
    env = {"BPU_QUEUE_LIMIT": str(plan.waiting + 10)}
    with programs.gateway(bench.new_folder(), env=env) as gateway, ExitStack() as stack:
        warm_up(gateway)
        pids = gateway.server().pids
        stack.enter_context(queued_client(gateway, question(tokens=100_000, rate=1)))
        wait_for(lambda: gateway.health()["engine"]["state"] == "busy", what="the slow job runs")
        memory = _anonymous_kb(pids)
        for _ in range(plan.waiting):
            stack.enter_context(queued_client(gateway, JOB))
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


def _anonymous_kb(pids: object) -> float:
    assert isinstance(pids, list)
    return sum(memory_mb(pid, "Anonymous") for pid in pids) * 1000


def _health_ms(gateway: Gateway, seconds: float) -> list[float]:
    found = []
    for _ in range(max(5, int(seconds / HEALTH_EVERY_S))):
        answer = exchange(gateway.address, request("/health", None))
        found.append((answer.ended - answer.sent) / 1e6)
        time.sleep(HEALTH_EVERY_S)
    return found


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + len(list(Path("/proc/self/fd").iterdir())):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
