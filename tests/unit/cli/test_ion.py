"""`ion`: what is shown, asked and changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpu.cli import main
from tests.unit.board.device import Board


@pytest.fixture
def board(tmp_path: Path) -> Board:
    made = Board(tmp_path)
    made.boots()
    return made


def ion(board: Board, *words: str, typed: str = "", lang: str = "C.UTF-8") -> Result:
    places = ["--boot-dir", str(board.boot), "--sysfs", str(board.root)]
    return CliRunner().invoke(main, ["ion", *words, *places], input=typed, env={"LC_ALL": lang})


def test_show_draws_the_map_and_names_the_modes(board: Board) -> None:
    shown = ion(board, "show")
    assert shown.exit_code == 0
    assert "D-Robotics RDK S100 V1P1" in shown.output
    assert "0x4_4000_0000  ##" in shown.output
    assert "Pools: 2 GiB in all, the largest 1 GiB." in shown.output
    assert "3.75 GiB  ion_reserved 1 GiB, ion_carveout 2.25 GiB, ion_cma 512 MiB" in shown.output


def test_plan_shows_the_difference_and_changes_nothing(board: Board) -> None:
    before = board.tree.read_bytes()
    shown = ion(board, "plan", "bpu_first")
    assert "- ion_carveout      512 MiB  @ 0x4_4000_0000\n+ ion_carveout     2.25 GiB" in shown.output
    assert "all pools: 2 GiB -> 3.75 GiB" in shown.output
    assert "nothing was changed" in shown.output
    assert board.tree.read_bytes() == before
    assert sorted(path.name for path in board.tree.parent.iterdir()) == [board.tree.name]


def test_plan_warns_of_a_model_that_fits_no_pool(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    model = board.file("model.hbm", b"")
    with model.open("wb") as file:
        file.truncate(3 << 30)
    monkeypatch.setenv("BPU_HBM_PATH", str(model))
    assert "larger than the largest of these pools (2.25 GiB)" in ion(board, "plan", "bpu_first").output


@pytest.mark.parametrize("typed", ["", "y\n", "no\n", "\n"])
def test_apply_wants_the_whole_word(board: Board, typed: str) -> None:
    before = board.tree.read_bytes()
    shown = ion(board, "apply", "bpu_first", typed=typed)
    assert shown.exit_code == 1
    assert board.tree.read_bytes() == before


def test_apply_and_restore_go_there_and_back(board: Board) -> None:
    before = board.tree.read_bytes()
    shown = ion(board, "apply", "bpu_first", typed="yes\n")
    assert shown.exit_code == 0, shown.output
    assert "Safe copy made and verified" in shown.output
    assert "If the screen stays black" in shown.output
    assert f"{board.tree.name}.SUPER_SAFE" in shown.output
    assert board.tree.read_bytes() != before
    assert "restart the board to use these" in ion(board, "show").output
    assert "nothing to do" in ion(board, "apply", "bpu_first", "--yes").output
    assert ion(board, "restore", typed="no\n").exit_code == 1
    assert ion(board, "restore", "--yes").exit_code == 0
    assert board.tree.read_bytes() == before


def test_the_vendors_switch_is_offered_first(board: Board) -> None:
    board.file("usr/hobot/bin/hb_switch_ion.sh", f'echo "vendor $1" > {board.root}/called\n')
    before = board.tree.read_bytes()
    shown = ion(board, "apply", "bpu_first", typed="y\n")
    assert "vendor's own switch" in shown.output
    assert (board.root / "called").read_text() == "vendor bpu_first\n"
    assert board.tree.read_bytes() == before
    # Refused, it is our turn; sizes of one's own are nothing that it knows; --yes asks nothing.
    shown = ion(board, "apply", "ion_carveout=1G", typed="yes\n")
    assert "vendor's own switch" not in shown.output
    (board.root / "called").unlink()
    assert ion(board, "apply", "bpu_first", typed="n\nyes\n").exit_code == 0
    assert ion(board, "apply", "balanced", "--yes").exit_code == 0
    assert not (board.root / "called").exists()
    assert ion(board, "apply", "cpu_first", "--vendor", "--yes").exit_code == 0
    assert (board.root / "called").exists()


def test_the_vendors_switch_that_fails_or_is_not_there(board: Board) -> None:
    assert "not on this system" in ion(board, "apply", "bpu_first", "--vendor", "--yes").output
    board.file("usr/hobot/bin/hb_switch_ion.sh", "echo unknown board >&2; exit 3\n")
    shown = ion(board, "apply", "bpu_first", "--vendor", "--yes")
    assert "unknown board" in shown.output
    assert shown.exit_code == 3


def test_the_real_boot_needs_root(monkeypatch: pytest.MonkeyPatch, board: Board) -> None:
    monkeypatch.setattr("bpu.cli.ion.BOOT", board.boot.resolve())
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    shown = ion(board, "apply", "bpu_first", "--yes")
    assert "needs root" in shown.output
    assert "sudo" in shown.output
    assert shown.exit_code == 3


def test_a_write_that_fails_is_a_sentence(board: Board) -> None:
    board.tree.with_name(f".{board.tree.name}.{os.getpid()}.new").mkdir()
    shown = ion(board, "apply", "bpu_first", "--yes")
    assert "A file could not be written or read" in shown.output
    assert "Traceback" not in shown.output


@pytest.mark.parametrize("pool_request", ["much", "carveout=much", "carveout=5M", "nothing=1G"])
def test_a_pool_request_that_cannot_be_read_is_a_usage_error(board: Board, pool_request: str) -> None:
    shown = ion(board, "plan", pool_request)
    assert shown.exit_code == 2
    assert "Error: " in shown.output
    assert ion(board, "plan", "carveout=20G").exit_code == 3


def test_chinese_is_spoken_throughout(board: Board) -> None:
    shown = ion(board, "plan", "bpu_first", lang="zh_CN.UTF-8")
    assert "下次启动时的内存布局" in shown.output
    assert "未做任何改动" in shown.output


def test_a_machine_without_a_board_is_reported(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["ion", "show", "--boot-dir", str(tmp_path)], env={"LC_ALL": "C"})
    assert "Name the folder of the boot files with --boot-dir" in result.output
    assert result.exit_code == 3
