"""Tests the memory check on files like those of a board's kernel."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bpu.engine.keeper.memory_check import shortage
from tests.unit.engine.rig import launch

GIB = 1 << 30
POOLS = {"ion_reserved": 2 * GIB, "ion_cma": 2 * GIB, "ion_uncache": GIB}


@pytest.fixture
def board(tmp_path: Path) -> Path:
    for name, size in POOLS.items():
        folder = tmp_path / "proc/device-tree/reserved-memory" / f"{name}@0"
        folder.mkdir(parents=True)
        (folder / "reg").write_bytes(struct.pack(">QQ", 1 << 32, size))
    return tmp_path


def hold(board: Path, heap: str, **bytes_by_pid: int) -> None:
    folder = board / "sys/kernel/debug/ion/heaps"
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{'client':>16} {pid.lstrip('p'):>16} {size:>16}\n" for pid, size in bytes_by_pid.items())
    (folder / heap).write_text(rows)


def short(board: Path, need: int, *, own: tuple[int, ...] = (), largest: int = GIB) -> str:
    return shortage(launch(board, need_bytes=need, largest_bytes=largest, sysfs=str(board)), own)


def test_a_model_that_all_pools_together_cannot_hold_is_named_with_figures(board: Path) -> None:
    words = short(board, 5 * GIB)
    assert "5.00 GiB" in words
    assert "4.00 GiB" in words, "the pool of frame buffers holds no model"
    assert short(board, 4 * GIB) == ""


def test_a_need_that_nothing_tells_may_be_tried(board: Path) -> None:
    assert short(board, 0) == ""


def test_a_board_that_shows_no_pools_may_be_tried(tmp_path: Path) -> None:
    assert short(tmp_path, 50 * GIB) == ""


def test_what_others_hold_counts_and_what_the_console_holds_comes_back(board: Path) -> None:
    from bpu.board.readings import HEAP_OF

    hold(board, HEAP_OF["ion_cma"], p41=GIB, p42=GIB)
    assert "of which others hold 2.00 GiB" in short(board, 3 * GIB)
    assert "of which others hold 1.00 GiB" in short(board, 4 * GIB, own=(41,))
    assert short(board, 3 * GIB, own=(41,)) == ""
