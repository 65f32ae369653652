"""`BackgroundThreads` finds threads that run while the console waits, without endless reloads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from bpu.engine.keeper.background_threads import BackgroundThreads
from bpu.engine.timed_reader import RestProbe

MODEL, BACKGROUND = 7, 8


class Process:
    """A console with a thread that runs every `period_s`; `work` runs the model's thread."""

    def __init__(self, period_s: float) -> None:
        self.now, self.period_s, self.model_runs, self.shift = 1000.0, period_s, 0, 0
        self.watch = BackgroundThreads(lambda: self.now, probe=self.probe)

    def probe(self, pids: Iterable[int], background: frozenset[int] | None = None) -> RestProbe:
        probe = RestProbe(pids, background, proc=Path("/nowhere"))
        runs = {MODEL + self.shift: 5 + self.model_runs, BACKGROUND + self.shift: int(self.now / self.period_s)}
        probe.sample = lambda: runs  # type: ignore[method-assign]
        return probe

    def load(self) -> None:
        """Load again; threads have other ids then."""
        self.shift += 10
        self.watch.begin([1])

    def wait(self, seconds: float) -> None:
        """Wait after a turn; the watch is called when it has asked to be."""
        self.watch.wait()
        until = self.now + seconds
        while (sample_at := self.watch.sample_at) is not None and sample_at <= until:
            self.now = sample_at
            self.watch.tick(self.now)
        self.now = until

    def first_line(self) -> frozenset[int]:
        """The first line after a load is written as soon as it may."""
        self.now = max(self.now, self.watch.free_at)
        self.watch.end_wait()
        return frozenset(tid - self.shift for tid in self.watch.known or ())


@pytest.mark.parametrize(("period_s", "loads"), [(0.02, 1), (0.3, 2), (1.5, 3)])
def test_a_thread_that_runs_now_and_then_is_found_within_a_few_loads(period_s: float, loads: int) -> None:
    process = Process(period_s)
    found = []
    for _ in range(10):
        process.load()
        found.append(process.first_line())
        if not found[-1]:
            process.watch.watch_longer()  # its turn does not come to rest
    assert found == [frozenset()] * loads + [frozenset({BACKGROUND})] * (10 - loads)


def test_where_the_longest_watch_shows_no_thread_no_line_waits_any_more() -> None:
    process = Process(1e9)
    waits = []
    for _ in range(8):
        process.load()
        before = process.now
        assert process.first_line() == frozenset()
        waits.append(process.now - before)
        process.watch.watch_longer()
    assert waits == [0.0, 0.5, 2.0, 8.0, 0.0, 0.0, 0.0, 0.0]


def test_turns_that_do_not_rest_for_another_reason_leave_a_known_thread_known() -> None:
    process = Process(0.3)
    for _ in range(8):
        process.load()
        found = process.first_line()
        process.watch.watch_longer()
    assert found == frozenset({BACKGROUND})


def test_a_console_that_idles_between_two_turns_shows_its_threads_without_a_load() -> None:
    process = Process(0.1)
    process.load()
    process.first_line()
    process.wait(1.0)
    assert process.first_line() == frozenset({BACKGROUND})


def test_threads_that_run_in_a_turn_are_no_background_threads() -> None:
    process = Process(1e9)
    process.load()
    process.now += 1.0
    process.first_line()
    process.model_runs += 900
    process.wait(1.0)
    assert process.first_line() == frozenset()


def test_a_line_that_follows_at_once_waits_for_no_sample() -> None:
    process = Process(0.1)
    process.load()
    process.first_line()
    looks = []
    process.watch._probe = lambda *known: looks.append(known) or process.probe(*known)  # type: ignore[func-returns-value]
    process.wait(0.001)
    process.first_line()
    assert (looks, process.watch.sample_at) == ([], None)
    process.wait(1.0)
    assert len(looks) == 1
