"""Readings of the board from a folder that looks like its kernel's files."""

from __future__ import annotations

import struct
from pathlib import Path

from bpu.board.readings import readings
from bpu.board.sensors import Sensors

MEMINFO = "MemTotal:  8000 kB\nMemAvailable:  5000 kB\nCmaTotal:  0 kB\nCmaFree:  0 kB\n"


def write(root: Path, name: str, text: str | bytes) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def test_a_machine_that_tells_nothing_is_not_an_error(tmp_path: Path) -> None:
    assert readings(tmp_path) == {"memory": [], "bpu_percent": [], "temperatures": []}


def test_memory_is_in_bytes_and_a_pool_without_size_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", MEMINFO)
    assert readings(tmp_path)["memory"] == [{"name": "RAM", "used": 3000 * 1024, "total": 8000 * 1024}]


def test_ion_pools_are_known_by_the_device_tree_and_used_by_debugfs(tmp_path: Path) -> None:
    reserved = "proc/device-tree/reserved-memory"
    write(tmp_path, f"{reserved}/ion_cma@88000000/reg", struct.pack(">QQ", 0x88000000, 512 << 20))
    write(tmp_path, f"{reserved}/ion_reserved@90000000/reg", struct.pack(">QQ", 0x90000000, 1 << 30))
    write(tmp_path, f"{reserved}/ion_carveout@a0000000/reg", b"short")
    write(tmp_path, "sys/kernel/debug/ion/heaps/ion_cma", "client pid size\nxlm 42 1000\nxlm 42 24\ntotal 1024\n")
    assert readings(tmp_path)["memory"] == [
        {"name": "ion_cma", "used": 1024, "total": 512 << 20},
        {"name": "ion_reserved", "used": None, "total": 1 << 30},
    ]


def test_load_of_each_core_and_temperatures(tmp_path: Path) -> None:
    write(tmp_path, "sys/devices/system/bpu/bpu0/ratio", "73\n")
    write(tmp_path, "sys/devices/system/bpu/bpu1/ratio", "4\n")
    write(tmp_path, "sys/class/thermal/thermal_zone0/type", "bpu-thermal\n")
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "56700\n")
    write(tmp_path, "sys/class/thermal/thermal_zone1/temp", "off\n")
    found = readings(tmp_path)
    assert found["bpu_percent"] == [73, 4]
    assert found["temperatures"] == [{"name": "bpu-thermal", "celsius": 57}]


def test_files_are_read_again_only_after_a_while(tmp_path: Path) -> None:
    now = [0.0]
    sensors = Sensors(tmp_path, period_s=2, clock=lambda: now[0])
    assert sensors()["bpu_percent"] == []
    write(tmp_path, "sys/devices/system/bpu/ratio", "50")
    now[0] = 1.9
    assert sensors()["bpu_percent"] == []
    now[0] = 2.0
    assert sensors()["bpu_percent"] == [50]
