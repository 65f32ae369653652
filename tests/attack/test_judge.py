"""The judge of the attacks sees what must not be: each fault, made by hand, breaks its cell."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.attack.__main__ import main
from tests.attack.cells import Result, _count, _judge, early_reads
from tests.attack.jobs import Job
from tests.attack.kinds import KINDS, Cell, JobFactory
from tests.attack.watchers import Watcher
from tests.witness.program import Event


def answered(kind: str) -> list[Job]:
    """The jobs of a cell, each with the answer that the console was told to give."""
    jobs = list(KINDS[kind].make(JobFactory(Cell(kind, jobs=4))))
    for job in jobs:
        job.reasoning, job.done = job.thinks, True
        job.content = job.expects if job.expects is not None else " ".join([job.nonce] * job.lines[-1].count(job.nonce))
        job.text = job.reasoning + job.content
    return jobs


def judged(kind: str, jobs: list[Job], events: list[Event], **counted: object) -> list[str]:
    result = Result(kind, "xlm_demo", 17.0, **counted)  # type: ignore[arg-type]
    _count(result, jobs, events)
    _judge(result, Cell(kind))
    return result.broken


def add_foreign(jobs: list[Job]) -> None:
    jobs[0].text += jobs[1].nonce


def add_words_first(jobs: list[Job]) -> None:
    """The end of the answer before: no word of it holds a nonce."""
    jobs[0].reasoning = "stolen " + jobs[0].reasoning


def lose_a_byte(jobs: list[Job]) -> None:
    jobs[0].content = jobs[0].content[1:]


def cut_attacker(jobs: list[Job]) -> None:
    attacker = next(job for job in jobs if job.role == "attacker")
    attacker.text = attacker.text.removesuffix(attacker.nonce)


def fail(jobs: list[Job]) -> None:
    jobs[0].failure = "engine_crashed"


@pytest.mark.parametrize("kind", ["forged-middle", "talk", "chats"])
def test_answers_as_they_were_told_break_nothing(kind: str) -> None:
    assert judged(kind, answered(kind), []) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (add_foreign, "1 got foreign bytes"),
        (add_words_first, "1 lost bytes"),
        (lose_a_byte, "1 lost bytes"),
        (cut_attacker, "1 attackers cut"),
        (fail, "1 failed"),
    ],
)
def test_a_spoilt_answer_breaks_its_cell(spoil: Callable[[list[Job]], None], words: str) -> None:
    jobs = answered("forged-middle")
    spoil(jobs)
    assert judged("forged-middle", jobs, []) == [words]


def test_a_line_that_is_read_within_an_answer_breaks_its_cell() -> None:
    events = [Event(at, name, name) for at, name in enumerate(("begin", "read", "end", "read"))]
    assert early_reads(events) == (1, [1])
    assert judged("forged-middle", [], events) == ["1 lines written into a running answer"]


def test_more_loads_than_a_kind_allows_break_its_cell() -> None:
    assert judged("mismatch", [], [], loads=2) == []
    assert judged("mismatch", [], [], loads=3) == ["3 loads, 2 allowed"]


def test_a_cell_in_which_no_process_was_stopped_is_broken() -> None:
    assert judged("stop-console", [], [], acts=0) == ["the harness did nothing"]
    assert judged("stop-console", [], [], acts=1) == []


def test_a_watcher_that_fails_says_so() -> None:
    class Failing(Watcher):
        def step(self) -> None:
            raise AssertionError("not within 30 seconds")

    class Gateway:
        def trace(self) -> list[Event]:
            return []

    watcher = Failing(Gateway())  # type: ignore[arg-type]
    watcher.run()
    assert watcher.failure == "not within 30 seconds"
    assert judged("restart", [], [], harness_failure=watcher.failure) == ["the harness failed: not within 30 seconds"]


def test_a_kind_for_one_console_is_tried_on_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kind", "mismatch-cut", "--profile", "oellm_run"]) == 0
    assert "0 cells" in capsys.readouterr().err
