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
    reused = tmp_path / "images" / f"{os.getpid()}-1_00.bmp"  # the id of this process, with another start
    reused.touch()
    store.sweep()
    assert names(tmp_path) == [Path(own).name]
    assert left != Path(own).name


@pytest.mark.parametrize("name", ["with,comma", "with\nbreak"])
def test_a_folder_that_the_console_cannot_name_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineUnavailable, match="BPU_STATE_DIR"):
        ImageStore(tmp_path / name).save([b"x"])


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("in the way")
    with pytest.raises(EngineUnavailable, match="BPU_STATE_DIR"):
        ImageStore(tmp_path).save([b"x"])
