"""A machine in a folder, and commands as a person types them, for `models` and `pull`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpu.cli import main
from tests.unit.board.device import Board


def bpu(*words: str, **env: str) -> Result:
    return CliRunner().invoke(main, list(words), env={"LC_ALL": "C.UTF-8", **env})


def make_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose table and data lie in `tmp_path`, without a keeper."""
    monkeypatch.setenv("BPU_DATA_DIR", str(tmp_path / "state" / "bpu"))
    monkeypatch.setenv("BPU_STATE_DIR", str(tmp_path / "run"))
    # Below a file there is no folder, so nothing can be made there.
    (tmp_path / "file").touch()
    monkeypatch.setattr("bpu.models.table.SYSTEM_FILE", tmp_path / "file" / "models.toml")
    return tmp_path


def make_board(tmp_path: Path) -> Board:
    made = Board(tmp_path / "board")
    made.boots()
    made.file("proc/meminfo", "MemTotal: 10000000 kB\nMemAvailable: 8000000 kB\n")
    return made
