"""How soon the gateway is there, and how soon it has judged what comes in."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bpu.bench import programs
from bpu.bench.bench import Bench, question, warm
from bpu.bench.client import chat, exchange, wait_for
from bpu.bench.figures import Check, Row, median
from bpu.bench.programs import Gateway

LOAD_S = 1.5
LARGE_BYTES, MESSAGES = 1_000_000, 1000
SMALL_BYTES = 9_500  # with what surrounds it, a body of 10 kB; the console takes lines of 10,238 bytes
WORDS = "the quick brown fox jumps over the lazy dog and says so "


def start(bench: Bench) -> Iterator[Row]:
    """From the command to the first answer of `/health`, while the model loads."""
    times = []
    for _ in range(bench.plan.starts):
        gateway = Gateway(bench.place(), load_s=LOAD_S)
        try:
            wait_for(gateway.health, what="/health answers")
            times.append(time.monotonic() - gateway.began / 1e9)
            gateway.ready()
        finally:
            gateway.stop()
    yield Row("start", "s", median(times), checks=[Check("seconds", median(times), 1.5)])


def bodies(bench: Bench) -> Iterator[Row]:
    """A body far too long, until it is refused; an ordinary long one, until it has its place in the queue."""
    filler = (WORDS * (LARGE_BYTES // MESSAGES // len(WORDS) + 1))[: LARGE_BYTES // MESSAGES - 40]
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": filler} for number in range(MESSAGES - 1)]
    large = chat([*messages, {"role": "user", "content": filler}])
    small = chat((WORDS * 200)[:SMALL_BYTES] + question(tokens=4))
    with programs.gateway(bench.place()) as gateway:
        warm(gateway)
        refused = [_refused_ms(gateway, large) for _ in range(bench.plan.bodies)]
        queued = [_queued_ms(gateway, small) for _ in range(bench.plan.bodies)]
    yield Row("body_large", "ms", median(refused), checks=[Check("median_ms", median(refused), 50.0)])
    yield Row("body_small", "ms", median(queued), checks=[Check("median_ms", median(queued), 10.0)])


def _refused_ms(gateway: Gateway, data: bytes) -> float:
    heard = exchange(gateway.address, data)
    assert heard.status in (400, 413), heard.data[:200]
    return (heard.ended - heard.sent) / 1e6


def _queued_ms(gateway: Gateway, data: bytes) -> float:
    """The first chunk is sent when the request has its place."""
    heard = exchange(gateway.address, data)
    for at, body in heard.events():
        if body["choices"][0]["delta"].get("role"):
            return (at - heard.sent) / 1e6
    raise AssertionError(f"it was not taken: {heard.data[:300]!r}")
