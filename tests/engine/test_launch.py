"""Which launches may share one console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.rig import launch


@pytest.mark.parametrize(
    "change", [{"env": {"LANG": "zh_CN.UTF-8", "HOME": "/root"}}, {"queue_limit": 1}, {"preload": False}]
)
def test_limits_and_the_starter_s_environment_make_no_other_console(tmp_path: Path, change: dict[str, Any]) -> None:
    assert launch(tmp_path, **change).fingerprint == launch(tmp_path).fingerprint


@pytest.mark.parametrize(
    "change", [{"argv": ("console", "--x")}, {"model": "other"}, {"context": 2048}, {"reset": "restart"}]
)
def test_another_program_model_or_manner_is_another_console(tmp_path: Path, change: dict[str, Any]) -> None:
    assert launch(tmp_path, **change).fingerprint != launch(tmp_path).fingerprint
