"""A board can install what it needs without a compiler."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bpu.board import tools

SCRIPT = Path(__file__).parents[2] / "scripts" / "board_wheels.py"


def script(name: str) -> ModuleType:
    """A module of `scripts`, which import each other as scripts do."""
    folder = str(SCRIPT.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def wheels() -> ModuleType:
    return script("board_wheels")


def test_markers_are_those_of_the_board_and_not_of_this_python(wheels: ModuleType) -> None:
    needs = [
        'backport; python_version < "3.11"',
        'windows-only; sys_platform == "win32"',
        'arm-only>=2; platform_machine == "aarch64"',
        'with-extra; extra == "fast"',
        "Installed_Already>=1",
    ]
    report: dict[str, list[dict[str, Any]]] = {
        "install": [
            {"metadata": {"name": "top", "requires_dist": needs}},
            {"metadata": {"name": "installed-already"}},
        ]
    }
    assert list(wheels.missing_requirements(report, wheels.Target("3.10"))) == ["backport", "arm-only>=2"]
    assert list(wheels.missing_requirements(report, wheels.Target("3.12"))) == ["arm-only>=2"]
    assert list(wheels.missing_requirements(report, wheels.Target("3.12", "x86_64"))) == []
    report["install"][0]["requested_extras"] = ["fast"]
    assert "with-extra" in list(wheels.missing_requirements(report, wheels.Target("3.12")))


def test_a_lock_is_read_for_the_board_and_not_for_this_python(wheels: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        '# a comment\nplain==1.0\nold==1; python_version == "3.10"\nold==2; python_version >= "3.11"\n'
        'arm==1; platform_machine == "aarch64"\n'
    )
    assert wheels.locked_packages(lock, wheels.Target("3.10")) == ["plain==1.0", "old==1", "arm==1"]
    assert wheels.locked_packages(lock, wheels.Target("3.12", "x86_64")) == ["plain==1.0", "old==2"]


@pytest.mark.system
@pytest.mark.timeout(600)
def test_every_requirement_has_a_wheel_for_every_python_of_a_board() -> None:
    result = tools.run([sys.executable, SCRIPT, "--check"], timeout=590)
    if "NewConnectionError" in result.err or "Temporary failure in name resolution" in result.err:
        pytest.skip("the package index cannot be reached")
    assert result.ok, result.err
    assert [line.split(",")[0] for line in result.out.splitlines()] == ["Python 3.10", "Python 3.11", "Python 3.12"]
