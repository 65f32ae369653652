"""Freeing memory: which processes are orphaned, which are never ended, and how one is ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bpu.board.errors import BoardError
from bpu.board.processes import process
from bpu.board.reclaim import Ownership, candidates, choose, drop_caches, end_process, wait_until_stable
from bpu.board.sizes import MIB
from tests.support.waits import until
from tests.unit.board.device import Board

CONSOLE = "/sdk/runtime/bin/xlm_demo"


class Machine(Board):
    """A board with processes."""

    def start(
        self, pid: int, parent: int, name: str, *, exe: str = "/x", command: str = "", stdin: str = "", tty: int = 0
    ) -> None:
        self.file(f"proc/{pid}/stat", f"{pid} ({name}) S {parent} {pid} {pid} {tty} -1 4194304")
        self.file(f"proc/{pid}/comm", f"{name}\n")
        self.file(f"proc/{pid}/cmdline", (command or name).replace(" ", "\0") + "\0")
        (self.root / f"proc/{pid}/exe").symlink_to(exe)
        (self.root / f"proc/{pid}/fd").mkdir()
        if stdin:
            self.opens(pid, 0, stdin, os.O_RDONLY)

    def opens(self, pid: int, number: int, what: str, flags: int) -> None:
        (self.root / f"proc/{pid}/fd/{number}").symlink_to(what)
        self.file(f"proc/{pid}/fdinfo/{number}", f"pos:\t0\nflags:\t0{flags:o}\nmnt_id:\t1\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.boots()
    made.start(1, 0, "systemd")
    made.start(20, 1, "bash", tty=34816)
    made.start(30, 1, "python3", command="python3 -S -m bpu.engine.keeper")
    return made


def ownership(machine: Machine, pid: int) -> Ownership:
    return {one.process.pid: one.ownership for one in candidates(Path(CONSOLE), machine.root)}[pid]


def test_a_process_without_parent_and_writer_is_orphaned(machine: Machine) -> None:
    machine.start(40, 1, "xlm_demo", exe=CONSOLE, stdin="pipe:[77]")
    assert ownership(machine, 40) is Ownership.ORPHANED
    machine.start(41, 1, "xlm_demo", exe=CONSOLE, stdin="/dev/null")
    assert ownership(machine, 41) is Ownership.ORPHANED


def test_the_consoles_of_all_models_are_looked_at(machine: Machine) -> None:
    other = "/sdk2/oellm_runtime/examples/llm_demo/llm"
    machine.start(40, 1, "xlm_demo", exe=CONSOLE, stdin="/dev/null")
    machine.start(41, 1, "llm", exe=other, stdin="/dev/null")
    machine.start(42, 1, "vlm", exe="/elsewhere/vlm", stdin="/dev/null")
    found = candidates({Path(CONSOLE), Path(other)}, machine.root)
    assert sorted(one.process.pid for one in found) == [40, 41]


def test_a_process_that_can_still_write_to_it_owns_it(machine: Machine) -> None:
    machine.start(40, 1, "xlm_demo", exe=CONSOLE, stdin="pipe:[77]")
    machine.start(50, 1, "somebody")
    machine.opens(50, 9, "pipe:[77]", os.O_RDONLY)
    assert ownership(machine, 40) is Ownership.ORPHANED
    machine.opens(50, 10, "pipe:[77]", os.O_WRONLY)
    assert ownership(machine, 40) is Ownership.OWNED


@pytest.mark.parametrize(
    ("parent", "stdin", "tty", "wanted"),
    [
        (20, "/dev/pts/0", 34816, Ownership.OWNED),
        (20, "/dev/null", 0, Ownership.OWNED),
        (1, "/dev/pts/0", 34816, Ownership.OWNED),
        (1, "socket:[5]", 0, Ownership.OWNED),
        (1, "", 0, Ownership.OWNED),
        (1, "/dev/pts/7 (deleted)", 0, Ownership.ORPHANED),
        (30, "/dev/null", 0, Ownership.SERVING),
    ],
)
def test_standing(machine: Machine, parent: int, stdin: str, tty: int, wanted: Ownership) -> None:
    machine.start(40, parent, "xlm_demo", exe=CONSOLE, stdin=stdin, tty=tty)
    assert ownership(machine, 40) is wanted


def test_the_same_name_of_another_program_is_no_console(machine: Machine) -> None:
    machine.start(40, 1, "xlm_demo", exe="/home/me/other/xlm_demo", stdin="/dev/null")
    assert candidates(Path(CONSOLE), machine.root) == []


def test_other_holders_of_the_bpus_memory_are_named_and_kept(machine: Machine) -> None:
    machine.start(60, 1, "ros_node", stdin="/dev/null")
    machine.start(40, 1, "xlm_demo", exe=CONSOLE, stdin="/dev/null")
    machine.pool_used("carveout", [("ros_node", 60, 300 * MIB), ("xlm_demo", 40, 9 * MIB)])
    found = candidates(Path(CONSOLE), machine.root)
    assert [(one.process.pid, one.ownership, one.held) for one in found] == [
        (40, Ownership.ORPHANED, 9 * MIB),
        (60, Ownership.OWNED, 300 * MIB),
    ]
    assert [one.process.pid for one in choose(found, [])] == [40]
    assert [one.process.pid for one in choose(found, [60])] == [40, 60]


def test_numbers_that_may_not_be_ended(machine: Machine) -> None:
    machine.start(40, 30, "xlm_demo", exe=CONSOLE, stdin="pipe:[7]")
    machine.start(41, 1, "sshd")
    found = candidates(Path(CONSOLE), machine.root)
    assert choose(found, []) == []
    with pytest.raises(BoardError, match="serves a gateway"):
        choose(found, [40])
    with pytest.raises(BoardError, match="neither a console"):
        choose(found, [41])


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real process of a program file of our own."""
    program = tmp_path / "xlm_demo"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as started:
        yield started
        started.kill()


def test_a_real_process_is_ended(sleeper: subprocess.Popen[bytes]) -> None:
    one = process(sleeper.pid)
    assert one is not None
    assert end_process(one)
    assert sleeper.wait(5) == -15
    assert not end_process(one)


def test_a_number_that_another_program_has_by_now_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    one = process(sleeper.pid)
    assert one is not None
    assert not end_process(replace(one, exe="/sdk/runtime/bin/xlm_demo"))
    assert sleeper.poll() is None


def test_one_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    code = "import signal,sys,time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        one = process(started.pid)
        assert one is not None
        assert end_process(one, term_s=0.2)
        assert started.wait(5) == -9


def test_caches_are_written_out_before_they_are_dropped(tmp_path: Path) -> None:
    board = Board(tmp_path)
    path = board.file("proc/sys/vm/drop_caches", "0\n")
    seen: list[str] = []
    drop_caches(board.root, sync=lambda: seen.append(path.read_text()))
    assert (seen, path.read_text()) == (["0\n"], "3\n")
    with pytest.raises(BoardError, match="needs root"):
        drop_caches(tmp_path / "nowhere", sync=lambda: None)


def test_the_table_waits_until_the_kernel_has_given_back(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.boots()
    left = [300, 200, 100, 0, 0, 0]
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        board.pool_used("carveout", [("x", 1, left.pop(0) * MIB)])

    board.pool_used("carveout", [("x", 1, 400 * MIB)])
    rows = {row["name"]: row["used"] for row in wait_until_stable(board.root, clock=lambda: now[0], sleep=sleep)}
    assert rows["ion_carveout"] == 0
    left = [5, 4, 3, 2, 1] * 9
    now = [0.0]
    wait_until_stable(board.root, seconds=1.0, clock=lambda: now[0], sleep=sleep)
    assert now[0] <= 1.3


def test_a_real_orphan_is_found_by_its_file(tmp_path: Path) -> None:
    """The process is an orphan without a writer of its input: the process that started it has ended."""
    program = tmp_path / "xlm_demo"
    shutil.copy("/bin/sleep", program)
    options = "start_new_session=True, stdin=-1, stdout=-3, stderr=-3"
    code = f"import subprocess; print(subprocess.Popen([{str(program)!r}, '60'], {options}).pid)"
    pid = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=30).stdout)
    try:
        (one,) = until(lambda: candidates(program), seconds=10)
        assert one.process.pid == pid
        assert one.process.exe == str(program)
        if one.process.parent_pid == 1 and os.geteuid() == 0:
            assert one.ownership is Ownership.ORPHANED
        assert end_process(one.process)
    finally:
        still = process(pid)
        if still is not None and still.exe == str(program):
            end_process(still)
