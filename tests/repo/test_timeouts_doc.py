"""The table of time limits says what the code does."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from bpu.settings import Settings

TABLE = (Path(__file__).parents[2] / "docs" / "timeouts.md").read_text(encoding="utf-8")
CONSTANTS = re.findall(r"^\| `(bpu\.[\w.]+)\.([A-Z_]+)` \| ([\d.]+) \|", TABLE, re.M)
SETTINGS = re.findall(r"^\| `BPU_([A-Z_]+)` \| ([\d.]+) \|", TABLE, re.M)


@pytest.mark.parametrize(("module", "name", "value"), CONSTANTS)
def test_a_constant_has_the_value_of_the_table(module: str, name: str, value: str) -> None:
    assert getattr(importlib.import_module(module), name) == float(value)


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_a_setting_has_the_default_of_the_table(name: str, value: str) -> None:
    assert Settings.model_fields[name.lower()].default == float(value)


def test_every_time_limit_that_can_be_set_is_in_the_table() -> None:
    waits = {name for name in Settings.model_fields if name.endswith(("timeout_s", "limit_s", "graceful_s"))}
    assert waits <= {name.lower() for name, _ in SETTINGS}
