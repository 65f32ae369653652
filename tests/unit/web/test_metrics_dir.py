"""The workers' shares of the metrics lie in memory, and nothing is left of gateways that are no more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.mmap_dict import MmapedDict

from bpu.web.metrics_dir import RESERVED, VARIABLE, make_folder, release, remove_folder, reserve
from tests.unit.web.test_gunicorn import CHAT, PROJECT, body, serving

DEAD = 2**22 + 1  # above the largest number that Linux gives a process


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    state, memory, mounts = tmp_path / "state", tmp_path / "shm", tmp_path / "mounts"
    state.mkdir()
    memory.mkdir()
    return state, memory, mounts


def table(path: Path, *kinds: tuple[Path, str]) -> Path:
    path.write_text("".join(f"x {where} {kind} rw 0 0\n" for where, kind in [(Path("/"), "ext4"), *kinds]))
    return path


def test_the_state_folder_is_taken_when_it_is_in_memory(places: tuple[Path, Path, Path]) -> None:
    state, memory, mounts = places
    table(mounts, (state, "tmpfs"), (memory, "tmpfs"))
    assert make_folder(state, memory=memory, mounts=mounts).parent == state


def test_shared_memory_is_taken_when_the_state_folder_is_on_a_disk(places: tuple[Path, Path, Path]) -> None:
    state, memory, mounts = places
    table(mounts, (memory, "tmpfs"))
    folder = make_folder(state, memory=memory, mounts=mounts)
    assert folder.parent == memory
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_later_of_two_mounts_at_one_place_counts(places: tuple[Path, Path, Path]) -> None:
    state, memory, mounts = places
    table(mounts, (memory, "tmpfs"), (memory, "ext4"))
    assert make_folder(state, memory=memory, mounts=mounts).parent == state


def test_without_a_place_in_memory_the_state_folder_must_do(places: tuple[Path, Path, Path]) -> None:
    state, memory, mounts = places
    assert make_folder(state, memory=memory, mounts=mounts).parent == state


def test_a_reload_keeps_what_was_counted(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    state, memory, mounts = places
    folder = make_folder(state, memory=memory, mounts=mounts)
    (folder / "counter_1.db").touch()
    monkeypatch.setenv(VARIABLE, str(folder))
    assert make_folder(state, memory=memory, mounts=mounts) == folder
    assert (folder / "counter_1.db").exists()
    monkeypatch.delenv(VARIABLE)
    assert not (make_folder(state, memory=memory, mounts=mounts) / "counter_1.db").exists()
    assert not folder.exists()


def test_folders_of_the_dead_are_removed_and_those_of_the_living_stay(places: tuple[Path, Path, Path]) -> None:
    state, memory, mounts = places
    dead = [state / f"bpu-metrics-{os.getuid()}-{DEAD}{end}" for end in ("", "-x7_y-z")]
    alive = state / f"bpu-metrics-{os.getuid()}-{os.getppid()}-abc"
    for folder in (*dead, alive):
        folder.mkdir(mode=0o700)
    made = make_folder(state, memory=memory, mounts=mounts)
    assert ([folder.exists() for folder in dead], alive.exists()) == ([False, False], True)
    remove_folder(str(made))
    assert not made.exists()


def foreseen(state: Path, pid: int) -> Path:
    return state / f"bpu-metrics-{os.getuid()}-{pid}"


@pytest.mark.parametrize("pid", [os.getpid(), DEAD], ids=["ours", "dead"])
def test_8_a_link_or_an_open_folder_that_was_there_before_receives_nothing_and_is_left_alone(
    places: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: int
) -> None:
    state, memory, mounts = places
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "counter_1.db").touch()
    link, opened = foreseen(state, pid), state / f"{foreseen(state, pid).name}-abc"
    link.symlink_to(elsewhere)
    opened.mkdir()
    opened.chmod(0o777)
    for path in (link, opened):
        monkeypatch.setenv(VARIABLE, str(path))
        made = make_folder(state, memory=memory, mounts=mounts)
        assert made not in (link, opened)
        assert (made.is_symlink(), made.stat().st_mode & 0o777, made.stat().st_uid) == (False, 0o700, os.getuid())
    assert link.is_symlink()
    assert opened.exists()
    assert [path.name for path in elsewhere.iterdir()] == ["counter_1.db"]


def test_8_a_worker_has_its_pages_before_it_maps_them_and_gives_back_what_it_did_not_use(tmp_path: Path) -> None:
    reserve(tmp_path, 7)
    for kind, size in RESERVED.items():
        status = (tmp_path / f"{kind}_7.db").stat()
        assert (status.st_size, status.st_mode & 0o777) == (size, 0o600)
        assert status.st_blocks * 512 >= size
    values: Any = MmapedDict
    counted = values(str(tmp_path / "counter_7.db"))
    counted.write_value("a key", 3.0, 0.0)
    counted.close()
    release(tmp_path, 7)
    assert (tmp_path / "counter_7.db").stat().st_size < 100
    assert [value for _, value, _, _ in values.read_all_values_from_file(str(tmp_path / "counter_7.db"))] == [3.0]


def test_8_the_files_that_are_reserved_are_those_of_our_meters_and_large_enough(tmp_path: Path) -> None:
    """Every address with every status, and every reason: more than a worker ever counts."""
    reserve(tmp_path, 8)
    code = f"""
import itertools, os
from prometheus_client import values
values.ValueClass  # chosen by the variable
from app import create_app
from bpu.settings import load_settings
from bpu.web.request_log import RequestRecord
app = create_app(load_settings(engine="simulator"))
meters = app.extensions["bpu"].request_metrics
endpoints = sorted({{rule.endpoint for rule in app.url_map.iter_rules()}} | {{"none"}})
for endpoint, status in itertools.product(endpoints, range(400, 424)):
    facts = {{"error": f"code_{{status}}"}}
    meters.count(RequestRecord("r", "GET", "/", "", 0.0, status=status, endpoint=endpoint, facts=facts))
print(len(endpoints), *sorted(os.listdir({str(tmp_path)!r})))
"""
    env = {**os.environ, VARIABLE: str(tmp_path), "BPU_STATE_DIR": str(tmp_path.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    endpoints, *names = done.stdout.split()
    assert int(endpoints) > 10
    pid = next(name for name in names if name != "counter_8.db" and name.startswith("counter_"))[8:-3]
    assert set(names) == {f"{kind}_{number}.db" for kind in RESERVED for number in (8, pid)}
    for kind, size in RESERVED.items():
        used = int.from_bytes((tmp_path / f"{kind}_{pid}.db").read_bytes()[:4], sys.byteorder)
        assert 0 < used < size, kind


@pytest.mark.live
def test_8_workers_live_on_a_full_file_system_and_say_that_metrics_are_missing(tmp_path: Path) -> None:
    """Before, their first count was a write to a page that could not be had: SIGBUS, again and again."""
    full = tmp_path / "full"
    full.mkdir()
    fill = f'mount -t tmpfs -o size=64k,mode=700 none {full}; head -c 1M /dev/zero 2>&- >{full}/rest; exec "$@"'
    namespace = ["unshare", *([] if os.getuid() == 0 else ["--map-root-user"]), "--mount"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare cannot make a file system of its own here")
    with serving(tmp_path, [*namespace, "sh", "-c", fill, "sh"], BPU_STATE_DIR=str(full)) as served:
        (worker,) = psutil.Process(served.process.pid).children()
        for _ in range(20):
            assert served.ask("POST", CHAT, body("Hello"))["choices"]
        with served.connect() as connection:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            assert (response.status, b"bpu_http_requests_total" in response.read()) == (200, True)
        assert psutil.Process(served.process.pid).children() == [worker]
        assert "There is no room for metrics that workers share" in served.log.read_text()
