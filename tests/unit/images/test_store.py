"""The image files: private, within the limit, removed, and swept when their process is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bpu.errors import EngineUnavailable, Overloaded
from bpu.images.store import ImageStore


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "images").iterdir())


def test_files_are_private_and_their_paths_safe_for_the_console(tmp_path: Path) -> None:
    [path] = ImageStore(tmp_path).save([b"pixels"])
    assert Path(path).read_bytes() == b"pixels"
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert Path(path).parent.stat().st_mode & 0o777 == 0o700
    assert "," not in path
    assert path.isprintable()


def test_removed_files_are_gone_and_removing_twice_is_no_error(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    paths = store.save([b"a", b"b"])
    store.remove(paths)
    store.remove(paths)
    assert names(tmp_path) == []


def test_what_goes_beyond_the_limit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, limit_bytes=100)
    first = store.save([bytes(60)])
    with pytest.raises(Overloaded) as error:
        ImageStore(tmp_path, limit_bytes=100).save([bytes(10), bytes(60)])
    assert error.value.retry_after
    assert len(names(tmp_path)) == 1
    store.remove(first)
    assert store.save([bytes(100)])


def test_a_sweep_removes_the_files_of_processes_that_are_gone_alone(tmp_path: Path) -> None:
    program = f"from pathlib import Path; from bpu.images.store import ImageStore; ImageStore(Path({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", f"{program}.save([b'left'])"], check=True)
    [left] = names(tmp_path)
    store = ImageStore(tmp_path)
    [own] = store.save([b"own"])
    reused = tmp_path / "images" / f"{os.getpid()}-1_{'0' * 16}.bmp"  # the id of this process, with another start
    reused.touch()
    foreign = tmp_path / "images" / "photo.jpg"
    foreign.touch()
    store.sweep()
    assert names(tmp_path) == sorted([Path(own).name, "photo.jpg"])
    assert left != Path(own).name


@pytest.mark.parametrize("name", ["with,comma", "with\nbreak"])
def test_a_folder_that_the_console_cannot_name_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineUnavailable, match="BPU_STATE_DIR"):
        ImageStore(tmp_path / name).save([b"x"])


@pytest.mark.parametrize("trap", ["link", "open folder"])
def test_a_folder_that_is_not_private_is_neither_used_nor_swept(tmp_path: Path, trap: str) -> None:
    target = tmp_path / ("elsewhere" if trap == "link" else "images")
    target.mkdir()
    target.chmod(0o777 if trap == "open folder" else 0o700)
    if trap == "link":
        (tmp_path / "images").symlink_to(target)
    left = target / f"1-1_{'0' * 16}.bmp"
    left.touch()
    store = ImageStore(tmp_path)
    store.sweep()
    with pytest.raises(EngineUnavailable, match="not private"):
        store.save([b"x"])
    assert list(target.iterdir()) == [left]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("in the way")
    for state_dir in (tmp_path, tmp_path / "images" / "state"):
        with pytest.raises(EngineUnavailable, match="BPU_STATE_DIR"):
            ImageStore(state_dir).save([b"x"])
