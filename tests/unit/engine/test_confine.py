"""Limits set on a process from outside never exceed those of its service manager."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpu.engine.console_process import Log, confine
from tests.unit.engine.rig import launch

MIB = 1 << 20


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_what_was_set_or_less_where_the_service_manager_allows_less(
    child: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    resource.prlimit(child.pid, resource.RLIMIT_CORE, (0, 2 * MIB))
    confine(child.pid, launch(tmp_path, memory_mb=100, core_mb=5), Log())
    assert resource.prlimit(child.pid, resource.RLIMIT_CORE) == (2 * MIB, 2 * MIB)
    assert resource.prlimit(child.pid, resource.RLIMIT_DATA) == (100 * MIB, 100 * MIB)


def test_no_core_and_no_limit_on_memory_by_default(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    before = resource.prlimit(child.pid, resource.RLIMIT_DATA)
    confine(child.pid, launch(tmp_path), Log())
    assert resource.prlimit(child.pid, resource.RLIMIT_CORE) == (0, 0)
    assert resource.prlimit(child.pid, resource.RLIMIT_DATA) == before


def test_limits_that_cannot_be_set_are_told_and_those_of_the_dead_are_not(tmp_path: Path) -> None:
    def refuse(error: OSError) -> list[str]:
        def prlimit(*_: object) -> tuple[int, int]:
            raise error

        log = Log()
        confine(1, launch(tmp_path), log, prlimit=prlimit)
        return list(log.lines)

    assert "could not be set: not allowed" in refuse(PermissionError("not allowed"))[0]
    assert refuse(ProcessLookupError("gone")) == []
