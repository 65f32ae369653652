"""`python -m tests.traffic`: what users get of a console that is not known yet, with the settings of who set none.

One row is one kind of traffic over the console in C, straight after a start, with a data folder that is empty.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.attack.jobs import Job
from tests.attack.kinds import Cell, JobFactory
from tests.support.waits import let_pass, until
from tests.witness.program import WitnessGateway, compile_console, witness_gateway
from tests.witness.script import say, script

PROFILES = ("xlm_demo", "oellm_run", "oellm_multichat", "hobot_xlm", "vlm", "llm")
COLUMNS = (
    *("traffic", "console", "minutes", "requests", "refused", "wrong", "loads", "examinations interrupted"),
    *("first token, median s", "first token once learnt, median s", "learnt after s"),
)
#: Tokens of reasoning before each answer of the model in an examination.
REASONING = 150


@dataclass(frozen=True)
class Traffic:
    """A request every `every_s`, each with an answer of `tokens`, on a console of `rate` tokens a second."""

    title: str
    every_s: float
    tokens: int
    rate: float
    load_s: float


TRAFFIC = {
    "second": Traffic("one a second, a third of what the console can do", 1, 30, 100, 2),
    "person": Traffic("a person every 20 s, new question each", 20, 50, 17, 2),
    "7b": Traffic("7B, a person every 20 s", 20, 30, 3.7, 8),
}


@dataclass
class Row:
    traffic: str
    console: str
    minutes: float
    requests: int = 0
    refused: int = 0
    #: Answers with a foreign or a missing byte.
    wrong: int = 0
    loads: int = 0
    interrupted: int = 0
    first_s: float | None = None
    first_learnt_s: float | None = None
    learnt_after_s: float | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    folder = Path(tempfile.mkdtemp(prefix="bpu-traffic-"))
    compiled = compile_console(folder)
    rows = []
    if not options.json:
        print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)
    for profile in options.profile or PROFILES[:1]:
        for name in options.traffic or TRAFFIC:
            rows.append(run(name, profile, compiled, folder / f"{profile}-{name}", options))
            if not options.json:
                cells = ["-" if value is None else value for value in asdict(rows[-1]).values()]
                print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    return 1 if any(row.wrong for row in rows) else 0


def run(name: str, profile: str, compiled: Path, folder: Path, options: argparse.Namespace) -> Row:
    """The whole time of one kind of traffic."""
    traffic = TRAFFIC[name]
    load_s = options.load_s if options.load_s is not None else traffic.load_s
    words = ["--rate", f"{traffic.rate:g}", "--load-ms", f"{load_s * 1000:g}", "--think", str(REASONING)]
    if options.reset:
        words += ["--reset", options.reset]
    row = Row(f"{traffic.title}, load {load_s:g} s", profile, options.minutes)
    with witness_gateway(folder, compiled, program=profile, options=words, workers=options.workers) as gateway:
        until(gateway.state, seconds=120, what="the gateway answers", every=0.2)
        began = time.monotonic()
        jobs, known_at = _ask(gateway, traffic, profile, options)
        _count(row, jobs, known_at, began, gateway)
    return row


def _ask(
    gateway: WitnessGateway, traffic: Traffic, profile: str, options: argparse.Namespace
) -> tuple[list[tuple[float, Job]], float | None]:
    """All requests at their times, and when the console was known."""
    make = JobFactory(Cell("talk", profile, seed=options.seed))
    began, known_at = time.monotonic(), None
    jobs: list[tuple[float, Job]] = []
    threads = []
    for number in range(max(1, int(options.minutes * 60 / traffic.every_s))):
        due = began + number * traffic.every_s
        while (left := due - time.monotonic()) > 0:
            if known_at is None and _is_known(gateway):
                known_at = time.monotonic()
            let_pass(min(left, 0.5))
        jobs.append((time.monotonic(), _question(make, traffic)))
        threads.append(threading.Thread(target=jobs[-1][1].run, args=(gateway,), kwargs={"timeout": 600}, daemon=True))
        threads[-1].start()
    last = time.monotonic() + 600
    for thread in threads:
        thread.join(max(0.1, last - time.monotonic()))
    return jobs, known_at or (time.monotonic() if _is_known(gateway) else None)


def _question(make: JobFactory, traffic: Traffic) -> Job:
    nonce = make.nonce()
    text = " ".join([nonce, *(["word"] * (traffic.tokens - 3)), nonce])
    return Job("client", nonce, [script(make.reasoning, say(text))], text)


def _is_known(gateway: WitnessGateway) -> bool:
    """Whether it is known of the console whether it keeps, resets or forgets."""
    return any(gateway.engine().get("trust", {}).values())


def _count(
    row: Row, jobs: list[tuple[float, Job]], known_at: float | None, began: float, gateway: WitnessGateway
) -> None:
    answered = [(at, job) for at, job in jobs if job.done and not job.failure]
    engine = gateway.engine()
    row.requests, row.refused = len(jobs), len(jobs) - len(answered)
    row.wrong = sum(bool(job.foreign) or not job.is_whole for _, job in answered)
    row.loads = engine.get("loads", 0)
    row.interrupted = sum(count for cause, count in engine.get("restarts", {}).items() if "interrupt" in cause)
    row.first_s = _median([job.first_s for _, job in answered])
    if known_at is not None:
        row.learnt_after_s = round(known_at - began, 1)
        row.first_learnt_s = _median([job.first_s for at, job in answered if at >= known_at])


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 2) if values else None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.traffic", description=__doc__)
    parser.add_argument("--profile", action="append", choices=PROFILES, help="again for more than one")
    parser.add_argument("--traffic", action="append", choices=list(TRAFFIC), help="again for more than one; else all")
    parser.add_argument("--minutes", type=float, default=15, help="of each row")
    parser.add_argument("--load-s", type=float, help="seconds of a load; else as each row has it")
    parser.add_argument("--reset", default="", choices=["works", "broken"], help="else as the profile has it")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
