"""Measures the start-up, and the time to accept or refuse a request."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks import programs
from benchmarks.clients import wait_for
from benchmarks.plan import Benchmark, question, queued_client, warm_up
from benchmarks.programs import Gateway
from bpu.bench.client import chat, exchange
from bpu.bench.figures import Check, Row, median

LOAD_S = 1.5
LARGE_BYTES, MESSAGES = 1_000_000, 1000
SMALL_BYTES = 9_500  # with what surrounds it, a body of 10 kB; the console takes lines of 10,238 bytes
#: The codes of a request that is too long.
REFUSALS = (b'"context_length_exceeded"', b'"request_too_large"')
WORDS = "the quick brown fox jumps over the lazy dog and says so "


def start(bench: Benchmark) -> Iterator[Row]:
    """Measure from the command to the first answer of `/health`, and to a loaded model."""
    times, ready = [], []
    for _ in range(bench.plan.starts):
        gateway = Gateway(bench.new_folder(), load_s=LOAD_S)
        try:
            wait_for(gateway.health, what="/health answers")
            times.append(time.monotonic() - gateway.began / 1e9)
            gateway.ready()
            ready.append(time.monotonic() - gateway.began / 1e9)
        finally:
            gateway.stop()
    yield Row("start", "s", median(times), checks=[Check("seconds", median(times), 1.5)])
    yield Row("start_ready", "s", median(ready))


def bodies(bench: Benchmark) -> Iterator[Row]:
    """Measure until a too long body is refused, and a long one queued."""
    rounds = range(bench.plan.bodies)
    with programs.gateway(bench.new_folder()) as gateway:
        warm_up(gateway)
        refused = [_refused_ms(gateway, _large(number)) for number in rounds]
        with queued_client(gateway, question(tokens=100_000, rate=1)):
            wait_for(lambda: gateway.health()["engine"]["state"] == "busy", what="a slow job runs")
            queued = [_queued_ms(gateway, _small(number)) for number in rounds]
    yield Row("body_large", "ms", median(refused), checks=[Check("median_ms", median(refused), 50.0)])
    yield Row("body_small", "ms", median(queued), checks=[Check("median_ms", median(queued), 10.0)])


def _large(number: int) -> bytes:
    """A body of 1 MB; no two are alike, so that no cache can help."""
    text = (f"{number} {WORDS}" * (LARGE_BYTES // MESSAGES // len(WORDS) + 1))[: LARGE_BYTES // MESSAGES - 40]
    return chat([{"role": ("user", "assistant")[index % 2], "content": text} for index in range(MESSAGES - 1)])


def _small(number: int) -> bytes:
    return chat((f"{number} {WORDS}" * 200)[:SMALL_BYTES])


def _refused_ms(gateway: Gateway, data: bytes) -> float:
    answer = exchange(gateway.address, data)
    if not any(code in answer.data for code in REFUSALS):
        raise AssertionError(f"it was not refused for its size: {answer.data[:300]!r}")
    return (answer.ended - answer.sent) / 1e6


def _queued_ms(gateway: Gateway, data: bytes) -> float:
    """The time until the first chunk, which is sent when the request is queued."""
    answer = exchange(gateway.address, data, until=b'"role"')
    if b'"role"' not in answer.data:
        raise AssertionError(f"it was not queued: {answer.data[:300]!r}")
    return (answer.ended - answer.sent) / 1e6
