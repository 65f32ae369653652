"""What the board tells of itself, on a board, on a PC, and where the files are nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpu.board.readings import heap_rows, readings
from bpu.board.sensors import Sensors
from bpu.board.sizes import GIB, MIB
from tests.unit.board.device import Board

MEMINFO = "MemTotal: 10485760 kB\nMemFree: 1 kB\nMemAvailable:  8388608 kB\nCmaTotal: {cma} kB\nCmaFree: {free} kB\n"


@pytest.fixture
def board(tmp_path: Path) -> Board:
    made = Board(tmp_path)
    made.boots()
    made.file("proc/meminfo", MEMINFO.format(cma=0, free=0))
    made.pool_used("carveout", [("xlm_demo", 812, 400 * MIB), ("hobot node", 90, 12 * MIB)])
    made.pool_used("cma_reserved", [])
    made.file("sys/devices/system/bpu/bpu0/ratio", "37\n")
    made.file("sys/class/thermal/thermal_zone0/type", "bpu\n")
    made.file("sys/class/thermal/thermal_zone0/temp", "54321\n")
    return made


def test_a_board_tells_pools_memory_load_and_temperature(board: Board) -> None:
    assert readings(board.root) == {
        "memory": [
            {"name": "RAM", "used": 2 * GIB, "total": 10 * GIB},
            # CmaTotal reads 0 on boards that have plenty, so it is left out.
            {"name": "ion_carveout", "used": 412 * MIB, "total": 512 * MIB},
            {"name": "ion_cma", "used": None, "total": 512 * MIB},
            {"name": "ion_reserved", "used": 0, "total": GIB},
        ],
        "bpu_percent": [37],
        "temperatures": [{"name": "bpu", "celsius": 54}],
    }


def test_cma_is_read_from_the_kernel(board: Board) -> None:
    board.file("proc/meminfo", MEMINFO.format(cma=1024, free=256))
    assert {"name": "CMA", "used": 768 * 1024, "total": 1024 * 1024} in readings(board.root)["memory"]


def test_several_cores_and_one_ratio_for_all(board: Board) -> None:
    board.file("sys/devices/system/bpu/bpu1/ratio", "5\n")
    assert readings(board.root)["bpu_percent"] == [37, 5]
    for core in ("bpu0", "bpu1"):
        (board.root / f"sys/devices/system/bpu/{core}/ratio").unlink()
        (board.root / f"sys/devices/system/bpu/{core}").rmdir()
    board.file("sys/devices/system/bpu/ratio", "12")
    assert readings(board.root)["bpu_percent"] == [12]


def test_missing_files_give_empty_readings(tmp_path: Path) -> None:
    assert readings(tmp_path) == {"memory": [], "bpu_percent": [], "temperatures": []}
    assert [memory["name"] for memory in readings()["memory"]][:1] == ["RAM"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80))
def test_nonsense_in_the_kernels_files_is_never_an_error(board: Board, content: bytes) -> None:
    for path in (
        "proc/meminfo",
        "proc/device-tree/reserved-memory/ion_cma@1BE00000/reg",
        "sys/kernel/debug/ion/heaps/carveout",
        "sys/devices/system/bpu/bpu0/ratio",
        "sys/class/thermal/thermal_zone0/temp",
    ):
        board.file(path, content)
    assert readings(board.root).keys() == {"memory", "bpu_percent", "temperatures"}


def test_the_rows_of_a_heap_are_found_among_the_rest() -> None:
    text = "          client              pid             size\n" + "-" * 50 + "\n"
    text += "      my client              812          1048576\n" + "-" * 50 + "\n  total          1048576\n"
    assert heap_rows(text) == [("my client", 812, 1048576)]


def test_vitals_read_again_only_after_a_while(board: Board) -> None:
    now = [0.0]
    sensors = Sensors(board.root, clock=lambda: now[0])
    assert sensors()["bpu_percent"] == [37]
    board.file("sys/devices/system/bpu/bpu0/ratio", "80\n")
    assert sensors()["bpu_percent"] == [37]
    now[0] = 2.0
    assert sensors()["bpu_percent"] == [80]
