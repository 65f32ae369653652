"""Tests which of several models the scheduler ends and loads, without a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.engine.console_process import Exit
from bpu.engine.keeper.circuit_breaker import FREE_RETRIES
from bpu.engine.keeper.status_report import status_of
from bpu.engine.states import State
from tests.unit.engine.rig import PROMPT, STDERR, Rig

NO_MEMORY = b"[E][1][02-26][22:02:19:008][a.cpp:1][x][DNN] Cannot malloc bpu memory with length 2234994104 bytes\n"
FIRST = "deepseek-r1:1.5b"


@pytest.fixture
def other(ready: Rig, tmp_path: Path) -> str:
    """The fingerprint of a second model; the first one is loaded."""
    return ready.register(tmp_path, "qwen3-4b")


def finish(rig: Rig, *jobs: object) -> None:
    for job in jobs:
        rig.finish(job)  # type: ignore[arg-type]
        rig.console.say(PROMPT)


def loaded(rig: Rig) -> list[str]:
    return [launch.model for launch in rig.spawned]


def test_a_job_for_another_model_swaps_it_in_when_no_job_of_the_loaded_one_waits(ready: Rig, other: str) -> None:
    job = ready.join(fingerprint=other)
    assert ready.state() is State.STOPPING
    assert not job.peer.going
    ready.gone()
    assert (ready.state(), loaded(ready)) == (State.STARTING, [FIRST, "qwen3-4b"])
    ready.banner()
    assert job.peer.going
    assert ready.scheduler.model.supervisor.loads == 1


def test_the_next_model_is_loaded_only_after_the_last_console_has_ended(ready: Rig, other: str) -> None:
    ready.join(fingerprint=other)
    ready.after(1.0)
    assert len(ready.consoles) == 1
    ready.gone()
    assert len(ready.consoles) == 2


def test_what_is_under_way_is_finished_first(ready: Rig, other: str) -> None:
    running, waiting = ready.join(), ready.join(fingerprint=other)
    ready.after(100.0)
    assert (running.peer.error, ready.state()) == ("", State.BUSY)
    finish(ready, running)
    ready.gone()
    ready.banner()
    assert waiting.peer.going


def test_jobs_of_the_loaded_model_go_first_until_the_other_has_waited_long_enough(ready: Rig, other: str) -> None:
    running, waiting = ready.join(), ready.join(fingerprint=other)
    early = ready.join()
    finish(ready, running)
    assert early.peer.going
    late = ready.join()
    ready.after(ready.scheduler.swap_after_s)
    finish(ready, early)
    assert ready.state() is State.STOPPING
    ready.gone()
    ready.banner()
    assert (waiting.peer.going, late.peer.going) == (True, False)


def test_a_model_for_which_another_was_given_up_is_loaded_though_older_jobs_of_that_one_wait(
    ready: Rig, other: str
) -> None:
    running = ready.join()
    older = ready.join()
    waiting = ready.join(fingerprint=other)
    ready.after(ready.scheduler.swap_after_s)
    finish(ready, running)
    ready.gone()
    ready.banner()
    assert (waiting.peer.going, older.peer.going) == (True, False)
    finish(ready, waiting)
    ready.gone()
    ready.banner()
    assert older.peer.going, "its model comes back once no job of the other one waits"


def test_a_load_that_no_job_waits_for_gives_way(rig: Rig, tmp_path: Path) -> None:
    job = rig.join(fingerprint=rig.register(tmp_path, "qwen3-4b"))
    assert rig.state() is State.STOPPING
    rig.gone()
    rig.banner()
    assert job.peer.going
    assert loaded(rig) == [FIRST, "qwen3-4b"]


def test_a_model_that_cannot_fit_is_refused_with_figures_and_the_loaded_one_stays(ready: Rig, other: str) -> None:
    ready.shortages["qwen3-4b"] = "needs 7 GiB, the pools hold 3 GiB"
    job = ready.join(fingerprint=other)
    assert job.peer.error == "engine_unavailable"
    assert job.peer.received("refused")[0]["message"] == "needs 7 GiB, the pools hold 3 GiB"
    assert ready.state() is State.READY
    assert ready.scheduler.load(other) == "needs 7 GiB, the pools hold 3 GiB"
    assert ready.state() is State.READY


def test_memory_that_is_gone_by_the_time_of_the_swap_keeps_the_loaded_model(ready: Rig, other: str) -> None:
    running, waiting = ready.join(), ready.join(fingerprint=other)
    ready.shortages["qwen3-4b"] = "another program holds 3 GiB"
    finish(ready, running)
    assert (waiting.peer.error, ready.state()) == ("engine_unavailable", State.READY)
    assert ready.join().peer.going


def test_the_next_load_waits_until_the_memory_has_come_back(ready: Rig, other: str) -> None:
    ready.join(fingerprint=other)
    ready.shortages["qwen3-4b"] = "not yet"
    ready.gone()
    ready.after(0.5)
    assert len(ready.consoles) == 1
    del ready.shortages["qwen3-4b"]
    ready.after(0.2)
    assert loaded(ready) == [FIRST, "qwen3-4b"]


def test_a_model_that_fails_to_load_trips_its_own_breaker_and_the_one_before_comes_back(ready: Rig, other: str) -> None:
    job = ready.join(fingerprint=other)
    ready.gone()
    for _ in range(FREE_RETRIES + 1):
        assert loaded(ready)[-1] == "qwen3-4b"
        ready.console.die(Exit(None, 11))
    assert job.peer.error == "engine_stopping"
    assert (ready.state(), loaded(ready)[-1]) == (State.STARTING, FIRST)
    ready.banner()
    assert ready.join().peer.going
    assert ready.join(fingerprint=other).peer.error == "engine_stopping", (
        "it is told at once, while its breaker is open"
    )


def test_memory_that_comes_back_late_after_a_swap_is_waited_for(ready: Rig, other: str) -> None:
    job = ready.join(fingerprint=other)
    ready.gone()
    ready.console.say(NO_MEMORY, STDERR)
    ready.console.die(Exit(255, None))
    assert job.peer.error == ""
    ready.after(1.1)
    ready.banner()
    assert job.peer.going


def test_an_order_loads_another_model_and_it_stays(ready: Rig, other: str) -> None:
    assert ready.scheduler.load(other) == ""
    ready.settle()
    ready.gone()
    ready.banner()
    ready.after(60.0)
    assert (ready.state(), ready.scheduler.model.name) == (State.READY, "qwen3-4b")


def test_the_stay_of_an_ordered_model_ends_when_another_is_loaded(ready: Rig, other: str) -> None:
    assert ready.scheduler.load(other) == ""
    ready.settle()
    ready.gone()
    ready.banner()
    stopped, first = ready.join(fingerprint=other), ready.join()
    ready.scheduler.remove(stopped)  # its client stops the answer, so the console ends
    ready.settle()
    ready.gone()
    ready.banner()
    assert ready.scheduler.model.name == FIRST
    finish(ready, first)
    ready.join(fingerprint=other)
    assert ready.state() is State.STOPPING, "nobody has ordered the model that is loaded"


def test_the_status_of_a_model_is_that_of_its_newest_launch(ready: Rig, other: str, tmp_path: Path) -> None:
    for fingerprint in (other, None):
        job = ready.join(fingerprint=fingerprint) if fingerprint else ready.join()
        ready.gone()
        ready.banner()
        finish(ready, job)
    broken = ready.register(tmp_path, "qwen3-4b", argv=("console", "--broken"))
    ready.join(fingerprint=broken)
    ready.gone()
    for _ in range(FREE_RETRIES + 1):
        ready.console.die(Exit(None, 11))
    ready.banner()
    assert ready.scheduler.model.name == FIRST
    assert ready.register(tmp_path, "qwen3-4b") == other, "the entry is put right"
    ready.join()
    assert ready.scheduler.load(other) == ""
    ready.settle()
    status = status_of(ready.scheduler, 0.0).models["qwen3-4b"]
    assert (status.fingerprint, status.error) == (other, None)


def test_an_order_waits_its_turn_behind_jobs_of_the_loaded_model_and_comes_within_its_time(
    ready: Rig, other: str
) -> None:
    running, next_one = ready.join(), ready.join()
    ready.scheduler.load(other)
    ready.after(1.0)
    finish(ready, running)
    assert next_one.peer.going
    ready.join()
    ready.after(ready.scheduler.swap_after_s)
    finish(ready, next_one)
    assert ready.state() is State.STOPPING
    ready.gone()
    assert loaded(ready)[-1] == "qwen3-4b"


def test_an_order_for_the_model_of_the_last_load_is_carried_out_before_a_later_job(ready: Rig, other: str) -> None:
    ready.scheduler.unload()
    ready.settle()
    ready.gone()
    ready.scheduler.load()
    ready.settle()
    job = ready.join(fingerprint=other)
    assert ready.state() is State.STARTING
    ready.banner()
    assert (loaded(ready), ready.state()) == ([FIRST, FIRST], State.READY)
    ready.after(ready.scheduler.swap_after_s)
    assert ready.state() is State.STOPPING
    ready.gone()
    ready.banner()
    assert job.peer.going


def test_a_model_whose_job_left_before_its_load_is_not_loaded(ready: Rig, other: str) -> None:
    job = ready.join(fingerprint=other)
    ready.remove(job)
    ready.gone()
    assert loaded(ready) == [FIRST, FIRST]


def test_unloading_ends_any_model_and_a_job_loads_its_own(ready: Rig, other: str) -> None:
    ready.scheduler.load(other)
    ready.settle()
    ready.gone()
    ready.banner()
    ready.scheduler.unload()
    ready.settle()
    ready.gone()
    assert ready.state() is State.STOPPED
    job = ready.join()
    ready.banner()
    assert (job.peer.going, ready.scheduler.model.name) == (True, FIRST)


def test_an_order_that_names_a_model_unloads_no_other(ready: Rig, other: str) -> None:
    running, waiting = ready.join(), ready.join(fingerprint=other)
    ready.scheduler.unload("qwen3-4b")
    ready.scheduler.unload(FIRST)
    finish(ready, running)
    ready.gone()
    ready.banner()
    finish(ready, waiting)
    assert (ready.state(), ready.scheduler.model.name) == (State.READY, "qwen3-4b")
    ready.scheduler.unload("qwen3-4b")
    ready.settle()
    ready.gone()
    assert ready.state() is State.STOPPED


def test_an_order_that_names_a_model_revokes_no_load_of_another(ready: Rig, other: str) -> None:
    running = ready.join()
    assert ready.scheduler.load(other) == ""
    ready.scheduler.unload(FIRST)
    finish(ready, running)
    ready.gone()
    ready.banner()
    assert (ready.state(), ready.scheduler.model.name) == (State.READY, "qwen3-4b")


def test_a_load_that_was_ordered_and_unloaded_by_name_is_not_carried_out(ready: Rig, other: str) -> None:
    running = ready.join()
    assert ready.scheduler.load(other) == ""
    ready.scheduler.unload("qwen3-4b")
    finish(ready, running)
    ready.after(100.0)
    assert (ready.state(), loaded(ready)) == (State.READY, [FIRST])


def test_an_order_to_load_forgets_why_the_model_failed_before(ready: Rig, other: str) -> None:
    ready.join(fingerprint=other)
    ready.gone()
    for _ in range(FREE_RETRIES + 1):
        ready.console.die(Exit(None, 11))
    ready.banner()
    running, failed = ready.join(), ready.scheduler.registry.get(other)
    assert failed.status()["error"]
    assert ready.scheduler.load(other) == ""
    assert (failed.status()["error"], running.peer.error) == (None, ""), "it only waits for its turn"


def test_each_model_is_unloaded_after_its_own_idle_time(ready: Rig, tmp_path: Path) -> None:
    other = ready.register(tmp_path, "qwen3-4b", idle_unload_s=30.0)
    ready.after(1000.0)
    assert ready.state() is State.READY, "the first one has no limit"
    job = ready.join(fingerprint=other)
    ready.gone()
    ready.banner()
    finish(ready, job)
    ready.after(29.0)
    assert ready.state() is State.READY
    ready.after(2.0)
    assert ready.state() is State.STOPPING


def test_findings_restarts_and_load_times_belong_to_a_model(ready: Rig, tmp_path: Path) -> None:
    other = ready.register(tmp_path, "qwen3-4b", argv=("another", "--hbm_path", "q.hbm"))
    job = ready.join(fingerprint=other)
    ready.gone()
    ready.after(7.0)
    ready.banner()
    finish(ready, job)
    first, second = ready.scheduler.registry.models.values()
    assert (first.supervisor.load_s, second.supervisor.load_s) == (0.0, 7.0)
    assert (first.supervisor.restarts["swap"], second.supervisor.restarts["swap"]) == (1, 0)
    assert first.examiner.record.path != second.examiner.record.path


def test_a_conversation_does_not_go_on_over_a_swap(ready: Rig, other: str) -> None:
    first = ready.join()
    ready.finish(first, digest="chat", tokens=100)
    ready.console.say(PROMPT)
    between = ready.join(fingerprint=other)
    ready.gone()
    ready.banner()
    finish(ready, between)
    again = ready.join(prefix_digest="chat", continuation_tokens=10)
    ready.gone()
    ready.banner()
    assert again.peer.received("start")[0]["continued"] is False


def test_a_changed_entry_counts_from_its_next_load(ready: Rig, tmp_path: Path) -> None:
    changed = ready.register(tmp_path, FIRST, argv=("console", "--changed"))
    ready.after(5.0)
    assert (ready.state(), len(ready.spawned)) == (State.READY, 1), "a change alone reloads nothing"
    job = ready.join(fingerprint=changed)
    ready.gone()
    ready.banner()
    assert job.peer.going
    assert ready.spawned[-1].argv == ("console", "--changed")


def test_an_ordered_model_is_loaded_in_its_turn_and_stays_though_older_jobs_of_another_wait(
    ready: Rig, other: str
) -> None:
    running, waiting = ready.join(), ready.join()
    assert ready.scheduler.load(other) == ""
    ready.after(ready.scheduler.swap_after_s)
    finish(ready, running)
    ready.gone()
    ready.banner()
    assert (ready.state(), ready.scheduler.launch.model) == (State.READY, "qwen3-4b")
    ready.after(ready.scheduler.swap_after_s - 1)
    assert (ready.state(), waiting.peer.going) == (State.READY, False)
    assert ready.scheduler.deadline() == pytest.approx(ready.now + 1)
    ready.after(1)
    ready.gone()
    ready.banner()
    assert (waiting.peer.going, len(ready.spawned)) == (True, 3)


def test_two_ordered_models_are_loaded_one_after_the_other(ready: Rig, other: str, tmp_path: Path) -> None:
    third = ready.register(tmp_path, "minicpm5-2b")
    running = ready.join()
    assert (ready.scheduler.load(other), ready.scheduler.load(third)) == ("", "")
    finish(ready, running)
    ready.gone()
    ready.banner()
    assert (ready.state(), ready.scheduler.launch.model) == (State.READY, "qwen3-4b")
    ready.after(ready.scheduler.swap_after_s)
    ready.gone()
    ready.banner()
    assert (ready.state(), ready.scheduler.launch.model) == (State.READY, "minicpm5-2b")
    ready.after(100.0)
    assert ready.state() is State.READY


def test_an_order_for_the_loaded_model_revokes_no_load_of_another(ready: Rig, other: str) -> None:
    running = ready.join()
    assert ready.scheduler.load(other) == ""
    assert ready.scheduler.load() == ""
    finish(ready, running)
    ready.gone()
    assert loaded(ready) == [FIRST, "qwen3-4b"]


def test_an_order_to_unload_ends_the_stay_of_an_ordered_model(ready: Rig, other: str) -> None:
    assert ready.scheduler.load(other) == ""
    ready.settle()
    ready.gone()
    ready.banner()
    waiting = ready.join()
    assert ready.state() is State.READY
    ready.scheduler.unload()
    ready.settle()
    ready.gone()
    ready.banner()
    assert waiting.peer.going


def test_an_order_to_load_without_a_name_takes_the_changed_entry(ready: Rig, tmp_path: Path) -> None:
    ready.register(tmp_path, FIRST, argv=("console", "--changed"))
    ready.scheduler.unload()
    ready.settle()
    ready.gone()
    assert ready.scheduler.load() == ""
    ready.settle()
    assert ready.spawned[-1].argv == ("console", "--changed")


def test_a_console_that_dies_idle_is_loaded_as_its_entry_says_by_now(ready: Rig, tmp_path: Path) -> None:
    ready.register(tmp_path, FIRST, argv=("console", "--changed"))
    ready.console.die(Exit(None, 11))
    assert ready.spawned[-1].argv == ("console", "--changed")


def test_limits_of_an_entry_change_with_its_next_load_too(ready: Rig, tmp_path: Path) -> None:
    ready.register(tmp_path, FIRST, idle_unload_s=30.0)
    ready.after(100.0)
    assert ready.state() is State.READY
    ready.console.die(Exit(None, 11))
    ready.banner()
    ready.after(31.0)
    assert ready.state() is State.STOPPING


def test_launches_that_nothing_needs_are_forgotten_and_no_job_is_lost(ready: Rig, tmp_path: Path) -> None:
    running = ready.join()
    waiting = ready.join(fingerprint=ready.register(tmp_path, "qwen3-4b", argv=("console", "--first")))
    for number in range(1000):
        ready.register(tmp_path, "qwen3-4b", argv=("console", str(number)))
    assert len(ready.scheduler.registry._launches) < 400
    finish(ready, running)
    ready.gone()
    ready.banner()
    assert waiting.peer.going
    assert ready.spawned[-1].argv == ("console", "--first")
