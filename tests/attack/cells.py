"""Runs one cell and judges it: foreign bytes, lost bytes, failed jobs, loads, texts that are open without a key."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.attack.jobs import Job
from tests.attack.kinds import KINDS, Cell, JobFactory
from tests.attack.watchers import Restarts, run_watchers
from tests.support.waits import let_pass, until
from tests.witness.program import Event, WitnessGateway, witness_gateway

SETTLE_S = 15.0


@dataclass
class Result:
    """One row: counts of a cell, and in words what must not be. `examples` are for whoever looks for the cause."""

    kind: str
    console: str
    rate: float
    jobs: int = 0
    unsent: int = 0
    foreign: int = 0
    lost: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    attackers: int = 0
    attackers_cut: int = 0
    attackers_failed: int = 0
    loads: int = 0
    restarts: dict[str, int] = field(default_factory=dict)
    rejoins: int = 0
    #: Lines that the console read before it had ended the answer before them (only where it reads ahead).
    early: int = 0
    handover_ms: float | None = None
    leaks: int = 0
    #: How often the harness stopped or restarted processes, None where the kind wants none; and what ended it before.
    acts: int | None = None
    harness_failure: str = ""
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


def try_cell(cell: Cell, compiled: Path, folder: Path, seconds: float, until: float) -> Result | None:
    """Run one cell, whatever comes of it; None where the time is over (`until`: seconds of the monotonic clock)."""
    if time.monotonic() > until:
        return None
    try:
        return run_cell(cell, compiled, folder, seconds=seconds)
    except (AssertionError, OSError) as error:
        return Result(cell.kind, cell.name, cell.rate, broken=[f"the cell did not run: {str(error)[:200]!r}"])


def run_cell(cell: Cell, compiled: Path, folder: Path, *, seconds: float = 240.0) -> Result:
    """One fresh gateway, all jobs of the cell; after `seconds` no further job is sent."""
    result = Result(cell.kind, cell.name, cell.rate)
    began = time.monotonic()
    with witness_gateway(folder, compiled, program=cell.profile, options=cell.options, workers=cell.workers) as gateway:
        gateway.wait_for("ready", seconds=90)
        if cell.settle:
            _wait_examined(gateway)
        before, events_before = _read_counters(gateway), len(gateway.trace())
        with run_watchers(gateway, KINDS[cell.kind].watch) as (reader, other):
            restarts = other if isinstance(other, Restarts) else None
            jobs = _send(cell, gateway, restarts, began + seconds, result)
        after = _read_counters(gateway)
        _count(result, jobs, gateway.trace()[events_before:])
        result.loads = after["loads"] - before["loads"]
        result.restarts = dict(Counter(after["restarts"]) - Counter(before["restarts"]))
        result.rejoins = result.restarts.get("rejoined", 0)
        result.leaks = len(reader.leaks)
        if other is not None:
            result.acts, result.harness_failure = other.acts, other.failure
        result.examples += [f"open without a key: {', '.join(sorted(reader.leaks)[:3])}"] if reader.leaks else []
    result.seconds = round(time.monotonic() - began, 1)
    _judge(result, cell)
    return result


def _wait_examined(gateway: WitnessGateway) -> None:
    """Wait until an examination has shown what the console is, where there is one."""

    def settled() -> bool:
        engine = gateway.engine()
        return any(engine.get("trust", {}).values()) or engine.get("trust_source") == "examination"

    with suppress(AssertionError):
        until(settled, seconds=SETTLE_S, every=0.1)
    gateway.wait_for("ready", seconds=90)


def _send(cell: Cell, gateway: WitnessGateway, restarts: Restarts | None, deadline: float, result: Result) -> list[Job]:
    """All jobs in their order, a few at a time."""
    kind = KINDS[cell.kind]
    jobs = list(kind.make(JobFactory(cell)))
    room = threading.Semaphore(kind.at_once)
    threads = []

    def run(job: Job) -> None:
        try:
            if restarts is not None:
                restarts.up.wait(60)
            job.run(gateway, timeout=max(5.0, deadline + 30 - time.monotonic()))
        finally:
            room.release()

    for job in jobs:
        if not room.acquire(timeout=max(0.0, deadline - time.monotonic())):
            break
        let_pass(kind.arrival_s)
        threads.append(threading.Thread(target=run, args=(job,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(max(1.0, deadline + 60 - time.monotonic()))
    result.unsent = len(jobs) - len(threads)
    for job in jobs[: len(threads)]:
        if not job.done:
            job.failure = "no end within the time of the cell"
    return jobs[: len(threads)]


def _read_counters(gateway: WitnessGateway) -> dict[str, Any]:
    engine = gateway.engine()
    return {"loads": engine.get("loads", 0), "restarts": engine.get("restarts", {})}


def _count(result: Result, jobs: Iterable[Job], events: list[Event]) -> None:
    failed: Counter[str] = Counter()
    for job in jobs:
        result.jobs += 1
        if strange := job.foreign:
            result.foreign += 1
            result.examples.append(f"{job.role} {job.nonce} got {strange[0]}: {job.text[-120:]!r}")
        if job.role == "attacker":
            result.attackers += 1
            result.attackers_failed += bool(job.failure)
            cut = not job.failure and job.text.count(job.nonce) < job.lines[-1].count(job.nonce)
            result.attackers_cut += cut
            if cut:
                result.examples.append(f"{job.role} {job.nonce} was cut behind {job.text[-200:]!r}")
            continue
        if job.failure:
            failed[job.failure] += 1
        elif not job.is_whole:
            result.lost += 1
            result.examples.append(f"client {job.nonce} got {job.content!r} for {job.expects!r}")
    result.failed = dict(failed)
    result.examples = result.examples[:6]
    result.early, gaps = early_reads(events)
    result.handover_ms = round(statistics.median(gaps) * 1000, 2) if gaps else None


def early_reads(events: list[Event]) -> tuple[int, list[float]]:
    """How many lines were read within an answer, and the seconds from each end to the next line read."""
    early, gaps, answering, ended = 0, [], False, None
    for event in events:
        if event.name == "begin":
            answering = True
        elif event.name == "load":
            answering, ended = False, None
        elif event.name == "end":
            answering, ended = False, event.at
        elif event.name == "read" and event.text != "reset":
            early += answering
            gaps += [event.at - ended] if ended is not None else []
            ended = None
    return early, gaps


def _judge(result: Result, cell: Cell) -> None:
    kind = KINDS[cell.kind]
    bounds = {
        f"{result.unsent} not sent within the time of the cell": result.unsent,
        f"{result.foreign} got foreign bytes": result.foreign,
        f"{result.lost} lost bytes": result.lost,
        f"{sum(result.failed.values())} failed": 0 if kind.fails else sum(result.failed.values()),
        f"{result.attackers_cut} attackers cut": kind.whole and result.attackers_cut,
        f"{result.attackers_failed} attackers failed": kind.whole and result.attackers_failed,
        f"{result.early} lines written into a running answer": 0 if kind.fails else result.early,
        f"{result.leaks} texts open without a key": result.leaks,
        f"{result.loads} loads, {kind.loads} allowed": kind.loads is not None and result.loads > kind.loads,
    }
    bounds[f"the harness failed: {result.harness_failure}"] = bool(result.harness_failure)
    bounds["the harness did nothing"] = result.acts == 0
    result.broken = [words for words, wrong in bounds.items() if wrong]
