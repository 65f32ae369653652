"""An exception in the keeper's loop or a worker's callbacks leaves a known state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bpu import errors, gevent_io
from bpu.engine.client import job as job_module
from bpu.engine.client.turn_reader import TurnReader
from bpu.engine.file_locks import try_lock
from bpu.engine.keeper.event_loop import Loop
from bpu.engine.keeper.job_limit import GRACE_S, overdue_at
from bpu.engine.launch_spec import table_of
from bpu.engine.states import State
from bpu.turn import Turn
from tests.unit.engine.conftest import start_engine
from tests.unit.engine.jobs import EngineOf, answer, says, submit, wait_for
from tests.unit.engine.rig import PROMPT, Rig, launch

pytestmark = pytest.mark.live

# The keeper's loop


def test_4_a_callback_that_raises_ends_no_other_callback_of_its_turn() -> None:
    raised: list[Exception] = []
    loop, called = Loop(raised.append), []
    pipes = [os.pipe() for _ in range(3)]

    def fail() -> None:
        raise OSError("between two states")

    for (reader, writer), callback in zip(
        pipes, (lambda: called.append(0), fail, lambda: called.append(2)), strict=True
    ):
        loop.listen(reader, callback)
        os.write(writer, b"x")
    loop.turn(0)
    assert sorted(called) == [0, 2]
    assert [str(error) for error in raised] == ["between two states"]
    for pipe in pipes:
        for fd in pipe:
            os.close(fd)


#: A keeper in which one method fails `times` times, at its end or before its beginning.
FAULTY = """
import sys
from bpu.engine.keeper import daemon
from {module} import {name} as owner
method, left = owner.{method}, [{times}]
def faulty(*arguments, **options):
    result = method(*arguments, **options) if {late} else None
    if left[0]:
        left[0] -= 1
        raise RuntimeError("a mistake of ours")
    return result if {late} else method(*arguments, **options)
owner.{method} = faulty
sys.exit(daemon.main())
"""
#: Where it fails: while a job joins, goes, progresses, ends; while the console loads or dies.
PLACES = [
    ("bpu.engine.keeper.scheduler", "Scheduler", "join"),
    ("bpu.engine.keeper.scheduler", "Scheduler", "_grant_slot"),
    ("bpu.engine.keeper.scheduler", "Scheduler", "finish"),
    ("bpu.engine.keeper.scheduler", "Scheduler", "console_changed"),
    ("bpu.engine.keeper.scheduler", "Scheduler", "advance"),
    ("bpu.engine.keeper.supervisor", "Supervisor", "take"),
    ("bpu.engine.keeper.supervisor", "Supervisor", "give_back"),
    ("bpu.engine.keeper.supervisor", "Supervisor", "on_child"),
    ("bpu.engine.keeper.supervisor", "Supervisor", "tick"),
    ("bpu.engine.keeper.supervisor", "Supervisor", "_record_end"),
    ("bpu.engine.keeper.supervisor", "Supervisor", "_next_step"),
    ("bpu.engine.keeper.daemon", "Keeper", "_publish_status"),
    ("bpu.engine.keeper.daemon", "Keeper", "_accept"),
    ("bpu.engine.console_process", "Console", "kill_orphans"),
]


def start_faulty_keeper(folder: Path, **fields: Any) -> None:
    """Start a faulty keeper in the way in which a worker starts one."""
    settings = start_engine(folder).launch
    done = subprocess.run(
        [sys.executable, "-S", "-c", FAULTY.format(**fields), str(folder)],
        input=table_of(settings).to_json().encode(),
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
    )
    assert "ready" in json.loads(done.stdout)


def served_in_the_end(engine: Any) -> bool:
    """Whether a job is answered; those before it may have ended with a typed error, and none waits for ever."""
    try:
        return answer(submit(engine, says("served"))) == "served"
    except (errors.EngineStopping, errors.EngineCrashed):
        gevent_io.sleep(0.1)
        return False


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("module", "name", "method"), PLACES, ids=[place[2] for place in PLACES])
def test_4_a_mistake_in_the_keeper_costs_a_console_at_most(
    engine_of: EngineOf, tmp_path: Path, module: str, name: str, method: str, late: bool
) -> None:
    # An orphan's end is what calls the last ones: it lives on whatever the keeper does.
    start_faulty_keeper(tmp_path, module=module, name=name, method=method, times=2, late=late)
    engine = engine_of()
    for _ in range(3):
        wait_for(lambda: served_in_the_end(engine), seconds=30)
    with pytest.raises(errors.BpuError):
        list(submit(engine, "[[sim fault=exit=3@decode after=3]]", "crashes").events(5.0))
    wait_for(lambda: served_in_the_end(engine), seconds=30)


def test_4_a_keeper_that_fails_again_and_again_ends_and_the_next_one_serves(
    engine_of: EngineOf, tmp_path: Path
) -> None:
    start_faulty_keeper(
        tmp_path, module="bpu.engine.keeper.scheduler", name="Scheduler", method="advance", times=10**9, late=False
    )
    engine = engine_of()
    assert wait_for(lambda: served_in_the_end(engine), seconds=30)


# The worker's callbacks


@pytest.mark.parametrize("stage", ["made", "begun"])
def test_4_a_worker_that_fails_at_its_turn_ends_the_job_and_gives_the_console_back(
    engine_of: EngineOf, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    engine = engine_of()

    class Faulty(TurnReader):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            if stage == "made":
                raise RuntimeError("a mistake of ours")
            super().__init__(*arguments, **options)

        def begin(self) -> None:
            raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as patched:
        patched.setattr(job_module, "TurnReader", Faulty)
        with pytest.raises(errors.BpuError, match="inside the gateway"):  # by `submit` if the job was that fast
            list(submit(engine, says("never said"), "victim").events(5.0))
    assert engine.jobs == {}
    assert answer(submit(engine, says("served"), "next")) == "served"


@pytest.mark.parametrize("call", ["conversation_digest", "count_tokens"])
def test_4_a_worker_that_fails_at_the_end_of_a_turn_tells_its_client(engine_of: EngineOf, call: str) -> None:
    engine = engine_of(continue_="always")

    def fail(text: str) -> Any:
        raise RuntimeError("a mistake of ours")

    turn = Turn(line=says("hello").encode(), tokens=10, prefix_digest="x")
    calls: dict[str, Any] = {"conversation_digest": lambda raw: "digest", "count_tokens": len}
    job = engine.submit(turn, job_id="victim", **{**calls, call: fail})
    with pytest.raises(errors.BpuError, match="inside the gateway"):
        answer(job)
    assert answer(submit(engine, says("served"), "next")) == "served"


# The keeper's own limit

LIMITS: dict[str, Any] = {"first_token_timeout_s": 20.0, "stall_timeout_s": 10.0}


def test_4_the_keeper_takes_the_console_back_from_a_worker_that_reports_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, **LIMITS)
    rig.banner()
    stuck, waiting = rig.join(), rig.join()
    held = try_lock(tmp_path / "slot.lock", create=True)
    rig.after(30.0 + GRACE_S - 1)
    assert not stuck.peer.error, "its worker's own limits have the first word"
    rig.after(2.0)
    rig.gone()
    rig.banner()
    assert (stuck.peer.error, waiting.peer.going) == ("exit", True)
    assert "did not end its job" in stuck.peer.packets[-1]["message"]
    slot = try_lock(tmp_path / "slot.lock", create=True)
    assert slot is not None, "the stuck worker's lock blocks no other job"
    for lock in (held, slot):
        assert lock is not None
        lock.close()


def test_4_a_worker_that_reports_nothing_costs_one_limit_however_many_jobs_it_has(tmp_path: Path) -> None:
    rig = Rig(tmp_path, **LIMITS)
    rig.banner()
    stuck = [rig.join(pid=7) for _ in range(3)]
    other = rig.join(pid=8)
    rig.after(30.0 + GRACE_S + 1)
    rig.gone()
    rig.banner()
    assert ([job.peer.is_cut_off for job in stuck], other.peer.is_cut_off) == ([False, True, True], False)
    assert other.peer.going
    again = rig.join(pid=7)
    rig.finish(other)
    rig.console.say(PROMPT)
    assert again.peer.going, "it goes on"


def test_4_progress_moves_the_limit(tmp_path: Path) -> None:
    settings = launch(tmp_path, **LIMITS)
    assert overdue_at(settings, 100.0, {}) == 130.0 + GRACE_S
    assert overdue_at(settings, 100.0, {"tokens_at": 500.0}) == 510.0 + GRACE_S
    eyes = launch(tmp_path, **LIMITS, profile="vlm", image_timeout_s=40.0)
    assert overdue_at(eyes, 100.0, {}) == 170.0 + GRACE_S
    assert overdue_at(launch(tmp_path, **LIMITS, profile="vlm", image_timeout_s=0.0), 100.0, {}) is None
    assert overdue_at(launch(tmp_path, **LIMITS, job_timeout_s=60.0), 100.0, {"tokens_at": 500.0}) == 170.0 + GRACE_S


def test_4_without_limits_nothing_is_taken_back(tmp_path: Path) -> None:
    settings = launch(tmp_path, first_token_timeout_s=0.0, stall_timeout_s=0.0)
    assert overdue_at(settings, 100.0, {}) is None
    assert overdue_at(settings, 100.0, {"tokens_at": 500.0}) is None


def test_4_after_a_reload_the_longer_limits_count_because_workers_have_either(tmp_path: Path) -> None:
    rig = Rig(tmp_path, **LIMITS)
    rig.banner()
    running = rig.join()
    rig.scheduler.registry.register(launch(tmp_path, **{**LIMITS, "stall_timeout_s": 100.0}), newest=True)
    rig.after(100.0)
    assert not running.peer.error
    rig.scheduler.registry.register(launch(tmp_path, **LIMITS), newest=True)
    rig.after(1.0)
    assert rig.state() is State.STOPPING
    unlimited = Rig(tmp_path, **LIMITS)
    unlimited.banner()
    running = unlimited.join()
    none = launch(tmp_path, first_token_timeout_s=0.0, stall_timeout_s=0.0)
    unlimited.scheduler.registry.register(none, newest=True)
    unlimited.after(1000.0)
    assert not running.peer.error
