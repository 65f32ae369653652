"""Measures a running gateway over HTTP, one question at a time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from bpu.bench.client import Address, Exchange, chat, exchange, request
from bpu.bench.figures import Check, Row, Run, Series, median, quantile
from bpu.bench.machine import machine
from bpu.errors import BadRequest, EngineCrashed, EngineUnavailable
from bpu.messages import translate

QUESTION = "Count from one to fifty, in words."
TOKENS = 64
HEALTH_REQUESTS = 20
#: The longest wait for the model between two questions, and the time between two looks.
READY_S, LOOK_S = 300.0, 0.1
#: Rounds of a run, and of a short one; more would take minutes on a board, which answers one question at a time.
ROUNDS, SHORT_ROUNDS = 10, 5


def address_of(url: str) -> Address:
    """Host and port of `http://host[:port][/v1]`. Raises `BadRequest` for anything else: TLS would be measured too."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != "http" or not host:
        raise BadRequest(translate("bench.no_address", url=url), param="url")
    return host, port or 80


def measure(address: Address, key: str, rounds: int) -> Run:
    """Measure first token, tokens a second beside the console's figure, and `/health`.

    Raises `EngineUnavailable` when the address does not answer, `EngineCrashed` for an answer without text or figures.
    """
    run = Run(machine())
    run.rows += _rows(address, key, rounds, run.series)
    return run


def _rows(address: Address, key: str, rounds: int, series: Series) -> Iterator[Row]:
    model = _first_model(address, key)
    exchanges = [_ask(address, key, model) for _ in range(rounds + 1)][1:]  # the first one may load the model
    first = [(answer.first_text() - answer.sent) / 1e6 for answer in exchanges]
    timings = [timings_of(answer) for answer in exchanges]
    added = [whole - timing["prompt_ms"] for whole, timing in zip(first, timings, strict=True)]
    gateway = median([tokens_per_s(answer, timing) for answer, timing in zip(exchanges, timings, strict=True)])
    console = median([timing["predicted_per_second"] for timing in timings])
    series["first token, gateway, ms"] = first
    yield Row("remote_first_token", "ms", median(first))
    yield Row("remote_added", "ms", median(added), checks=[Check("added_ms", median(added), 10.0)])
    yield Row("remote_console", "tokens/s", console)
    # A simulator that does not pace itself has no figure of its own.
    checks = [Check("of_console", gateway / console, 0.95, least=True, ratio=True)] if console else []
    yield Row("remote_throughput", "tokens/s", gateway, checks=checks)
    p99 = quantile(_health(address, key, model), 0.99)
    yield Row("remote_health", "ms", p99, checks=[Check("p99_ms", p99, 50.0)])


def _first_model(address: Address, key: str) -> str:
    """Return the model that the gateway lists first."""
    answer = _reach(address, request("/v1/models", None, key))
    try:
        return str(json.loads(_body(answer))["data"][0]["id"])
    except (ValueError, LookupError, TypeError):
        raise _no_answer(answer) from None


def _ask(address: Address, key: str, model: str) -> Exchange:
    answer = _reach(address, chat(QUESTION, key, model=model, max_tokens=TOKENS))
    if answer.status != 200 or not answer.texts():
        raise _no_answer(answer)
    _wait_until_idle(address, key)
    return answer


def _wait_until_idle(address: Address, key: str) -> None:
    """Wait until the console is there for the next question.

    It may have been restarted, because the answer was cut.
    """
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        try:
            state = json.loads(_body(_reach(address, request("/ready", None, key))))["state"]
        except (ValueError, LookupError, TypeError):
            return  # another program's address
        if state not in ("busy", "stopping", "starting", "checking"):
            return
        time.sleep(LOOK_S)


def _reach(address: Address, data: bytes) -> Exchange:
    try:
        return exchange(address, data)
    except OSError as error:
        raise EngineUnavailable(translate("bench.unreachable", reason=error)) from error


def _no_answer(answer: Exchange) -> EngineCrashed:
    return EngineCrashed(translate("bench.no_answer", text=_body(answer).decode(errors="replace")[-500:].strip()))


def _body(answer: Exchange) -> bytes:
    return answer.data.partition(b"\r\n\r\n")[2]


def timings_of(answer: Exchange) -> Mapping[str, Any]:
    """Return llama-server's `timings` in a streamed answer. Raises `EngineCrashed` without them."""
    for _, body in answer.events():
        if body.get("timings"):
            found: Mapping[str, Any] = body["timings"]
            return found
    raise EngineCrashed(translate("bench.no_figures"))


def tokens_per_s(answer: Exchange, timings: Mapping[str, Any]) -> float:
    """Tokens a second between the first and the last piece."""
    seconds = (answer.texts()[-1][0] - answer.first_text()) / 1e9
    return float((timings["predicted_n"] - 1) / seconds) if seconds > 0 else float(timings["predicted_per_second"])


def _health(address: Address, key: str, model: str) -> list[float]:
    """Times of `/health` in milliseconds while an answer is generated."""
    running = threading.Thread(target=_ask_ignoring_errors, args=(address, key, model), daemon=True)
    running.start()
    exchanges = [exchange(address, request("/health", None, key)) for _ in range(HEALTH_REQUESTS)]
    running.join(60)
    return [(answer.ended - answer.sent) / 1e6 for answer in exchanges]


def _ask_ignoring_errors(address: Address, key: str, model: str) -> None:
    try:
        exchange(address, chat(QUESTION, key, model=model, max_tokens=TOKENS))
    except (TimeoutError, OSError):
        return
