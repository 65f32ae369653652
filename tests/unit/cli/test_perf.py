"""`perf`: on, off, status."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpu.cli import main
from tests.unit.board.device import Board


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    monkeypatch.setenv("BPU_STATE_DIR", str(tmp_path / "state"))
    made = Board(tmp_path)
    made.file("sys/class/devfreq/bpu0/governor", "simple_ondemand\n")
    made.file("sys/class/devfreq/bpu0/cur_freq", "500000000\n")
    made.file("sys/class/devfreq/bpu0/max_freq", "1500000000\n")
    return made


def perf(board: Board, *words: str) -> Result:
    return CliRunner().invoke(main, ["perf", *words, "--sysfs", str(board.root)], env={"LC_ALL": "C"})


def test_on_status_off(board: Board) -> None:
    assert "simple_ondemand" in perf(board, "status").output
    assert "500 MHz of 1500 MHz" in perf(board, "status").output
    assert "bpu0: governor performance" in perf(board, "on").output
    assert "Switched on by this program" in perf(board, "status").output
    assert "bpu0: governor simple_ondemand" in perf(board, "off").output
    assert perf(board, "off").exit_code == 3
    # With nothing to set it says so much.
    perf(board, "on")
    board.file("sys/class/devfreq/bpu0/governor", "simple_ondemand\n")
    assert perf(board, "off").output == "All is as it was before.\n"


def test_without_root_the_sudo_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for word in ("on", "off"):
        result = CliRunner().invoke(main, ["perf", word], env={"LC_ALL": "C"})
        assert re.search(rf"Run: sudo \S.*bpu perf {word}$", result.output, re.M)
        assert result.exit_code == 3


def test_a_machine_without_governors_is_reported(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["perf", "status", "--sysfs", str(tmp_path)], env={"LC_ALL": "C"})
    assert "shows no governors" in result.output
    assert result.exit_code == 0
