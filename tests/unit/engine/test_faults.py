"""Every fault of a console in every phase: a typed error with its log lines, and the next job works.

One table, phase by fault. What a fault does is the simulator's business (`python -m bpu.simulator --help`); here
stands what the gateway makes of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from bpu import errors
from bpu.console.events import Text
from bpu.engine.client.engine import Engine
from tests.unit.engine.conftest import processes
from tests.unit.engine.jobs import answer, console_of, says, submit, wait_for

pytestmark = [pytest.mark.live, pytest.mark.long]

EngineOf = Callable[..., Engine]

CRASH, TIMEOUT = errors.EngineCrashed, errors.EngineTimeout
SHORT = {"first_token_timeout_s": 1.0, "stall_timeout_s": 2.5}

#: (fault, phase, tokens or seconds, error, what its message must say)
DURING_A_JOB = [
    ("exit=3", "line", 0, CRASH, "exit code 3"),
    ("exit=3", "prefill", 0, CRASH, "exit code 3"),
    ("exit=3", "decode", 3, CRASH, "exit code 3"),
    ("exit=3", "end", 0, CRASH, "exit code 3"),
    ("exit=0", "prefill", 0, CRASH, "exit code 0"),
    ("exit=0", "decode", 3, CRASH, "exit code 0"),
    ("exit=0", "line", 0, CRASH, "exit code 0"),
    ("exit=0", "end", 0, CRASH, "exit code 0"),
    ("signal=SEGV", "line", 0, CRASH, "SIGSEGV"),
    ("signal=SEGV", "prefill", 0, CRASH, "SIGSEGV"),
    ("signal=SEGV", "decode", 3, CRASH, "SIGSEGV"),
    ("signal=SEGV", "end", 0, CRASH, "SIGSEGV"),
    ("signal=ABRT", "decode", 3, CRASH, "SIGABRT"),
    ("signal=KILL", "decode", 3, CRASH, "SIGKILL"),
    ("overflow", "prefill", 0, CRASH, "SIGABRT"),
    ("no-memory-later", "prefill", 0, (CRASH, errors.EngineUnavailable), "SIGSEGV"),
    ("no-answer", "prefill", 0, (CRASH, errors.EngineUnavailable), "exit code 0"),
    ("run-error", "prefill", 0, CRASH, "run error"),
    # Within a line it may still be text: a longer silence decides, here the shorter limit comes first.
    ("run-error", "decode", 3, (CRASH, TIMEOUT), "s"),
    ("mkrun-error", "prefill", 0, CRASH, "run error"),
    ("silent-error", "prefill", 0, TIMEOUT, "second"),
    ("silent-error", "decode", 3, TIMEOUT, "second"),
    ("hang", "line", 0, TIMEOUT, "second"),
    ("hang", "prefill", 0, TIMEOUT, "second"),
    ("hang", "decode", 3, TIMEOUT, "second"),
    ("hang", "end", 0, TIMEOUT, "second"),
    ("spin", "prefill", 0, TIMEOUT, "second"),
    ("spin", "decode", 3, TIMEOUT, "second"),
    ("spin", "end", 0, TIMEOUT, "second"),
    ("endless", "line", 0, CRASH, "console"),
    ("endless", "prefill", 0, CRASH, "console"),
    ("endless", "decode", 3, CRASH, "does not end"),
    ("endless", "end", 0, CRASH, "does not end"),
]


@pytest.mark.parametrize(("fault", "phase", "after", "error", "words"), DURING_A_JOB)
def test_a_fault_during_a_job(
    engine_of: EngineOf, tmp_path: Path, fault: str, phase: str, after: int, error: type[errors.BpuError], words: str
) -> None:
    engine = engine_of(**SHORT)
    job = submit(engine, f"hello [[sim tokens=20 fault={fault}@{phase} after={after}]]", "victim")
    waiting = submit(engine, says("nobody else notices"), "waiting")
    with pytest.raises(error) as raised:
        for _ in job.events(5.0):
            pass
    assert words in raised.value.message
    assert "hello" not in raised.value.message
    assert answer(waiting) == "nobody else notices"
    assert len(processes(tmp_path)) <= 2


#: Faults of a whole process, the first time only: a job that waits is served by the next console.
ENDS = ("exit=3", "exit=0", "signal=SEGV", "hang", "spin", "endless")
OUTSIDE_A_JOB = [f"{fault}@{phase}" for phase in ("start", "load", "ready", "idle", "reset") for fault in ENDS]
ONCE = [
    *OUTSIDE_A_JOB,
    "no-banner@load",
    "stray@idle",
    "stray-part@idle",
    "stray-log@idle",
    "late-tokens@idle",
    "grandchild@ready",
    "grandchild-session@ready",
    "stderr-flood@start",
    "stderr-flood@idle",
    "stderr-flood@prefill",
]


@pytest.mark.parametrize("fault", ONCE)
def test_a_fault_of_the_process_costs_a_later_job_nothing(engine_of: EngineOf, tmp_path: Path, fault: str) -> None:
    # Only a load that never ends needs a short limit: a sound one takes seconds on a busy machine.
    limit_s = 4.0 if fault.endswith(("@start", "@load", "@ready")) else 30.0
    engine = engine_of(options=f"--fault {fault} --fault-once {tmp_path}/happened", load_timeout_s=limit_s, **SHORT)
    wait_for(lambda: (tmp_path / "happened").exists() or engine.status()["state"] == "ready")
    # It may have been the victim: that is a typed error, and no more. What comes in idle time falls into the silence
    # that an answer of one word needs at its end.
    with contextlib.suppress(errors.EngineCrashed, errors.EngineTimeout):
        answer(submit(engine, says("one", reasoning=""), "one"))
    assert answer(submit(engine, says("two"), "two")) == "two"
    wait_for(lambda: engine.status()["state"] == "ready")
    assert wait_for(lambda: len(processes(tmp_path)) <= 3)


@pytest.mark.parametrize("stuck", ["hang", "spin", "endless"])
def test_a_console_that_ignores_sigterm_is_killed_whatever_it_does(
    engine_of: EngineOf, tmp_path: Path, stuck: str
) -> None:
    engine = engine_of(options="--fault ignore-term", first_token_timeout_s=60.0, stall_timeout_s=60.0)
    left = submit(engine, f"[[sim tokens=20 fault={stuck}@decode after=3]]", "left")
    assert any(isinstance(event, Text) for event in left.events(5.0))
    console = console_of(engine)
    left.close()
    assert answer(submit(engine, says("next"), "next")) == "next"
    assert not console.is_running()
    assert len(processes(tmp_path)) == 2


@pytest.mark.parametrize("fault", ["grandchild", "grandchild-session"])
def test_a_grandchild_that_holds_the_pipes_does_not_outlive_the_console(
    engine_of: EngineOf, tmp_path: Path, fault: str
) -> None:
    engine = engine_of(options=f"--fault {fault}@ready", **SHORT)
    job = submit(engine, "[[sim tokens=20 fault=signal=KILL@decode after=3]]")
    with pytest.raises(errors.EngineCrashed, match="SIGKILL"):
        list(job.events(5.0))
    assert "left behind" in str(engine.status()["log"]) or answer(submit(engine, says("next"), "next")) == "next"


#: What only a person can mend: the cause, and words of the console's own log.
FOR_A_PERSON = [
    ("no-memory", "Cannot malloc bpu memory"),
    ("load-failed", "Load hbm failed"),
    ("missing-library", "error while loading shared libraries"),
]


@pytest.mark.parametrize(("fault", "words"), FOR_A_PERSON)
def test_what_a_person_must_mend_is_said_with_the_consoles_words(engine_of: EngineOf, fault: str, words: str) -> None:
    engine = engine_of(options=f"--fault {fault}@load")
    with pytest.raises(errors.EngineUnavailable) as raised:
        list(submit(engine, "hi").events(5.0))
    assert words in raised.value.message
    with pytest.raises(errors.EngineUnavailable):
        submit(engine, "hi again", "again")
    status = engine.status()
    assert status["state"] == "failed"
    assert status["error"]


def test_memory_that_was_missing_once_is_there_after_the_repair(engine_of: EngineOf, tmp_path: Path) -> None:
    engine = engine_of(options=f"--fault no-memory@load --fault-once {tmp_path}/happened")
    with pytest.raises(errors.EngineUnavailable):
        list(submit(engine, "hi").events(5.0))
    engine.load()
    assert answer(submit(engine, says("back"), "back")) == "back"


def test_a_crash_loop_is_refused_at_once_with_the_time_of_the_next_try(engine_of: EngineOf, tmp_path: Path) -> None:
    engine, other = engine_of(options="--fault exit=3@load"), engine_of(options="--fault exit=3@load")
    wait_for(lambda: engine.status()["state"] == "failed" and engine.status()["retry_after_s"])
    for worker in (engine, other):
        with pytest.raises(errors.EngineStopping) as raised:
            list(submit(worker, "hi", f"{id(worker)}").events(5.0))
        assert 1 <= (raised.value.retry_after or 0) <= 60


def test_a_console_that_never_reads_is_found_by_the_writer(engine_of: EngineOf) -> None:
    engine = engine_of(options="--fault deaf@ready --context 100000000", **SHORT)
    with pytest.raises(errors.EngineTimeout, match="does not read"):
        list(submit(engine, "x" * 200_000).events(5.0))


def test_a_console_that_buffers_by_itself_still_gives_whole_answers(engine_of: EngineOf) -> None:
    engine = engine_of(options="--self-buffering")
    assert answer(submit(engine, says("in blocks, but whole"))) == "in blocks, but whole"


def test_a_flood_of_errors_beside_an_answer_is_drained(engine_of: EngineOf) -> None:
    engine = engine_of()
    events = list(submit(engine, "[[sim tokens=20 fault=stderr-flood=100]]").events(10.0))
    assert any(isinstance(event, Text) for event in events)
    assert len(str(engine.status()["log"])) < 30_000


def test_a_prompt_in_the_midst_of_an_answer_gives_nothing_of_it_to_the_next_job(engine_of: EngineOf) -> None:
    engine = engine_of(**SHORT)
    early = submit(engine, "[[sim nonce=N1E tokens=40 rate=20 fault=early-prompt@decode after=3]]", "early")
    waiting = submit(engine, says("my own words"), "waiting")
    with contextlib.suppress(errors.EngineCrashed):
        answer(early)
    assert answer(waiting) == "my own words"


def test_a_reset_that_says_something_else_costs_the_process_and_nobody_a_job(
    engine_of: EngineOf, tmp_path: Path
) -> None:
    engine = engine_of(options=f"--fault bad-reset --fault-once {tmp_path}/happened")
    assert answer(submit(engine, says("one"), "one")) == "one"
    assert answer(submit(engine, says("two"), "two")) == "two"
    assert engine.status()["restarts"] == {"out_of_step": 1}
