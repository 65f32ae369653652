"""The next keeper ends a console that a wrapper script kept alive after its keeper was killed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bpu import errors
from bpu.engine.client.engine import Engine
from bpu.engine.file_locks import try_lock
from bpu.engine.keeper import orphans
from bpu.engine.keeper.orphans import (
    RECORD_NAME,
    end_orphans,
    end_processes,
    lock_holders,
    orphans_of,
    read_process,
    save_console,
    saved_console,
)
from tests.unit.engine.conftest import leave_nothing, start_engine
from tests.unit.engine.jobs import LONG, answer, first_text, says, submit, wait_for

pytestmark = pytest.mark.live

#: How a wrapper may start the console: each leaves a child behind that no signal to the wrapper reaches.
WRAPPERS = {
    "child": '"$@"\n',
    "own-session": 'setsid --wait "$@"\n',
    "background": 'exec 9<&0\n"$@" <&9 &\nwait\n',
    # The inner shell ignores SIGTERM, and so does the console that it becomes.
    # Python's `subprocess` closes inherited descriptors, and with them the lock.
    "without the lock": f'{sys.executable} -c "import subprocess, sys; subprocess.run(sys.argv[1:])" "$@"\n',
    "without the lock, own session": (
        f'{sys.executable} -c "import subprocess, sys; subprocess.run(sys.argv[1:], start_new_session=True)" "$@"\n'
    ),
    "stubborn": 'sh -c \'trap "" TERM; exec "$@"\' console "$@"\n',
}


@pytest.fixture
def wrapped(tmp_path: Path) -> Iterator[Callable[[str], Engine]]:
    """Start an engine whose console is a child of a shell script."""
    engines: list[Engine] = []

    def begin(how: str) -> Engine:
        script = tmp_path / "wrapper.sh"
        script.write_text(WRAPPERS[how] + "true\n")
        plain = start_engine(tmp_path)
        engine = Engine(dataclasses.replace(plain.launch, argv=("sh", str(script), *plain.launch.argv)))
        engines.append(engine)
        engine.start()
        return engine

    yield begin
    for engine in engines:
        engine.stop()
    leave_nothing(tmp_path)


def consoles_of(pid: int) -> list[psutil.Process]:
    """The real consoles below the keeper `pid`."""
    family = psutil.Process(pid).children(recursive=True)
    return [process for process in family if "bpu.simulator" in process.cmdline() and "python" in process.name()]


@pytest.mark.parametrize("how", sorted(WRAPPERS))
def test_9_the_next_keeper_ends_the_orphan_and_serves(wrapped: Callable[[str], Engine], how: str) -> None:
    engine = wrapped(how)
    assert answer(submit(engine, says("before"))) == "before"
    running = submit(engine, LONG, "running")
    first_text(running)
    keeper = engine.status()["keeper_pid"]
    orphan = consoles_of(keeper)[-1]  # behind the wrapper
    if "without the lock" in how:
        orphan.suspend()  # one that hangs: else it ends by itself with its input
    os.kill(keeper, signal.SIGKILL)
    with pytest.raises(errors.EngineCrashed):
        list(running.events(5.0))
    assert answer(submit(engine, says("after"), "after")) == "after"
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert engine.status()["keeper_pid"] != keeper


SLEEPER = "import sys; print('up', flush=True); sys.stdin.read()"
TAKER = """
import sys
from pathlib import Path
from bpu.engine.file_locks import try_lock
lock = try_lock(Path(sys.argv[1]), create=True)
print('up', flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start_process() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(code: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", code, *arguments]
        process: subprocess.Popen[bytes] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_9_a_program_that_has_taken_the_lock_itself_is_no_orphan(
    tmp_path: Path, start_process: Callable[..., subprocess.Popen[bytes]]
) -> None:
    engine = start_engine(tmp_path)
    lock = Path(engine.launch.lock_path)
    taker = start_process(TAKER, str(lock), start_new_session=True)
    with pytest.raises(errors.EngineUnavailable, match=f"pid {taker.pid}"):
        submit(engine, "hi")
    assert [holder.process.pid for holder in lock_holders(lock)] == [taker.pid]
    assert taker.poll() is None
    engine.stop()


def test_9_a_process_that_has_only_opened_the_file_is_left_alone(
    tmp_path: Path, start_process: Callable[..., subprocess.Popen[bytes]]
) -> None:
    lock = tmp_path / "engine.lock"
    lock.touch()
    fd = os.open(lock, os.O_RDONLY)
    reader = start_process(SLEEPER, pass_fds=(fd,), start_new_session=True)
    os.close(fd)
    assert (lock_holders(lock), end_orphans(lock)) == ([], [])
    assert reader.poll() is None


def test_9_the_children_of_a_living_holder_are_no_orphans(
    tmp_path: Path, start_process: Callable[..., subprocess.Popen[bytes]]
) -> None:
    lock = tmp_path / "engine.lock"
    held = try_lock(lock, create=True)
    assert held is not None
    child = start_process(SLEEPER, pass_fds=(held.fd,), start_new_session=True)
    assert {holder.process.pid for holder in lock_holders(lock)} == {os.getpid(), child.pid}
    assert orphans_of(lock) == []
    held.close()
    assert [process.pid for process in orphans_of(lock)] == [child.pid], "the holder has let go; its child has not"


def test_9_only_the_very_processes_that_were_saved_are_ended(
    tmp_path: Path, start_process: Callable[..., subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper, other = start_process(SLEEPER), start_process(SLEEPER)
    save_console(tmp_path, sleeper.pid)
    assert [process.pid for process in saved_console(tmp_path)] == [sleeper.pid]
    record = tmp_path / RECORD_NAME
    saved = record.read_text()
    started = json.loads(saved)["processes"][0]["started"]
    for wrong in ("", "[]", "{", '{"boot": 1}', saved.replace(str(started), str(started - 1)), saved[:-2]):
        record.write_text(wrong)
        assert saved_console(tmp_path) == []
    record.write_text(json.dumps({**json.loads(saved), "processes": [{"pid": "\0", "started": 1, "session": 1}]}))
    assert saved_console(tmp_path) == []
    record.unlink()
    os.mkfifo(record)  # nothing writes into it, so reading it would never end
    assert saved_console(tmp_path) == []
    record.unlink()
    record.write_text(saved)
    with monkeypatch.context() as patched:
        patched.setattr(orphans, "_BOOT_ID", tmp_path / "of another boot")
        (tmp_path / "of another boot").write_text("x")
        assert saved_console(tmp_path) == []
    assert end_processes(lambda: saved_console(tmp_path)) == [sleeper.pid]
    assert (sleeper.wait(10), other.poll()) == (-signal.SIGTERM, None)


def test_9_a_process_is_known_by_its_start_time_as_well(start_process: Callable[..., subprocess.Popen[bytes]]) -> None:
    sleeper = start_process(SLEEPER)
    process = read_process(sleeper.pid)
    assert process is not None
    assert process.is_alive
    earlier = dataclasses.replace(process, started=process.started - 1)
    assert not earlier.is_alive
    earlier.signal(signal.SIGKILL)
    process.signal(signal.SIGTERM)
    wait_for(lambda: not process.is_alive)
    assert sleeper.wait(10) == -signal.SIGTERM
