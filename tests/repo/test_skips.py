"""A skip is a failure with CI set and a plain word without, in every form that pytest knows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bpu.board import tools

PROJECT = Path(__file__).parents[2]
SUITE = """
import pytest

@pytest.mark.skip(reason="marked")
def test_marked(): ...

def test_inside():
    pytest.skip("inside")

@pytest.fixture
def missing():
    pytest.skip("from a fixture")

def test_fixture(missing): ...

@pytest.mark.xfail(strict=True)
def test_known_fault():
    assert False

def test_fine(): ...
"""


def outcome(folder: Path, ci: str) -> tools.Result:
    (folder / "conftest.py").write_text("from tests.support.skips import *\n")
    (folder / "test_suite.py").write_text(SUITE)
    (folder / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    (folder / "pytest.ini").write_text("[pytest]\n")
    return tools.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--continue-on-collection-errors", "-q", folder],
        timeout=60,
        cwd=folder,
        env={"CI": ci, "PYTHONPATH": str(PROJECT)},
    )


def test_with_ci_set_every_skip_is_a_failure_that_gives_its_reason(tmp_path: Path) -> None:
    result = outcome(tmp_path, "true")
    assert result.code != 0
    for reason in ("marked", "inside", "from a fixture", "no_such_module"):
        assert reason in result.out
    assert "skipped" not in result.out.splitlines()[-1]


def test_without_ci_a_skip_is_a_plain_word(tmp_path: Path) -> None:
    result = outcome(tmp_path, "")
    assert result.code == 0, result.out
    assert result.out.splitlines()[-1].startswith("1 passed, 4 skipped, 1 xfailed")


@pytest.mark.parametrize("name", ["BPU_ENGINE", "BPU_BIND"])
def test_no_setting_of_the_developer_reaches_a_test(name: str) -> None:
    result = tools.run(
        [sys.executable, "-c", f"import tests.conftest, os; print({name!r} in os.environ)"],
        timeout=60,
        cwd=PROJECT,
        env={name: "x"},
    )
    assert result.out == "False\n", result.err
