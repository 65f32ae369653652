"""What can be measured of a gateway that runs already, on a board say: from outside, one question at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from bpu.bench.client import Address, Heard, chat, exchange, request
from bpu.bench.figures import Check, Row, Run, Series, median, quantile
from bpu.bench.machine import machine
from bpu.errors import BadRequest, EngineCrashed, EngineUnavailable
from bpu.messages import say

QUESTION = "Count from one to fifty, in words."
TOKENS = 64
HEALTH_REQUESTS = 20
#: A board answers one question after the other: more rounds would take minutes.
MOST_ROUNDS = 10


def address_of(url: str) -> Address:
    """Host and port of `http://host[:port][/v1]`. Raises `BadRequest` for anything else: TLS would be measured too."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != "http" or not host:
        raise BadRequest(say("bench.no_address", url=url), param="url")
    return host, port or 80


def measure(address: Address, key: str, rounds: int) -> Run:
    """First token, what the gateway adds to it, tokens a second beside the console's own figure, and health meanwhile.

    Raises `EngineUnavailable` when nobody answers there, `EngineCrashed` for an answer without text or figures.
    """
    run = Run(machine())
    run.rows += _rows(address, key, max(1, min(MOST_ROUNDS, rounds)), run.series)
    return run


def _rows(address: Address, key: str, rounds: int, series: Series) -> Iterator[Row]:
    heards = [_ask(address, key) for _ in range(rounds + 1)][1:]  # the first one may load the model
    first = [(heard.first_text() - heard.sent) / 1e6 for heard in heards]
    timings = [timings_of(heard) for heard in heards]
    added = [whole - told["prompt_ms"] for whole, told in zip(first, timings, strict=True)]
    ours = median([pace(heard, told) for heard, told in zip(heards, timings, strict=True)])
    console = median([told["predicted_per_second"] for told in timings])
    series["first token, gateway, ms"] = first
    yield Row("outside_first_token", "ms", median(first))
    yield Row("outside_added", "ms", median(added), checks=[Check("added_ms", median(added), 10.0)])
    yield Row("outside_console", "tokens/s", console)
    # A simulator that does not pace itself has no figure of its own.
    checks = [Check("of_console", ours / console, 0.95, least=True, ratio=True)] if console else []
    yield Row("outside_throughput", "tokens/s", ours, checks=checks)
    p99 = quantile(_health(address, key), 0.99)
    yield Row("outside_health", "ms", p99, checks=[Check("p99_ms", p99, 50.0)])


def _ask(address: Address, key: str) -> Heard:
    try:
        heard = exchange(address, chat(QUESTION, key, max_tokens=TOKENS))
    except OSError as error:
        raise EngineUnavailable(say("bench.unreachable", reason=error)) from error
    if heard.status != 200 or not heard.texts():
        raise EngineCrashed(say("bench.no_answer", text=heard.data.decode(errors="replace")[-500:].strip()))
    return heard


def timings_of(heard: Heard) -> Mapping[str, Any]:
    for _, body in heard.events():
        if body.get("timings"):
            found: Mapping[str, Any] = body["timings"]
            return found
    raise EngineCrashed(say("bench.no_figures"))


def pace(heard: Heard, timings: Mapping[str, Any]) -> float:
    """Tokens a second between the first and the last piece."""
    seconds = (heard.texts()[-1][0] - heard.first_text()) / 1e9
    return float((timings["predicted_n"] - 1) / seconds) if seconds > 0 else float(timings["predicted_per_second"])


def _health(address: Address, key: str) -> list[float]:
    """`/health` while an answer is generated, in milliseconds."""
    running = threading.Thread(target=_quietly_ask, args=(address, key), daemon=True)
    running.start()
    heards = [exchange(address, request("/health", None, key)) for _ in range(HEALTH_REQUESTS)]
    running.join(60)
    return [(heard.ended - heard.sent) / 1e6 for heard in heards]


def _quietly_ask(address: Address, key: str) -> None:
    try:
        exchange(address, chat(QUESTION, key, max_tokens=TOKENS))
    except (TimeoutError, OSError):
        return
