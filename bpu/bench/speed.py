"""First token, latency, throughput and processor time, side by side with the relay and the article's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bpu.bench import programs, stamps
from bpu.bench.bench import RATE, UNTHOUGHT, Bench, ask, ask_relay, first_ms, question, tokens_per_s, warm
from bpu.bench.client import Heard
from bpu.bench.figures import Check, Row, median, quantile
from bpu.bench.programs import Server, cpu_s

ARTICLE_LOAD_S = 1.5


def first_token(bench: Bench) -> Iterator[Row]:
    """Warm, at 50 tokens a second, in turns with the relay; and against a load of 1.5 s for each request."""
    text = f"[[sim tokens=4 rate={RATE}]]"  # the first token is of the thinking: all get it
    with programs.relay() as bare, programs.gateway(bench.place()) as gateway:
        warm(gateway)
        ask_relay(bare, text)
        questions = [f"question {number} {text}" for number in range(bench.plan.rounds)]
        pairs = [(first_ms(ask_relay(bare, each)), first_ms(ask(gateway.address, each))) for each in questions]
    relay, ours = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    bench.series["first token, relay, ms"], bench.series["first token, gateway, ms"] = relay, ours
    over, over_99 = median(ours) - median(relay), quantile(ours, 0.99) - quantile(relay, 0.99)
    yield Row(
        "first_token",
        "ms",
        median(ours),
        median(relay),
        checks=[
            Check("median_over_relay_ms", over, 2.0),
            Check("p99_over_relay_ms", over_99, 10.0),
        ],
    )
    if bench.article:
        with programs.article(load_s=ARTICLE_LOAD_S) as server:
            theirs = [first_ms(ask(server.address, text)) for _ in range(bench.plan.article_rounds)]
        sooner = Check("times_sooner_than_article", median(theirs) / median(ours), 30.0, least=True, ratio=True)
        yield Row("first_token_cold", "ms", median(ours), article=median(theirs), checks=[sooner])


@dataclass
class Side:
    """One of those compared, at 50 tokens a second: how long tokens were under way, and what its processes used."""

    server: Server
    stamps: Path
    ask: Callable[[str], Heard]
    dropped: int = 0
    latencies: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    def round(self, text: str) -> None:
        before = cpu_s(self.server.pids)
        heard = self.ask(text)
        self.cpu_s += cpu_s(self.server.pids) - before
        turn = stamps.read(self.stamps, heard.sent)[-1]
        self.latencies += stamps.latencies(turn, heard.texts(), self.dropped)


def paced(bench: Bench) -> Iterator[Row]:
    """Latency and processor time of a token at 50 tokens a second."""
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


def _sides(bench: Bench, stack: ExitStack) -> dict[str, Side]:
    stamped = [bench.folder / name for name in ("relay-stamps", "article-stamps")]
    bare = stack.enter_context(programs.relay("--stamp", str(stamped[0])))
    place = bench.place()
    gateway = stack.enter_context(programs.gateway(place, "--stamp", str(place / "stamps")))
    sides = {
        "relay": Side(bare, stamped[0], lambda text: ask_relay(bare, text)),
        "gateway": Side(gateway.server(), gateway.stamps, lambda text: ask(gateway.address, text), UNTHOUGHT),
    }
    if bench.article:
        server = stack.enter_context(programs.article("--stamp", str(stamped[1]), load_s=0.0))
        sides["article"] = Side(server, stamped[1], lambda text: ask(server.address, text))
    return sides


def _latency(medians: dict[str, float]) -> Row:
    ours, article = medians["gateway"], medians.get("article")
    checks = [Check("of_relay", ours / medians["relay"], 1.25, ratio=True)]
    if article is not None:
        checks.append(Check("of_article", ours / article, 1.0, ratio=True))
    return Row("latency", "ms", ours, medians["relay"], article, checks)


def _processor(used: dict[str, float]) -> Row:
    ours, article = used["gateway"], used.get("article")
    checks = [] if article is None else [Check("of_article", ours / article, 0.5, ratio=True)]
    return Row("cpu", "ms", ours, used["relay"], article, checks)


def throughput(bench: Bench) -> Iterator[Row]:
    """Tokens a second when the console writes as fast as it can; the article's load is not counted against it."""
    plan = bench.plan
    text = question(tokens=plan.fast_tokens, rate=0)
    with ExitStack() as stack:
        bare = stack.enter_context(programs.relay())
        gateway = stack.enter_context(programs.gateway(bench.place()))
        server = stack.enter_context(programs.article(load_s=0.0)) if bench.article else None
        warm(gateway)
        rounds: list[list[float]] = []
        for _ in range(plan.fast_rounds):
            heards = [ask_relay(bare, text), ask(gateway.address, text)]
            heards += [] if server is None else [ask(server.address, text)]
            rounds.append([tokens_per_s(heard, plan.fast_tokens) for heard in heards])
    # The best of each: what else the machine does only slows them down.
    relay, ours, *others = map(max, zip(*rounds, strict=True))
    checks = [Check("of_relay", ours / relay, 0.5, least=True, ratio=True)]
    checks += [Check("of_article", ours / article, 4.0, least=True, ratio=True) for article in others]
    yield Row("throughput", "tokens/s", ours, relay, others[0] if others else None, checks)
