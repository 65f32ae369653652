"""Tests the scheduler's decisions in every order of events that matters, without a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.engine.console_process import Exit
from bpu.engine.file_locks import SLOT_NAME, try_lock
from bpu.engine.states import State
from tests.unit.engine.rig import PROMPT, STDERR, Rig

SEGV = Exit(None, 11)


# Loading


def test_the_model_is_loaded_before_anybody_asks(rig: Rig) -> None:
    assert rig.state() is State.STARTING
    rig.banner()
    assert rig.state() is State.READY


def test_without_preload_the_first_job_loads(tmp_path: Path) -> None:
    rig = Rig(tmp_path, preload=False)
    assert rig.state() is State.STOPPED
    job = rig.join()
    assert rig.state() is State.STARTING
    rig.banner()
    assert job.peer.going


def test_jobs_that_come_while_it_loads_share_one_load(rig: Rig) -> None:
    jobs = [rig.join() for _ in range(3)]
    rig.banner()
    assert [job.peer.going for job in jobs] == [True, False, False]
    assert rig.supervisor.loads == 1


# One at a time, in order


def test_one_job_runs_and_the_next_follows_at_its_end(ready: Rig) -> None:
    first, second = ready.join(), ready.join()
    assert first.peer.going
    assert not second.peer.going
    ready.finish(first)
    ready.console.say(PROMPT)
    assert second.peer.going
    assert ready.supervisor.loads == 1


def test_between_two_jobs_nothing_else_is_told_for_a_moment(ready: Rig) -> None:
    scheduler = ready.scheduler
    assert scheduler.hand_over_until <= ready.now, "an idle console has nothing to hand over"
    first = ready.join()
    assert ready.now < scheduler.hand_over_until < ready.now + 0.1, "its line is on its way"
    ready.now += 1.0
    second = ready.join()
    assert scheduler.hand_over_until <= ready.now, "the first one has its answer, and the other one waits"
    ready.finish(first)  # and the console is being reset
    assert ready.now < scheduler.hand_over_until < ready.now + 0.1
    ready.console.say(PROMPT)
    assert second.peer.going
    assert ready.now < scheduler.hand_over_until < ready.now + 0.1, "its line is on its way"
    ready.now += 0.1
    assert scheduler.hand_over_until < ready.now
    ready.finish(second)
    assert scheduler.hand_over_until <= ready.now, "nobody waits"


def test_a_long_reset_is_told(ready: Rig) -> None:
    first, _second = ready.join(), ready.join()
    ready.finish(first)
    ready.now += 0.2
    assert ready.scheduler.hand_over_until < ready.now


def test_a_job_that_needs_a_fresh_console_gets_one_although_an_older_job_goes_first(ready: Rig) -> None:
    running = ready.join()
    older, retried = ready.join(arrived=ready.now - 2), ready.join(arrived=ready.now - 1, needs_fresh=True)
    ready.scheduler.fail(running, "another echo", retry=True)
    ready.settle()
    ready.gone()
    ready.banner()
    ready.finish(older)
    ready.gone()
    ready.banner()
    assert [job.peer.received("start")[0]["fresh"] for job in (older, retried)] == [True, True]
    assert ready.supervisor.loads == 3


def test_a_job_that_arrived_first_goes_first_even_if_heard_of_later(ready: Rig) -> None:
    running = ready.join()
    late = ready.join(arrived=ready.now)
    early = ready.join(arrived=ready.now - 0.1)
    ready.finish(running)
    ready.console.say(PROMPT)
    assert early.peer.going
    assert not late.peer.going


def test_a_full_queue_refuses_with_a_time_to_come_back(ready: Rig) -> None:
    accepted = [ready.join() for _ in range(4)]
    refused = ready.join()
    assert [job.peer.error for job in accepted] == [""] * 4
    assert refused.peer.error == "queue_full"
    assert 1 <= refused.peer.received("refused")[0]["retry_after"] <= 60


# Leaving


def test_a_job_that_leaves_the_queue_disturbs_nobody(ready: Rig) -> None:
    running, waiting, last = ready.join(), ready.join(), ready.join()
    ready.remove(waiting)
    ready.finish(running)
    ready.console.say(PROMPT)
    assert last.peer.going
    assert not waiting.peer.going
    assert ready.console.signals == []


def test_a_running_job_that_leaves_costs_the_console_and_a_new_one_is_loading(ready: Rig) -> None:
    running, waiting = ready.join(), ready.join()
    ready.remove(running)
    assert ready.state() is State.STOPPING
    ready.gone()
    assert ready.state() is State.STARTING
    ready.banner()
    assert waiting.peer.going
    assert ready.supervisor.restarts == {"left": 1}


def test_a_console_that_its_job_gives_up_is_ended_at_once_and_its_last_lines_are_told(ready: Rig) -> None:
    running, waiting = ready.join(), ready.join()
    ready.supervisor.log.add("[E] something failed")
    ready.scheduler.fail(running, "The console has been silent.")
    assert running.peer.received("exit")[0]["log"] == ["[E] something failed"]
    assert ready.state() is State.STOPPING
    ready.gone()
    assert ready.state() is State.STARTING
    ready.banner()
    assert waiting.peer.going
    assert ready.supervisor.restarts == {"failed": 1}


def test_a_late_end_of_a_job_that_left_changes_nothing(ready: Rig) -> None:
    running = ready.join()
    ready.remove(running)
    ready.finish(running, digest="abc", tokens=10)
    assert ready.state() is State.STOPPING


def test_a_cancelled_job_is_told_and_its_place_is_free(ready: Rig) -> None:
    running, waiting = ready.join(), ready.join()
    assert ready.scheduler.cancel(waiting.id)
    assert waiting.peer.error == "job_cancelled"
    assert ready.scheduler.cancel(running.id)
    assert running.peer.error == "job_cancelled"
    assert ready.state() is State.STOPPING
    assert not ready.scheduler.cancel("job-unknown")


def test_a_job_whose_worker_does_not_read_is_passed_over_and_holds_nobody_up(ready: Rig) -> None:
    """The keeper closes its connection, so that its worker joins again, and handles it like any removed job."""
    running, deaf, behind = ready.join(), ready.join(), ready.join()
    deaf.peer.reads = False
    ready.finish(running)
    ready.console.say(PROMPT)
    ready.remove(deaf)
    if not behind.peer.going:
        ready.console.say(PROMPT)
    assert behind.peer.going
    assert ready.supervisor.loads == 1


# Faults


def test_a_crash_is_told_to_the_running_job_alone(ready: Rig) -> None:
    running, waiting = ready.join(), ready.join()
    ready.console.say(b"[E][1][02-26][22:02:19:008][a.cpp:1][x][DNN] bad thing\n", STDERR)
    ready.console.die(SEGV)
    told = running.peer.received("exit")[0]
    assert told["how"] == "SIGSEGV"
    assert "bad thing" in told["log"][-1]
    ready.banner()
    assert waiting.peer.going
    assert waiting.peer.error == ""


# Loading and stopping at will


def test_unload_waits_for_the_running_job_and_a_later_one_loads_again(ready: Rig) -> None:
    running = ready.join()
    ready.scheduler.unload()
    ready.settle()
    assert ready.state() is State.BUSY
    ready.finish(running)
    assert ready.console.written[-1] == b"exit\n"
    ready.console.die(Exit(0, None))
    assert ready.state() is State.STOPPED
    job = ready.join()
    ready.banner()
    assert job.peer.going


def test_an_idle_model_is_unloaded_when_asked_to(tmp_path: Path) -> None:
    rig = Rig(tmp_path, idle_unload_s=60.0)
    rig.banner()
    rig.after(59)
    assert rig.state() is State.READY
    rig.after(2)
    rig.console.die(Exit(0, None))
    assert rig.state() is State.STOPPED


def test_stopping_refuses_those_who_wait_and_those_who_come(ready: Rig) -> None:
    waiting = [ready.join(), ready.join()][1]
    ready.scheduler.stop()
    ready.settle()
    assert waiting.peer.error == "engine_stopping"
    assert ready.join().peer.error == "engine_stopping"


def test_without_a_client_a_lost_console_is_loaded_for_a_job_only(ready: Rig) -> None:
    ready.scheduler.has_clients = False
    ready.scheduler.remove(ready.join())
    ready.settle()
    ready.gone()
    assert ready.state() is State.STOPPED
    ready.join()
    ready.settle()
    assert ready.state() is State.STARTING


def test_a_client_that_comes_has_a_lost_console_loaded_again(ready: Rig) -> None:
    ready.scheduler.has_clients = False
    ready.scheduler.remove(ready.join())
    ready.settle()
    ready.gone()
    ready.scheduler.has_clients = True
    ready.settle()
    assert ready.state() is State.STARTING


def test_one_process_a_job(tmp_path: Path) -> None:
    rig = Rig(tmp_path, per_job=True)
    assert rig.state() is State.STOPPED
    first = rig.join()
    rig.banner()
    rig.finish(first)
    assert rig.console.written[-1] == b"exit\n"
    second = rig.join()
    rig.console.die(Exit(0, None))
    rig.banner()
    assert second.peer.going
    assert len(rig.consoles) == 2


# Deadlines


def test_a_moment_that_comes_right_after_a_look_is_not_missed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, idle_unload_s=60.0)
    rig.banner()
    unload_at = rig.scheduler.deadline()
    assert unload_at is not None
    rig.now = unload_at - 0.001
    rig.settle()
    rig.now += 0.002
    assert rig.scheduler.deadline() == unload_at, "it is due, and nothing has seen to it yet"
    rig.settle()
    assert rig.state() is State.STOPPING


def test_the_end_of_a_pause_that_comes_right_after_a_look_is_not_missed(rig: Rig) -> None:
    while rig.supervisor.breaker.wait_s(rig.now) == 0:
        rig.console.die(SEGV)
    load_at = rig.supervisor.breaker.until
    rig.now = load_at - 0.001
    rig.settle()
    assert rig.scheduler.deadline() == load_at
    rig.now += 0.002
    assert rig.scheduler.deadline() == load_at
    rig.settle()
    assert rig.state() is State.STARTING
    assert rig.scheduler.deadline() is None


# The slot


@pytest.mark.parametrize("end", ["crash", "cancel", "leave"])
def test_a_stopped_worker_keeps_the_slot_from_no_later_job(ready: Rig, tmp_path: Path, end: str) -> None:
    """Its lock is worth nothing: the console whose pipes it holds is gone."""
    running = ready.join()
    held = try_lock(tmp_path / SLOT_NAME, create=True)
    assert held is not None
    if end == "crash":
        ready.console.die(SEGV)
    elif end == "cancel":
        ready.scheduler.cancel(running.id)
    else:
        ready.remove(running)
    slot = try_lock(tmp_path / SLOT_NAME, create=True)
    assert slot is not None
    for lock in (held, slot):
        lock.close()
