"""Many clients at once: how long the BPU idles between two jobs, and what those cost that only wait."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bpu.bench import programs, stamps
from bpu.bench.bench import FASTEST, Bench, joined, question, warm
from bpu.bench.client import chat, crowd, exchange, request, wait_for
from bpu.bench.figures import Check, Row, median, quantile
from bpu.bench.programs import Gateway, cpu_s, memory_mb

#: Ten tokens in 50 ms: short jobs, but long enough that the client's own work is over before the next one begins.
JOB = question(tokens=10, rate=FASTEST)
AIMS_MS = {1: 2.0, 4: 4.0}
HEALTH_EVERY_S = 0.05


def hand_over(bench: Bench) -> Iterator[Row]:
    """Idle BPU between jobs while clients queue, with one worker and with four that really share.

    Beside it the relay, which takes one client after the other, and the article's way, whose load is not counted.
    """
    plan = bench.plan
    with programs.relay("--stamp", str(bench.folder / "relay-idle")) as bare:
        crowd(bare.address, request("/", JOB.encode()), clients=plan.clients, jobs=plan.hand_overs, last=b"")
    relay = median(_idle_ms(bench.folder / "relay-idle"))
    article = median(_article_idle_ms(bench)) if bench.article else None
    for workers, aim in AIMS_MS.items():
        place = bench.place()
        with programs.gateway(place, "--stamp", str(place / "stamps"), workers=workers) as gateway:
            warm(gateway)
            before, began = gateway.answered(), time.monotonic_ns()
            crowd(gateway.address, chat(JOB), clients=plan.clients, jobs=plan.hand_overs)
            gaps = _idle_ms(gateway.stamps, began)
            served = gateway.answered() - before
        bench.series[f"idle between jobs, {workers} workers, ms"] = gaps
        checks = [Check("median_ms", median(gaps), aim)]
        if workers > 1:
            checks.append(Check("workers_that_served", len(served), workers, least=True))
        yield Row(f"hand_over_{workers}", "ms", median(gaps), relay, article, checks=checks)


def _idle_ms(path: Path, after: int = 0) -> list[float]:
    return stamps.idle_ms(stamps.read(path, after))


def _article_idle_ms(bench: Bench) -> list[float]:
    path = bench.folder / "article-idle"
    with programs.article("--stamp", str(path), load_s=0.0) as server:
        crowd(server.address, chat(JOB), clients=bench.plan.clients, jobs=bench.plan.article_rounds + 1)
    return _idle_ms(path)


def waiting(bench: Bench) -> Iterator[Row]:
    """What waiting clients cost while one slow job runs, keep-alives included."""
    plan = bench.plan
    _allow_descriptors(plan.waiting + 100)
    env = {"BPU_QUEUE_LIMIT": str(plan.waiting + 10)}
    with programs.gateway(bench.place(), env=env) as gateway, ExitStack() as stack:
        warm(gateway)
        pids = gateway.server().pids
        stack.enter_context(joined(gateway, question(tokens=100_000, rate=1)))
        wait_for(lambda: gateway.health()["engine"]["state"] == "busy", what="the slow job runs")
        memory = _anonymous_kb(pids)
        for _ in range(plan.waiting):
            stack.enter_context(joined(gateway, JOB))
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
        heard = exchange(gateway.address, request("/health", None))
        found.append((heard.ended - heard.sent) / 1e6)
        time.sleep(HEALTH_EVERY_S)
    return found


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + len(list(Path("/proc/self/fd").iterdir())):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
