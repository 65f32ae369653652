"""Tests which launch specifications can share one console."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bpu.engine.launch_spec import LONGEST_TEXT, LaunchTable, launch_from_json, table_from_json, table_of
from tests.unit.engine.rig import launch


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


def test_a_launch_comes_back_as_it_was_sent(tmp_path: Path) -> None:
    sent = launch(tmp_path, env={"LANG": "C"}, files={"a.json": "{}"}, idle_unload_s=3)
    assert launch_from_json(sent.text) == sent


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("argv", []),
        ("argv", ["a", 1]),
        ("argv", "console"),
        ("env", {"A": 1}),
        ("env", ["A"]),
        ("files", None),
        ("context", True),
        ("context", "4096"),
        ("context", -1),
        ("context", 10**400),
        ("idle_unload_s", float("nan")),
        ("idle_unload_s", float("inf")),
        ("per_job", 1),
        ("more", "a"),
    ],
)
def test_what_is_no_launch_is_refused(tmp_path: Path, field: str, value: object) -> None:
    fields = {**json.loads(launch(tmp_path).text), field: value}
    with pytest.raises(ValueError):  # noqa: PT011  # its words are for nobody
        launch_from_json(json.dumps(fields))


@pytest.mark.parametrize("text", ["", "[]", "7", "{}", "[" * 20_000, "x" * (LONGEST_TEXT + 1)], ids=range(6))
def test_what_is_no_json_of_a_launch_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        launch_from_json(text)


def test_a_table_comes_back_with_its_models_and_the_default_one(tmp_path: Path) -> None:
    one, two = launch(tmp_path), launch(tmp_path, model="other", lock_path="/a")
    table = LaunchTable((one, two), "other")
    back = table_from_json(table.to_json())
    assert (back.launches, back.default_launch, back.fingerprint) == (table.launches, two, table.fingerprint)
    assert table.lock_paths == sorted(["/a", one.lock_path])


def test_a_table_with_a_changed_entry_is_another_one(tmp_path: Path) -> None:
    one, two = launch(tmp_path), launch(tmp_path, model="other")
    assert table_of([one, two]).fingerprint == table_of([two, one]).fingerprint
    assert table_of([one, two]).fingerprint != table_of([one, launch(tmp_path, model="other", context=7)]).fingerprint
