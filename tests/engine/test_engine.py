"""The engine on real processes: a keeper, the simulator, pipes, locks and signals."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from bpu import errors
from bpu.console.events import Done, Text
from bpu.engine import hub
from bpu.engine.engine import Engine
from bpu.engine.job import Job
from bpu.engine.slot import try_lock
from bpu.turn import Cut, Turn, Waiting
from tests.engine.conftest import processes, start_engine
from tests.live.gateway import command
from tests.waits import until

EngineOf = Callable[..., Engine]
LONG = "[[sim tokens=200 rate=50]]"


def says(text: str) -> str:
    return f"[[sim say={base64.b64encode(text.encode()).decode()}]]"


def submit(engine: Engine, text: str, job_id: str = "job", **options: Any) -> Job:
    return engine.submit(Turn(line=text.encode(), tokens=10), job_id=job_id, **options)


def answer(job: Job) -> str:
    events = list(job.events(5.0))
    assert isinstance(events[-1], Done)
    return "".join(event.text for event in events if isinstance(event, Text))


def first_text(job: Job) -> str:
    for event in job.events(5.0):
        if isinstance(event, Text):
            return event.text
    raise AssertionError("no text")


#: Other greenlets run meanwhile.
wait_for = partial(until, sleep=hub.sleep)


def console_of(engine: Engine) -> psutil.Process:
    return psutil.Process(wait_for(lambda: engine.status()["console_pid"]))


def test_an_answer_comes_whole_and_the_next_job_finds_the_same_console(engine_of: EngineOf) -> None:
    engine = engine_of()
    text = "思考 <think>?\n[User] <<< ===== Performance\n</think>\n你好👋"
    assert answer(submit(engine, says(text))) == text
    assert answer(submit(engine, says("second"))) == "second"
    assert engine.status()["loads"] == 1


def test_waiting_is_shown_and_measured(engine_of: EngineOf) -> None:
    engine = engine_of()
    running = submit(engine, LONG, "running")
    first_text(running)
    waiting = submit(engine, says("at last"), "waiting")
    assert any(event == Waiting("queued", 1) for event in waiting.events(5.0))
    running.close()
    assert answer(waiting) == "at last"
    assert waiting.timing.queued_s > 0
    assert waiting.timing.prompt_tokens == 10


def test_two_engines_share_one_console_and_one_queue(engine_of: EngineOf, tmp_path: Path) -> None:
    engines = [engine_of(), engine_of()]
    jobs = [submit(engines[number % 2], says(f"answer {number}"), f"job-{number}") for number in range(6)]
    assert [answer(job) for job in jobs] == [f"answer {number}" for number in range(6)]
    assert len([process for process in processes(tmp_path) if "bpu.engine.keeper" in command(process)]) == 1
    assert wait_for(lambda: engines[0].status()["state"] == "ready")
    assert engines[0].status()["loads"] == 1


def test_the_slot_is_locked_exactly_while_a_job_runs(engine_of: EngineOf, tmp_path: Path) -> None:
    engine = engine_of()
    job = submit(engine, LONG)
    first_text(job)
    assert try_lock(tmp_path / "slot.lock") is None
    job.close()
    lease = wait_for(lambda: try_lock(tmp_path / "slot.lock"))
    lease.close()


def test_a_job_that_is_closed_frees_the_bpu_for_the_next(engine_of: EngineOf) -> None:
    engine = engine_of()
    left = submit(engine, "[[sim tokens=100000 rate=50]]", "left")
    first_text(left)
    left.close()
    left.close()
    began = time.monotonic()
    assert answer(submit(engine, says("next"), "next")) == "next"
    assert time.monotonic() - began < 10
    with pytest.raises(errors.ClientLeft):
        list(left.events(1.0))


def test_an_answer_that_ends_soon_is_let_run_dry(engine_of: EngineOf) -> None:
    engine = engine_of(options="--load-seconds 2")
    job = submit(engine, "[[sim tokens=12 rate=20]]")
    first_text(job)
    job.close()
    assert answer(submit(engine, says("next"), "next")) == "next"
    assert wait_for(lambda: engine.status()["state"] == "ready")
    assert engine.status()["loads"] == 1


@pytest.mark.parametrize("how", ["fin", "rst", "half-close"])
@pytest.mark.parametrize("phase", ["queued", "prefill", "decode"])
def test_a_client_that_leaves_closes_its_job(engine_of: EngineOf, how: str, phase: str) -> None:
    engine = engine_of()
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server = listener.accept()[0]
    before = submit(engine, LONG, "before") if phase == "queued" else None
    job = submit(engine, "[[sim prefill=60]]" if phase == "prefill" else LONG, client=server)
    if phase == "decode":
        first_text(job)
    elif before is not None:
        first_text(before)
    leave(client, how)
    with pytest.raises(errors.ClientLeft):
        for _ in job.events(5.0):
            pass
    if before is not None:
        before.close()
    assert answer(submit(engine, says("next"), "next")) == "next"
    for sock in (listener, client, server):
        sock.close()


def leave(client: socket.socket, how: str) -> None:
    if how == "half-close":
        client.shutdown(socket.SHUT_WR)
        return
    if how == "rst":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def test_a_client_that_sends_more_is_served_all_the_same(engine_of: EngineOf) -> None:
    engine = engine_of()
    ours, theirs = socket.socketpair()
    job = submit(engine, says("all of it"), client=ours)
    theirs.sendall(b"GET / HTTP/1.1\r\n")
    assert answer(job) == "all of it"
    ours.close()
    theirs.close()


def test_cancelling_by_id_reaches_waiting_and_running_jobs(engine_of: EngineOf) -> None:
    engine, other = engine_of(), engine_of()
    running, waiting = submit(engine, LONG, "running"), submit(engine, LONG, "waiting")
    first_text(running)
    assert other.cancel("waiting")
    assert other.cancel("running")
    for job in (running, waiting):
        with pytest.raises(errors.JobCancelled):
            list(job.events(5.0))
    assert not other.cancel("running")
    assert answer(submit(engine, says("next"), "next")) == "next"


def test_a_full_queue_is_said_at_once(engine_of: EngineOf) -> None:
    engine = engine_of(queue_limit=1)
    running = submit(engine, LONG, "running")
    first_text(running)
    waiting = submit(engine, LONG, "waiting")
    with pytest.raises(errors.QueueFull) as refused:
        submit(engine, LONG, "refused")
    assert refused.value.retry_after is not None
    waiting.close()
    running.close()


def test_a_wait_that_is_too_long_ends(engine_of: EngineOf) -> None:
    engine = engine_of(queue_timeout_s=0.3)
    engine.load()
    wait_for(lambda: engine.status()["state"] == "ready")
    running = submit(engine, LONG, "running")
    first_text(running)
    waiting = submit(engine, LONG, "waiting")
    with pytest.raises(errors.QueueTimeout):
        list(waiting.events(None))
    running.close()


def test_a_time_limit_on_the_whole_job_cuts_it_without_an_error(engine_of: EngineOf) -> None:
    engine = engine_of(job_timeout_s=0.5)
    events = list(submit(engine, "[[sim tokens=100000 rate=50]]").events(5.0))
    assert isinstance(events[-1], Cut)
    assert any(isinstance(event, Text) for event in events)
    assert answer(submit(engine, says("next"), "next")) == "next"


# One model in memory


def test_a_second_gateway_with_another_state_folder_is_told_who_holds_the_model(
    engine_of: EngineOf, tmp_path: Path
) -> None:
    engine = engine_of()
    answer(submit(engine, says("hi")))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # A console's lock is its program file, the same for both; the simulator's is made to be.
    (elsewhere / "simulator.lock").hardlink_to(tmp_path / "simulator.lock")
    other = start_engine(elsewhere)
    with pytest.raises(errors.EngineUnavailable) as refused:
        submit(other, "hi")
    keeper = engine.status()["keeper_pid"]
    assert f"pid {keeper}" in refused.value.message
    assert str(tmp_path) in refused.value.message
    other.stop()


def test_other_settings_are_refused_with_the_keepers_pid(engine_of: EngineOf, tmp_path: Path) -> None:
    engine = engine_of()
    answer(submit(engine, says("hi")))
    other = start_engine(tmp_path, options="--tokens 3")
    with pytest.raises(errors.EngineUnavailable, match=str(engine.status()["keeper_pid"])):
        submit(other, "hi")
    other.stop()


def test_twenty_starts_at_once_make_one_keeper(engine_of: EngineOf, tmp_path: Path) -> None:
    engines = [engine_of() for _ in range(20)]
    wait_for(lambda: all(engine.status()["state"] == "ready" for engine in engines))
    assert len({engine.status()["keeper_pid"] for engine in engines}) == 1
    assert engines[0].status()["loads"] == 1


# Ends


def test_a_killed_keeper_takes_the_console_along_and_waiting_jobs_join_the_next(engine_of: EngineOf) -> None:
    engine = engine_of()
    running = submit(engine, LONG, "running")
    first_text(running)
    waiting = submit(engine, says("served by the next keeper"), "waiting")
    console, keeper = console_of(engine), engine.status()["keeper_pid"]
    os.kill(keeper, signal.SIGKILL)
    with pytest.raises(errors.EngineCrashed):
        list(running.events(5.0))
    assert answer(waiting) == "served by the next keeper"
    assert wait_for(lambda: not console.is_running() or console.status() == psutil.STATUS_ZOMBIE)
    assert wait_for(lambda: engine.status()["keeper_pid"]) != keeper


HOLDER = """
import sys, time
from pathlib import Path
from tests.engine.conftest import start_engine
from bpu.turn import Turn
from bpu.engine import hub
engine = start_engine(Path(sys.argv[1]))
engine.start()
job = engine.submit(Turn(line=b"[[sim tokens=100000 rate=50]]", tokens=5), job_id="theirs")
for event in job.events(5.0):
    if type(event).__name__ == "Text":
        print("talking", flush=True)
        hub.sleep(600)
"""


def test_a_killed_process_loses_its_own_job_and_nobody_elses_place(engine_of: EngineOf, tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"talking\n"
        engine = engine_of()
        waiting = submit(engine, says("mine"), "mine")
        assert any(event == Waiting("queued", 1) for event in waiting.events(5.0))
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert answer(waiting) == "mine"


def test_nothing_is_left_when_all_who_needed_it_are_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"talking\n"
    family = processes(tmp_path)
    assert len(family) >= 2
    holder.kill()
    holder.wait()
    holder.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=12)
    assert [process.pid for process in alive] == []
    lease = try_lock(tmp_path / "simulator.lock")
    assert lease is not None
    lease.close()


def test_unloading_gives_the_memory_back_and_loading_takes_it_again(engine_of: EngineOf) -> None:
    engine = engine_of()
    console = console_of(engine)
    wait_for(lambda: engine.status()["state"] == "ready")
    engine.unload()
    wait_for(lambda: engine.status()["state"] == "stopped")
    assert not console.is_running()
    engine.load()
    wait_for(lambda: engine.status()["state"] == "ready")
    assert engine.status()["loads"] == 2


def test_without_preload_nothing_runs_until_somebody_asks(engine_of: EngineOf) -> None:
    engine = engine_of(preload=False)
    wait_for(lambda: engine.status()["keeper_pid"])
    assert engine.status()["state"] == "stopped"
    assert answer(submit(engine, says("hi"))) == "hi"


def test_one_console_a_job_in_per_job_mode(engine_of: EngineOf) -> None:
    engine = engine_of(engine_mode="per-job")
    assert answer(submit(engine, says("one"))) == "one"
    wait_for(lambda: engine.status()["state"] == "stopped")
    assert answer(submit(engine, says("two"))) == "two"
    assert engine.status()["loads"] == 2


def test_what_a_console_says_of_itself_never_holds_anybodys_words(engine_of: EngineOf) -> None:
    engine = engine_of()
    answer(submit(engine, says("the answer holds PLANTED-SECRET")))
    with pytest.raises(errors.EngineCrashed) as crash:
        list(submit(engine, "PLANTED-SECRET [[sim fault=signal=SEGV after=2]]").events(5.0))
    assert "PLANTED-SECRET" not in crash.value.message
    assert "SIGSEGV" in crash.value.message
    assert "PLANTED-SECRET" not in str(engine.status())


def test_the_console_gets_no_secret_and_no_foreign_descriptor(
    engine_of: EngineOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BPU_API_KEYS", "sk-secret")
    mine = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(mine, True)
    engine = engine_of()
    console = console_of(engine)
    wait_for(lambda: engine.status()["state"] == "ready")
    os.close(mine)
    assert "sk-secret" not in str(console.environ())
    links = [str(path.readlink()) for path in Path(f"/proc/{console.pid}/fd").iterdir()]
    assert sorted(link.split(":")[0] for link in links) == sorted(["pipe"] * 3 + [str(tmp_path / "simulator.lock")])


def test_a_line_of_200_kilobytes_is_written_whole(engine_of: EngineOf) -> None:
    engine = engine_of(console_profile="oellm_multichat", options="--context 100000000")
    line = says("understood") + "x" * 200_000
    assert answer(submit(engine, line)) == "understood"


def test_a_thread_of_plain_python_may_use_the_engine_too(engine_of: EngineOf) -> None:
    engine = engine_of()
    wait_for(lambda: engine.status()["state"] == "ready")
    heard: list[str] = []

    def talk() -> None:
        other = Engine(engine.launch)
        heard.append(answer(submit(other, says("from a thread"), "thread")))
        other.stop()

    thread = threading.Thread(target=talk)
    thread.start()
    wait_for(lambda: not thread.is_alive())
    assert heard == ["from a thread"]
