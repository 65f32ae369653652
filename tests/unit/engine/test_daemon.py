"""Only one model is loaded for all processes, and nothing of it is left after the last one."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from bpu import errors
from bpu.engine import protocol
from bpu.engine.client.engine import Engine
from bpu.engine.file_locks import try_lock
from bpu.engine.keeper.daemon import LIFELINE_GRACE_S, _is_served
from bpu.turn import Progress
from tests.unit.engine.conftest import processes, start_engine
from tests.unit.engine.jobs import LONG, EngineOf, answer, console_of, first_text, says, submit, wait_for

pytestmark = pytest.mark.live


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


def test_a_job_that_has_lost_a_keeper_still_hears_why_its_console_ended(engine_of: EngineOf) -> None:
    engine = engine_of()
    running = submit(engine, LONG, "running")
    first_text(running)
    waiting = submit(engine, "[[sim fault=exit=3@decode after=3]]", "waiting")
    os.kill(engine.status()["keeper_pid"], signal.SIGKILL)
    with pytest.raises(errors.EngineCrashed, match="exit code 3"):
        list(waiting.events(5.0))


HOLDER = """
import sys, time
from pathlib import Path
from tests.unit.engine.conftest import start_engine
from bpu.turn import Turn
from bpu import gevent_io
engine = start_engine(Path(sys.argv[1]))
engine.start()
job = engine.submit(Turn(line=b"[[sim tokens=100000 rate=50]]", tokens=5), job_id="theirs")
for event in job.events(5.0):
    if type(event).__name__ == "Text":
        print("talking", flush=True)
        gevent_io.sleep(600)
"""


def test_a_killed_process_loses_its_own_job_and_nobody_elses_place(engine_of: EngineOf, tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"talking\n"
        engine = engine_of()
        waiting = submit(engine, says("mine"), "mine")
        assert any(event == Progress("queued", 1) for event in waiting.events(5.0))
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
    _, alive = psutil.wait_procs(family, timeout=LIFELINE_GRACE_S + 15)
    assert [process.pid for process in alive] == []
    lock = try_lock(tmp_path / "simulator.lock")
    assert lock is not None
    lock.close()


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


def test_9_a_keeper_with_a_full_backlog_is_known_to_be_there(tmp_path: Path) -> None:
    listener = protocol.listen(tmp_path)
    listener.listen(0)
    waiting = []
    try:
        with contextlib.suppress(BlockingIOError):
            while (sock := protocol.connect(tmp_path)) is not None:
                waiting.append(sock)
        assert waiting
        assert _is_served(tmp_path)
    finally:
        for sock in [*waiting, listener]:
            sock.close()
    assert not _is_served(tmp_path), "no process listens at its socket any more"


def test_9_a_want_of_descriptors_is_not_taken_for_a_keeper(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="open files"):
            _is_served(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
