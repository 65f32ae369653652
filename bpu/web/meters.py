"""What is counted while requests are served, as Prometheus metrics that are right across workers.

It counts and times, and never sees what people wrote. What the engine knows is read at the moment of asking
(`bpu.web.metrics`), not counted here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, Union

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

from bpu.console.events import Event, Text
from bpu.turn import Waiting
from bpu.web.shares import VARIABLE
from bpu.web.trace import Record

#: Seconds. A wait may be a queue of minutes; a board says its first token after some tenths of a second.
WAITS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
GAPS = (0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 5, 30)
#: So many gaps are written down together: each write takes a lock and a shared file, between two tokens of somebody.
NOTED_AT_ONCE = 64
#: Tokens per second: decoding is 5 to 60 on these boards, prefill some hundreds.
RATES = (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 200, 400, 800, 1600, 3200)
#: Errors of a request that had its place; every other error is a refusal.
LEFT = frozenset({"client_left", "job_cancelled"})
FAILED = frozenset({"engine_crashed", "engine_timeout", "internal_error", "response_format_failed", "tool_call_failed"})

Item = TypeVar("Item", bound=Union[Event, Waiting])


class Meters:
    """The meters of one worker. With `$PROMETHEUS_MULTIPROC_DIR` set, `registry()` adds up those of all workers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._own = own = CollectorRegistry()
        self._requests = Counter("bpu_http_requests", "Requests answered.", ["endpoint", "status"], registry=own)
        self._rejects = Counter("bpu_rejects", "Requests refused, by the error's code.", ["reason"], registry=own)
        self._cancels = Counter("bpu_cancels", "Jobs left or cancelled, by phase.", ["phase"], registry=own)
        self._failures = Counter("bpu_failures", "Jobs that failed, by the error's code.", ["reason"], registry=own)
        self._tokens = {
            name: Counter(f"bpu_{name}_tokens", words, registry=own)
            for name, words in (
                ("prompt", "Tokens of the prompts, cached ones included."),
                ("cached", "Prompt tokens that the console still had in its cache."),
                ("completion", "Tokens generated, reasoning included."),
                ("reasoning", "Tokens generated within the reasoning."),
            )
        }
        self._wait = Histogram(
            "bpu_queue_wait_seconds", "Time in the queue before a job had the console.", buckets=WAITS, registry=own
        )
        self._first = Histogram(
            "bpu_time_to_first_token_seconds",
            "Time from the request to its first token, queue and loading included.",
            buckets=WAITS,
            registry=own,
        )
        self._gap = Histogram("bpu_token_gap_seconds", "Time between two tokens.", buckets=GAPS, registry=own)
        self._prefill = Histogram(
            "bpu_prefill_tokens_per_second", "Speed of reading a prompt, by job.", buckets=RATES, registry=own
        )
        self._decode = Histogram(
            "bpu_decode_tokens_per_second", "Speed of generating, by job.", buckets=RATES, registry=own
        )

    def registry(self) -> CollectorRegistry:
        """What to write out: this worker's own, or the sum of all workers."""
        if VARIABLE not in os.environ or not Path(os.environ[VARIABLE]).is_dir():
            return self._own
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry

    def watch(self, events: Iterable[Item], record: Record) -> Iterator[Item]:
        """`events` as they come, the time to the first token and between tokens noted, and the phase in `record`."""
        last: float | None = None
        gaps: list[float] = []
        try:
            for event in events:
                if isinstance(event, Waiting):
                    record.phase, record.waiting = event.phase, event.detail
                elif isinstance(event, Text):
                    record.phase, now = "decode", self._clock()
                    if last is None:
                        self._first.observe(now - record.started)
                    else:
                        gaps.append(now - last)
                    last = now
                    if len(gaps) == NOTED_AT_ONCE:
                        self._note(gaps)
                yield event
        finally:
            self._note(gaps)

    def _note(self, gaps: list[float]) -> None:
        for gap in gaps:
            self._gap.observe(gap)
        gaps.clear()

    def count(self, record: Record) -> None:
        """One request that is over."""
        self._requests.labels(record.endpoint, record.status).inc()
        error = record.facts.get("error")
        if error in LEFT:
            self._cancels.labels(record.phase or "queued").inc()
        elif error in FAILED:
            self._failures.labels(error).inc()
        elif error:
            self.refused(str(error))
        self._count_job(record.facts)

    def refused(self, reason: str) -> None:
        """A request that did not become a job; `reason` is the code of its error."""
        self._rejects.labels(reason).inc()

    def _count_job(self, facts: dict[str, Any]) -> None:
        for name, counter in self._tokens.items():
            counter.inc(facts.get(f"{name}_tokens", 0))
        if "queued_ms" in facts:
            self._wait.observe(facts["queued_ms"] / 1000)
        written = facts.get("prompt_tokens", 0) - facts.get("cached_tokens", 0)
        _observe_rate(self._prefill, written, facts.get("prefill_ms", 0.0))
        _observe_rate(self._decode, facts.get("completion_tokens", 0), facts.get("decode_ms", 0.0))


def _observe_rate(histogram: Histogram, tokens: int, milliseconds: float) -> None:
    if tokens > 0 and milliseconds > 0:
        histogram.observe(tokens * 1000 / milliseconds)
