"""`reclaim`: a dry run without `--yes`, and a table of before and after."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpu.board.sizes import MIB
from bpu.cli import main
from tests.unit.board.test_reclaim import CONSOLE, Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("BPU_CONSOLE", CONSOLE)
    made = Machine(tmp_path / "board")
    made.boots()
    made.file("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 6000000 kB\n")
    made.start(1, 0, "systemd")
    made.start(40, 1, "xlm_demo", exe=CONSOLE, stdin="/dev/null")
    made.start(60, 1, "ros_node", stdin="/dev/null")
    made.pool_used("carveout", [("ros_node", 60, 300 * MIB), ("xlm_demo", 40, 9 * MIB)])
    return made


def reclaim(*words: str, lang: str = "C.UTF-8") -> Result:
    return CliRunner().invoke(main, ["reclaim", *words], env={"LC_ALL": lang})


def test_it_says_what_it_would_do_and_does_nothing(machine: Machine) -> None:
    shown = reclaim("--sysfs", str(machine.root))
    assert shown.exit_code == 0
    assert "xlm_demo (pid 40, root, systemd 1)  9 MiB  orphaned" in shown.output
    assert "ros_node (pid 60, root, systemd 1)  300 MiB  in use; --pid 60 ends it" in shown.output
    assert "ion_carveout        309 MiB      512 MiB" in shown.output
    assert "Would end: xlm_demo (pid 40" in shown.output
    assert "Would end: ros_node" not in shown.output
    assert "Nothing was done." in shown.output
    asked = reclaim("--sysfs", str(machine.root), "--pid", "60", "--drop-caches").output
    assert "Would end: ros_node (pid 60" in asked
    assert "Would write all data to disk" in asked


def test_nothing_is_ended_elsewhere(machine: Machine) -> None:
    shown = reclaim("--sysfs", str(machine.root), "--yes")
    assert shown.exit_code == 3
    assert "another system" in shown.output


def test_what_only_root_may_see_is_said(machine: Machine) -> None:
    (machine.root / "sys/kernel/debug/ion/heaps/carveout").unlink()
    assert "run it with sudo" in reclaim("--sysfs", str(machine.root)).output


def test_a_console_is_ended_by_its_number_and_the_table_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "xlm_demo"
    shutil.copy("/bin/sleep", program)
    monkeypatch.setenv("BPU_CONSOLE", str(program))
    with subprocess.Popen([program, "60"]) as started:
        try:
            assert "There is nothing to end." in reclaim("--yes").output
            assert started.poll() is None
            shown = reclaim("--pid", str(started.pid), "--yes")
            assert shown.exit_code == 0, shown.output
            assert f"Ended: xlm_demo (pid {started.pid}" in shown.output
            assert "before" in shown.output
            assert started.wait(5) == -15
        finally:
            started.kill()


def test_a_number_that_is_no_candidate_is_refused_in_both_languages() -> None:
    shown = reclaim("--pid", "1", "--yes")
    assert (shown.exit_code, "is not touched" in shown.output) == (3, True)
    assert "不会动它" in reclaim("--pid", "1", "--yes", lang="zh_CN.UTF-8").output
