"""`ion` where the boot loader reads `config.txt`, and where both ways were used."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpu.cli import main
from tests.support import sdks
from tests.unit.board.device import Board

LARGE = "ion=ion_reserved_size=0xf0000000\nion=ion_carveout_size=0xf0000000\nion=ion_cma_size=0x40000000\n"


@pytest.fixture
def board(tmp_path: Path) -> Board:
    made = Board(tmp_path)
    made.boots()
    made.file("boot/config.txt", "")
    return made


def ion(board: Board, *words: str, typed: str = "", env: dict[str, str] | None = None) -> Result:
    places = ["--boot-dir", str(board.boot), "--sysfs", str(board.root)]
    return CliRunner().invoke(main, ["ion", *words, *places], input=typed, env={"LC_ALL": "C.UTF-8", **(env or {})})


def text(board: Board) -> str:
    return (board.boot / "config.txt").read_text()


def test_the_file_is_changed_and_not_the_tree_and_both_come_back(board: Board) -> None:
    tree = board.tree.read_bytes()
    assert "sets no pools" in ion(board, "show").output
    planned = ion(board, "plan", "bpu_large").output
    assert "+ ion_carveout     3.75 GiB" in planned
    assert "all pools: 2 GiB -> 8.5 GiB" in planned
    assert "Linux keeps" in planned
    assert "slot" in planned
    assert text(board) == ""
    assert ion(board, "apply", "bpu_large", typed="no\n").exit_code == 1
    done = ion(board, "apply", "bpu_large", typed="yes\n")
    assert done.exit_code == 0, done.output
    assert text(board) == LARGE
    assert board.tree.read_bytes() == tree
    shown = ion(board, "show").output
    assert "These win over the device tree" in shown
    assert "If they stay after a restart" in shown
    assert "nothing to do" in ion(board, "apply", "bpu_large", "--yes").output
    assert ion(board, "apply", "default", "--yes").exit_code == 0
    assert ion(board, "restore", "--yes").exit_code == 0
    assert text(board) == ""
    assert not list(board.boot.glob("config.txt.*"))


def test_both_at_once_are_reported_with_the_one_that_wins(board: Board) -> None:
    assert ion(board, "apply", "bpu_first", "--via", "tree", "--yes").exit_code == 0
    done = ion(board, "apply", "bpu_large", "--yes").output
    assert "config.txt wins" in done
    assert "config.txt wins" in ion(board, "show").output
    assert ion(board, "restore", "--via", "config", "--yes").exit_code == 0
    assert "config.txt wins" not in ion(board, "show").output
    assert ion(board, "restore", "--yes").exit_code == 0
    assert ion(board, "plan", "bpu_first", "--via", "tree").exit_code == 0


def test_a_mode_that_cannot_hold_the_served_model_is_refused(board: Board, tmp_path: Path) -> None:
    hbm = sdks.model(tmp_path / "m" / "DeepSeek_R1_Distill_Qwen_7B_1024.hbm", 7_928_846_896)
    env = {"BPU_HBM_PATH": str(hbm)}
    refused = ion(board, "apply", "bpu_first", "--yes", env=env)
    assert refused.exit_code == 2
    assert "bpu_first is too small for the served model, which needs 7.38 GiB" in refused.output
    assert text(board) == ""
    # All pools together hold it: the vendor gives these sizes for 7B, and no pool holds it alone.
    done = ion(board, "apply", "bpu_large", "--yes", env=env)
    assert done.exit_code == 0
    assert "may not load" in done.output


def test_a_mode_without_a_pool_for_the_weights_is_refused_where_another_has_one(board: Board, tmp_path: Path) -> None:
    """MiniCPM5 needs 2.9 GB in one piece: all pools of bpu_first together are larger, and none of them is."""
    env = {"BPU_HBM_PATH": str(sdks.model(tmp_path / "m" / "minicpm5-2b_ctx4096_s100.hbm"))}
    refused = ion(board, "apply", "bpu_first", "--yes", env=env)
    assert refused.exit_code == 2
    assert "bpu_large has one that does" in refused.output
    assert text(board) == ""
    assert ion(board, "apply", "bpu_large", "--yes", env=env).exit_code == 0
    sizes = ("ion_carveout=2304M", "ion_reserved=1G", "ion_cma=512M")
    assert ion(board, "apply", *sizes, "--yes", env=env).exit_code == 0, "explicit sizes are the person's own"


@pytest.mark.parametrize(
    ("pool_request", "said"),
    [
        ("carveout=1G", "There is no pool carveout"),
        ("ion_uncache=1G", "There is no pool ion_uncache"),
        ("ion_cma=5M", "must be a multiple"),
        ("ion_cma=100G", "less than the 1 GiB that it needs"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(board: Board, pool_request: str, said: str) -> None:
    done = ion(board, "apply", pool_request, "--yes")
    assert done.exit_code in (2, 3)
    assert said in done.output
    assert text(board) == ""


def test_an_s600_uses_its_device_tree_though_the_file_is_there(tmp_path: Path) -> None:
    made = Board(tmp_path, "s600")
    made.boots()
    made.file("boot/config.txt", "")
    assert ion(made, "apply", "balanced", "--yes").exit_code == 0
    assert text(made) == ""
    assert "not documented for this board" in ion(made, "apply", "balanced", "--via", "config", "--yes").output
    assert "has no mode bpu_large" in ion(made, "plan", "bpu_large").output


def test_crlf_lines_are_reported_and_rewritten(board: Board) -> None:
    (board.boot / "config.txt").write_bytes(b"a=b\r\nion=ion_cma_size=0x20000000\r\n")
    assert "end in CR LF" in ion(board, "show").output
    assert ion(board, "apply", "ion_cma=512M", "--yes").exit_code == 0
    assert (board.boot / "config.txt").read_bytes() == b"a=b\r\nion=ion_cma_size=0x20000000\n"
    assert "end in CR LF" not in ion(board, "show").output
    assert ion(board, "restore", "--yes").exit_code == 0
    assert (board.boot / "config.txt").read_bytes() == b"a=b\r\nion=ion_cma_size=0x20000000\r\n"


def test_a_broken_table_of_models_does_not_block_the_pools(board: Board, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text("model = 3\n")
    env = {"BPU_MODELS_FILE": str(tmp_path / "models.toml")}
    assert ion(board, "show", env=env).exit_code == 0
    assert ion(board, "apply", "bpu_large", "--yes", env=env).exit_code == 0
    assert ion(board, "restore", "--yes", env=env).exit_code == 0


def test_without_a_copy_there_is_nothing_to_restore(board: Board) -> None:
    assert "no safe copy" in ion(board, "restore", "--via", "config", "--yes").output
    assert ion(board, "restore", "--yes").exit_code == 3


def test_the_real_boot_needs_root(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpu.cli.ion.BOOT", board.boot.resolve())
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    done = ion(board, "apply", "bpu_large", "--yes")
    assert "needs root" in done.output
    assert text(board) == ""
