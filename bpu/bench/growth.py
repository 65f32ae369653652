"""What must not grow: time with the turns of a chat, memory with jobs, processor time with the length of answers."""

from __future__ import annotations

from collections.abc import Iterator

from bpu.bench import programs
from bpu.bench.bench import FASTEST, Bench, ask, first_ms, question, warm
from bpu.bench.client import chat, crowd, exchange
from bpu.bench.figures import Check, Row, median
from bpu.bench.programs import Gateway, cpu_s, memory_mb

#: The published prefill rate of a 1.5B model on an S100P: what is sent again costs its time.
PREFILL = "--prefill-rate 1326.40"
TOPICS = ("the sea", "the wind", "a robot arm", "the colour red", "an old map")
CROWD = 4
#: A token's cost is measured at a pace at which tokens come one by one.
LENGTH_RATE = 4000
LIMITS_MB = {"worker": 90.0, "keeper": 15.0}
GROWTH_MB = 2.0
#: The shortest answer with a word in it.
FEW = 4


def turns(bench: Bench) -> Iterator[Row]:
    """Time to the first token over twenty turns, on a console that keeps the chat; beside it, everything sent again."""
    ways = {"continued": "always", "sent again": "never"}
    for name, continues in ways.items():
        env = {"BPU_CONTINUE": continues}
        with programs.gateway(bench.place(), *PREFILL.split(), env=env) as gateway:
            warm(gateway)
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
        heard = exchange(gateway.address, chat(messages))
        times.append(first_ms(heard))
        messages.append({"role": "assistant", "content": "".join(text for _, text in heard.texts())})
    return times


def memory(bench: Bench) -> Iterator[Row]:
    """After the start and a first question (the tokenizer is loaded then), and from job to job."""
    plan = bench.plan
    jobs: list[int] = []
    with programs.gateway(bench.place()) as gateway:
        warm(gateway)
        (worker,) = gateway.worker_pids()
        pids = {"worker": worker, "keeper": gateway.keeper_pid()}
        start = {name: memory_mb(pid) for name, pid in pids.items()}
        sizes: dict[str, list[float]] = {name: [] for name in pids}

        def note(count: int) -> None:
            if count % max(1, plan.settled_after // 2) == 0:
                jobs.append(count)
                for name, pid in pids.items():
                    sizes[name].append(memory_mb(pid, "Anonymous"))

        crowd(gateway.address, chat(question(tokens=4, rate=FASTEST)), clients=CROWD, jobs=plan.jobs, done=note)
    bench.series["jobs"] = [float(count) for count in jobs]
    settled = next(place for place, count in enumerate(jobs) if count >= plan.settled_after)
    for name, limit in LIMITS_MB.items():
        yield Row(f"memory_{name}", "MB", start[name], checks=[Check("mb", start[name], limit)])
    for name, found in sizes.items():
        bench.series[f"memory by job, {name}, MB"] = found
        grown = max(found[settled:]) - found[settled]
        yield Row(f"growth_{name}", "MB", grown, checks=[Check("mb", grown, GROWTH_MB)])


def length(bench: Bench) -> Iterator[Row]:
    """Processor time of a token in a long answer over that in short ones, what each request costs taken off."""
    plan = bench.plan
    short = plan.long_tokens // plan.length_ratio
    with programs.gateway(bench.place()) as gateway:
        warm(gateway)
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
