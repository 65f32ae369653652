"""The workers' shares of the metrics lie in memory, and nothing is left of gateways that are no more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpu.web.shares import VARIABLE, make_folder, remove_folder

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
    remove_folder(str(folder))
    assert not folder.exists()


def test_folders_of_the_dead_are_removed_and_those_of_the_living_stay(places: tuple[Path, Path, Path]) -> None:
    state, memory, mounts = places
    dead = state / f"bpu-metrics-{os.getuid()}-{DEAD}"
    alive = state / f"bpu-metrics-{os.getuid()}-{os.getppid()}"
    for folder in (dead, alive):
        folder.mkdir()
    make_folder(state, memory=memory, mounts=mounts)
    assert (dead.exists(), alive.exists()) == (False, True)
