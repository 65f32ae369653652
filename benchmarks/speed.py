"""First token, latency, throughput and processor time, beside the relay and one process a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import programs, stamps
from benchmarks.messages import say
from benchmarks.plan import (
    EMPTY_REASONING_BYTES,
    RATE,
    Benchmark,
    ask,
    ask_relay,
    first_ms,
    question,
    tokens_per_s,
    warm_up,
)
from benchmarks.programs import Server, cpu_s
from bpu.bench.client import Exchange
from bpu.bench.figures import Check, Row, median, quantile
from bpu.errors import EngineUnavailable

LOAD_S = 1.5


def first_token(bench: Benchmark) -> Iterator[Row]:
    """Measure the first token, in turns with the relay and against a load."""
    text = f"[[sim tokens=4 rate={RATE}]]"  # the first token is reasoning, which all three pass on
    with programs.relay() as bare, programs.gateway(bench.new_folder()) as gateway:
        warm_up(gateway)
        ask_relay(bare, text)
        questions = [f"question {number} {text}" for number in range(bench.plan.rounds)]
        pairs = [(first_ms(ask_relay(bare, each)), first_ms(ask(gateway.address, each))) for each in questions]
    relay, gateway_ms = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    bench.series["first token, relay, ms"], bench.series["first token, gateway, ms"] = relay, gateway_ms
    over, over_99 = median(gateway_ms) - median(relay), quantile(gateway_ms, 0.99) - quantile(relay, 0.99)
    yield Row(
        "first_token",
        "ms",
        median(gateway_ms),
        median(relay),
        checks=[
            Check("median_over_relay_ms", over, 2.0),
            Check("p99_over_relay_ms", over_99, 10.0),
        ],
    )
    if bench.process_per_request:
        with programs.process_per_request(load_s=LOAD_S) as server:
            per_request = [first_ms(ask(server.address, text)) for _ in range(bench.plan.per_request_rounds)]
        sooner = Check(
            "times_sooner_than_process_per_request",
            median(per_request) / median(gateway_ms),
            30.0,
            least=True,
            ratio=True,
        )
        yield Row(
            "first_token_cold", "ms", median(gateway_ms), process_per_request=median(per_request), checks=[sooner]
        )


@dataclass
class Side:
    """One server: latencies of its tokens in milliseconds, and its processor seconds.

    `dropped` bytes at the beginning of the answer reach no client.
    """

    server: Server
    stamps: Path
    ask: Callable[[str], Exchange]
    dropped: int = 0
    latencies: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    def round(self, text: str) -> None:
        before = cpu_s(self.server.pids)
        answer = self.ask(text)
        self.cpu_s += cpu_s(self.server.pids) - before
        turn = stamps.read(self.stamps, answer.sent)[-1]
        self.latencies += stamps.latencies(turn, answer.texts(), self.dropped)


def paced(bench: Benchmark) -> Iterator[Row]:
    """Measure latency and processor time of a token at 50 tokens a second."""
    plan = bench.plan
    with ExitStack() as stack:
        sides = _sides(bench, stack)
        for side in sides.values():
            side.ask(question(tokens=5))
        for _ in range(plan.paced_rounds):
            for side in sides.values():
                side.round(question(tokens=plan.paced_tokens, rate=RATE))
    for name, side in sides.items():
        bench.series[f"latency, {name}, ms"] = side.latencies
    yield _latency({name: median(side.latencies) for name, side in sides.items()})
    thousands = plan.paced_rounds * plan.paced_tokens / 1000
    yield _processor({name: side.cpu_s * 1000 / thousands for name, side in sides.items()})


def _sides(bench: Benchmark, stack: ExitStack) -> dict[str, Side]:
    stamped = [bench.folder / name for name in ("relay-stamps", "per-request-stamps")]
    bare = stack.enter_context(programs.relay("--stamp", str(stamped[0])))
    folder = bench.new_folder()
    gateway = stack.enter_context(programs.gateway(folder, "--stamp", str(folder / "stamps")))
    sides = {
        "relay": Side(bare, stamped[0], lambda text: ask_relay(bare, text)),
        "gateway": Side(
            gateway.server(), gateway.stamps, lambda text: ask(gateway.address, text), EMPTY_REASONING_BYTES
        ),
    }
    if bench.process_per_request:
        server = stack.enter_context(programs.process_per_request("--stamp", str(stamped[1]), load_s=0.0))
        sides["process per request"] = Side(server, stamped[1], lambda text: ask(server.address, text))
    return sides


def _latency(medians: dict[str, float]) -> Row:
    gateway, per_request = medians["gateway"], medians.get("process per request")
    checks = [Check("of_relay", gateway / medians["relay"], 1.25, ratio=True)]
    if per_request is not None:
        checks.append(Check("of_process_per_request", gateway / per_request, 1.0, ratio=True))
    return Row("latency", "ms", gateway, medians["relay"], per_request, checks)


def _processor(used: dict[str, float]) -> Row:
    gateway, per_request = used["gateway"], used.get("process per request")
    checks = [] if per_request is None else [Check("of_process_per_request", gateway / per_request, 0.5, ratio=True)]
    return Row("cpu", "ms", gateway, used["relay"], per_request, checks)


def throughput(bench: Benchmark) -> Iterator[Row]:
    """Measure tokens a second when the simulator writes as fast as it can."""
    return _throughput(bench, "throughput", [], {})


def full_speed(bench: Benchmark) -> Iterator[Row]:
    """Measure the same over a small console in C.

    It is faster than all that read it. Needs a C compiler.
    """
    program = programs.compile_console(bench.new_folder(create=True))
    if program is None:
        raise EngineUnavailable(say("no_compiler"))
    return _throughput(bench, "full_speed", [str(program)], programs.console_settings(program))


def _throughput(bench: Benchmark, key: str, console: Sequence[str], settings: Mapping[str, str]) -> Iterator[Row]:
    plan = bench.plan
    text = question(tokens=plan.fast_tokens, rate=0)
    with ExitStack() as stack:
        bare = stack.enter_context(programs.relay(console=console))
        gateway = stack.enter_context(programs.gateway(bench.new_folder(), env=settings))
        servers = []
        if bench.process_per_request:
            servers.append(stack.enter_context(programs.process_per_request(load_s=0.0, console=console)))
        warm_up(gateway)
        rounds: list[list[float]] = []
        for _ in range(plan.fast_rounds):
            exchanges = [ask_relay(bare, text), ask(gateway.address, text)]
            exchanges += [ask(server.address, text) for server in servers]
            rounds.append([tokens_per_s(answer, plan.fast_tokens) for answer in exchanges])
    # The best of each, because other work of the machine only slows them down.
    relay, fastest, *others = map(max, zip(*rounds, strict=True))
    checks = [Check("of_relay", fastest / relay, 0.5, least=True, ratio=True)]
    checks += [Check("of_process_per_request", fastest / other, 4.0, least=True, ratio=True) for other in others]
    yield Row(key, "tokens/s", fastest, relay, others[0] if others else None, checks)
