"""Measures how time, memory and processor time scale with turns, jobs and length."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import programs
from benchmarks.clients import run_clients
from benchmarks.plan import FASTEST, Benchmark, ask, first_ms, question, warm_up
from benchmarks.programs import Gateway, cpu_s, memory_mb
from bpu.bench.client import chat, exchange
from bpu.bench.figures import Check, Row, median

#: The published prefill rate of a 1.5B model on an S100P: what is sent again costs its time.
PREFILL = "--prefill-rate 1326.40"
TOPICS = ("the sea", "the wind", "a robot arm", "the colour red", "an old map")
CLIENTS = 4
#: A pace at which tokens still come one by one.
LENGTH_RATE = 4000
LIMITS_MB = {"worker": 90.0, "keeper": 15.0}
GROWTH_MB = 2.0
#: The shortest answer with a word in it.
FEW = 4


def turns(bench: Benchmark) -> Iterator[Row]:
    """Measure the first token over twenty turns, continued and with everything sent again."""
    ways = {"continued": "always", "sent again": "never"}
    for name, continues in ways.items():
        env = {"BPU_CONTINUE": continues}
        with programs.gateway(bench.new_folder(), *PREFILL.split(), env=env) as gateway:
            warm_up(gateway)
            chats = [_chat(gateway, bench.plan.turns) for _ in range(bench.plan.chats if continues == "always" else 1)]
        bench.series[f"first token by turn, {name}, ms"] = [median(times) for times in zip(*chats, strict=True)]
    kept = bench.series["first token by turn, continued, ms"]
    again = bench.series["first token by turn, sent again, ms"]
    check = Check("last_of_second", kept[-1] / kept[1], 1.2, ratio=True)
    yield Row("turns", "ms", kept[-1], checks=[check])
    yield Row("turns_sent_again", "ms", again[-1])


def _chat(gateway: Gateway, turns: int) -> list[float]:
    """The time to the first token of each turn, in milliseconds."""
    messages: list[dict[str, str]] = []
    times = []
    for number in range(turns):
        topic = TOPICS[number % len(TOPICS)]
        text = f"Turn {number + 10}. Tell me a little more about {topic}, please, and do not say what you have said."
        messages.append({"role": "user", "content": f"{text} {question(tokens=40, rate=FASTEST)}"})
        answer = exchange(gateway.address, chat(messages))
        times.append(first_ms(answer))
        messages.append({"role": "assistant", "content": "".join(text for _, text in answer.texts())})
    return times


def memory(bench: Benchmark) -> Iterator[Row]:
    """Measure memory after a first question, which loads the tokenizer, and from job to job."""
    plan = bench.plan
    jobs: list[int] = []
    with programs.gateway(bench.new_folder()) as gateway:
        warm_up(gateway)
        (worker,) = gateway.worker_pids()
        pids = {"worker": worker, "keeper": gateway.keeper_pid()}
        start = {name: memory_mb(pid) for name, pid in pids.items()}
        sizes: dict[str, list[float]] = {name: [] for name in pids}

        def record(count: int) -> None:
            if count % max(1, plan.warm_up_jobs // 2) == 0:
                jobs.append(count)
                for name, pid in pids.items():
                    sizes[name].append(memory_mb(pid, "Anonymous"))

        run_clients(
            gateway.address, chat(question(tokens=4, rate=FASTEST)), clients=CLIENTS, jobs=plan.jobs, on_done=record
        )
    bench.series["jobs"] = [float(count) for count in jobs]
    first = next(index for index, count in enumerate(jobs) if count >= plan.warm_up_jobs)
    for name, limit in LIMITS_MB.items():
        yield Row(f"memory_{name}", "MB", start[name], checks=[Check("mb", start[name], limit)])
    for name, found in sizes.items():
        bench.series[f"memory by job, {name}, MB"] = found
        grown = max(found[first:]) - found[first]
        yield Row(f"growth_{name}", "MB", grown, checks=[Check("mb", grown, GROWTH_MB)])


def length(bench: Benchmark) -> Iterator[Row]:
    """Compare a token's processor time in long and short answers.

    The cost of each request is taken off.
    """
    plan = bench.plan
    short = plan.long_tokens // plan.length_ratio
    with programs.gateway(bench.new_folder()) as gateway:
        warm_up(gateway)
        each = _cpu(gateway, FEW, plan.length_ratio) / plan.length_ratio
        long_s = _cpu(gateway, plan.long_tokens, 1) - each
        short_s = _cpu(gateway, short, plan.length_ratio) - each * plan.length_ratio
    ratio = long_s / max(1e-9, short_s)
    checks = [Check("long_of_short", ratio, 1.1, ratio=True)]
    yield Row("length", "µs", long_s * 1e6 / plan.long_tokens, checks=checks)


def _cpu(gateway: Gateway, tokens: int, times: int) -> float:
    """Processor seconds of the gateway's processes for so many answers."""
    pids = gateway.server().pids
    before = cpu_s(pids)
    for _ in range(times):
        ask(gateway.address, question(tokens=tokens, rate=LENGTH_RATE))
    return cpu_s(pids) - before
