"""How soon the gateway is there, and how soon it has judged what comes in."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bpu.bench import programs
from bpu.bench.bench import Bench, joined, question, warm
from bpu.bench.client import chat, exchange, wait_for
from bpu.bench.figures import Check, Row, median
from bpu.bench.programs import Gateway

LOAD_S = 1.5
LARGE_BYTES, MESSAGES = 1_000_000, 1000
SMALL_BYTES = 9_500  # with what surrounds it, a body of 10 kB; the console takes lines of 10,238 bytes
#: The codes of a request that is too long.
REFUSALS = (b'"context_length_exceeded"', b'"request_too_large"')
WORDS = "the quick brown fox jumps over the lazy dog and says so "


def start(bench: Bench) -> Iterator[Row]:
    """From the command to the first answer of `/health`; the model loads meanwhile, and is ready little later."""
    times, ready = [], []
    for _ in range(bench.plan.starts):
        gateway = Gateway(bench.place(), load_s=LOAD_S)
        try:
            wait_for(gateway.health, what="/health answers")
            times.append(time.monotonic() - gateway.began / 1e9)
            gateway.ready()
            ready.append(time.monotonic() - gateway.began / 1e9)
        finally:
            gateway.stop()
    yield Row("start", "s", median(times), checks=[Check("seconds", median(times), 1.5)])
    yield Row("start_ready", "s", median(ready))


def bodies(bench: Bench) -> Iterator[Row]:
    """A body far too long, until it is refused; an ordinary long one, until it is counted and waits in the queue."""
    rounds = range(bench.plan.bodies)
    with programs.gateway(bench.place()) as gateway:
        warm(gateway)
        refused = [_refused_ms(gateway, _large(number)) for number in rounds]
        with joined(gateway, question(tokens=100_000, rate=1)):
            wait_for(lambda: gateway.health()["engine"]["state"] == "busy", what="a slow job runs")
            queued = [_queued_ms(gateway, _small(number)) for number in rounds]
    yield Row("body_large", "ms", median(refused), checks=[Check("median_ms", median(refused), 50.0)])
    yield Row("body_small", "ms", median(queued), checks=[Check("median_ms", median(queued), 10.0)])


def _large(number: int) -> bytes:
    """No two alike, so that nothing can be remembered."""
    text = (f"{number} {WORDS}" * (LARGE_BYTES // MESSAGES // len(WORDS) + 1))[: LARGE_BYTES // MESSAGES - 40]
    return chat([{"role": ("user", "assistant")[place % 2], "content": text} for place in range(MESSAGES - 1)])


def _small(number: int) -> bytes:
    return chat((f"{number} {WORDS}" * 200)[:SMALL_BYTES])


def _refused_ms(gateway: Gateway, data: bytes) -> float:
    heard = exchange(gateway.address, data)
    if not any(code in heard.data for code in REFUSALS):
        raise AssertionError(f"it was not refused for its size: {heard.data[:300]!r}")
    return (heard.ended - heard.sent) / 1e6


def _queued_ms(gateway: Gateway, data: bytes) -> float:
    """The first chunk is sent when the request has its place."""
    heard = exchange(gateway.address, data, until=b'"role"')
    if b'"role"' not in heard.data:
        raise AssertionError(f"it was not taken: {heard.data[:300]!r}")
    return (heard.ended - heard.sent) / 1e6
