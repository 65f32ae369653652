"""How the console is loaded, watched between jobs, ended and loaded again, without a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.console.traits import Traits, TurnReport
from bpu.engine.console_process import Exit
from bpu.engine.keeper.circuit_breaker import FREE_RETRIES
from bpu.engine.keeper.supervisor import CLOSED_LIMIT_S, RESET_LIMIT_S
from bpu.engine.states import State
from tests.unit.engine.rig import PROMPT, STDERR, STDOUT, Rig

SEGV = Exit(None, 11)
NO_MEMORY = b"[E][1][02-26][22:02:19:008][a.cpp:1][x][DNN] Cannot malloc bpu memory with length 2234994104 bytes\n"


def test_a_console_that_ignores_the_first_signal_is_killed(ready: Rig) -> None:
    ready.remove(ready.join())
    ready.after(1.0)
    assert ready.console.signals == [15, 9]


def test_output_while_idle_ends_the_console(ready: Rig) -> None:
    ready.console.say(b"a late token")
    ready.after(5.0)
    assert ready.supervisor.restarts["out_of_step"] == 1


def test_an_idle_console_that_has_closed_its_output_gets_no_job(ready: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready.console, "read", lambda fd: b"" if fd == STDOUT else None)
    ready.loop.callbacks[STDOUT]()
    job = ready.join()
    assert not job.peer.going
    for _ in range(6):  # whatever else happens meanwhile puts off no end
        ready.after(CLOSED_LIMIT_S / 5)
    assert ready.state() is State.STOPPING
    ready.gone()
    ready.banner()
    assert job.peer.going


def test_a_log_line_of_an_idle_console_is_counted_and_never_shown(ready: Rig) -> None:
    shown = list(ready.supervisor.log.lines)
    ready.console.say(b"[E][1][02-26][22:02:19:008][a.cpp:1][x][DNN] note\n")
    assert ready.state() is State.READY
    assert (ready.supervisor.idle_lines, list(ready.supervisor.log.lines)) == (1, shown)


def test_a_crash_between_jobs_loads_again(ready: Rig) -> None:
    ready.console.die(SEGV)
    assert ready.state() is State.STARTING
    ready.banner()
    assert ready.join().peer.going


def test_a_load_that_takes_too_long_fails_whoever_waits_for_it_and_begins_anew(rig: Rig) -> None:
    job = rig.join()
    rig.after(121)
    rig.gone()
    assert rig.supervisor.restarts == {"load_timeout": 1}
    assert rig.state() is State.STARTING
    assert job.peer.error == "engine_timeout"
    rig.banner()
    assert rig.join().peer.going


def test_a_crash_loop_opens_the_breaker_and_it_closes_by_itself(rig: Rig) -> None:
    waiting = rig.join()
    for _ in range(FREE_RETRIES + 1):
        rig.console.die(SEGV)
    assert rig.state() is State.FAILED
    assert waiting.peer.error == "engine_stopping"
    refused = rig.join().peer.received("refused")[0]
    assert refused["kind"] == "engine_stopping"
    assert refused["retry_after"] > 0
    rig.after(61)
    assert rig.state() is State.STARTING
    rig.banner()
    assert rig.join().peer.going


def test_a_finished_job_forgives_earlier_crashes(ready: Rig) -> None:
    for _ in range(FREE_RETRIES):
        ready.console.die(SEGV)
        ready.banner()
    ready.finish(ready.join())
    assert ready.supervisor.breaker.failures == 0


def test_missing_memory_is_for_a_person_and_names_the_log(rig: Rig) -> None:
    job = rig.join()
    rig.console.say(NO_MEMORY, STDERR)
    rig.console.die(Exit(1, None))
    refused = job.peer.received("refused")[0]
    assert refused["kind"] == "engine_unavailable"
    assert "Cannot malloc bpu memory" in refused["log"][-1]


def test_memory_that_is_still_being_freed_is_waited_for(ready: Rig) -> None:
    ready.remove(ready.join())
    ready.gone()
    job = ready.join()
    ready.console.say(NO_MEMORY, STDERR)
    ready.console.die(Exit(1, None))
    assert job.peer.error == ""
    ready.after(1.1)
    assert ready.state() is State.STARTING
    ready.banner()
    assert job.peer.going


def test_a_program_that_cannot_be_started_is_for_a_person(tmp_path: Path) -> None:
    rig = Rig(tmp_path, preload=False)
    rig.spawn_error = OSError(8, "Exec format error")
    job = rig.join()
    assert rig.state() is State.FAILED
    assert job.peer.error == "engine_unavailable"


def test_a_reset_that_never_answers_ends_the_console(ready: Rig) -> None:
    ready.finish(ready.join(), digest="chat", tokens=50)
    job = ready.join()
    ready.after(6.0)
    ready.gone(9)
    ready.banner()
    assert job.peer.going


def test_after_a_proven_end_a_reset_that_is_looked_at_late_is_no_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine may let the prompt come and the line be read between two looks that are far apart."""
    unread = [True]
    monkeypatch.setattr(
        "bpu.engine.keeper.output_reader.unread_in", lambda stdin: lambda: unread.pop() if unread else False
    )
    rig = Rig(tmp_path, profile="oellm_multichat")
    rig.banner()
    rig.finish(rig.join(), digest="chat", tokens=50)
    assert rig.supervisor.end_proven
    job = rig.join()
    assert rig.console.written == [b"reset\n"]
    rig.now += 0.5
    rig.console.say(PROMPT)
    assert job.peer.going
    assert rig.supervisor.restarts == {}


def test_a_prompt_that_waits_for_its_silence_is_waited_for_beyond_the_limit_of_a_reset(tmp_path: Path) -> None:
    """A slow model's steps ask for a silence that is longer than a `reset` may take."""
    rig = Rig(tmp_path, reset="command", continues="never")
    rig.banner()
    rig.supervisor.traits = Traits(step_s=2.2)
    job = rig.join()
    rig.finish(job, report=TurnReport(step_s=2.2, at_rest=True))
    assert rig.console.written == [b"reset\n"]
    rig.console.say(PROMPT)
    waiting = rig.join()
    rig.after(RESET_LIMIT_S + 0.5)
    assert (rig.state(), waiting.peer.going) == (State.BUSY, False)
    rig.after(5.0)
    assert waiting.peer.going
    assert rig.supervisor.restarts == {}
