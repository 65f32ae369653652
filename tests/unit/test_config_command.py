"""`config`: what holds, where it comes from, and a file that a wrong value never reaches."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bpu.board import tools

PROJECT = Path(__file__).parents[2]
Bpu = Callable[..., tools.Result]


@pytest.fixture
def bpu(tmp_path: Path) -> Bpu:
    """The command line in a process of its own, with a settings file of its own below `home/bpu`."""
    base = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "BPU_SETTINGS_FILE": str(tmp_path / "bpu.env")}

    def run(*words: str, **env: str) -> tools.Result:
        return tools.run([sys.executable, "-m", "bpu", *words], timeout=60, cwd=PROJECT, env={**base, **env})

    (tmp_path / "bpu.env").touch()
    return run


def rows(result: tools.Result) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in json.loads(result.out)["settings"]}


def test_each_value_is_shown_with_its_source_and_no_key_is(bpu: Bpu, tmp_path: Path) -> None:
    file = tmp_path / "bpu.env"
    file.write_text("BPU_WORKERS=3\nBPU_QUEUE_LIMIT=7\n")
    shown = rows(bpu("config", "show", "--json", BPU_QUEUE_LIMIT="9", BPU_API_KEYS="very-secret"))
    assert shown["BPU_WORKERS"] == {"name": "BPU_WORKERS", "value": "3", "source": str(file)}
    assert shown["BPU_QUEUE_LIMIT"] == {"name": "BPU_QUEUE_LIMIT", "value": "9", "source": "environment"}
    assert shown["BPU_BIND"] == {"name": "BPU_BIND", "value": "0.0.0.0:8000", "source": "default"}
    assert "very-secret" not in bpu("config", "show", BPU_API_KEYS="very-secret").out


@pytest.mark.parametrize("option", [False, True])
def test_set_creates_the_file_that_is_named_and_not_there_yet(bpu: Bpu, tmp_path: Path, option: bool) -> None:
    file = tmp_path / "new" / "bpu.env"
    words = ["--env-file", str(file)] if option else []
    env = {} if option else {"BPU_SETTINGS_FILE": str(file)}
    missing = bpu(*words, "config", "show", **env)
    assert (missing.code, "BPU_WORKERS" in missing.out, str(file) in missing.err) == (2, True, True)
    assert bpu(*words, "config", "path", **env).out.strip() == str(file)
    assert bpu(*words, "status", **env).code == 2, "other commands refuse a name that may be mistyped"
    refused = bpu(*words, "config", "set", "BPU_WORKERS=none", **env)
    assert (refused.code, file.exists()) == (2, False)
    created = bpu(*words, "config", "set", "BPU_WORKERS=3", **env)
    assert created.ok, created.err
    assert file.read_text() == "BPU_WORKERS=3\n"
    assert rows(bpu(*words, "config", "show", "--json", **env))["BPU_WORKERS"]["source"] == str(file)


def test_a_wrong_value_is_shown_and_said_and_the_code_is_2(bpu: Bpu) -> None:
    result = bpu("config", "show", BPU_WORKERS="many")
    assert (result.code, "many" in result.out, "BPU_WORKERS" in result.err) == (2, True, True)


def test_set_changes_the_file_and_the_next_command_goes_by_it(bpu: Bpu, tmp_path: Path) -> None:
    file = tmp_path / "bpu.env"
    assert bpu("config", "path").out.strip() == str(file)
    assert bpu("config", "set", "BPU_WORKERS=3", "BPU_RUNTIME_DIR=here").ok
    shown = rows(bpu("config", "show", "--json"))
    assert shown["BPU_WORKERS"]["value"] == "3"
    assert shown["BPU_RUNTIME_DIR"]["value"] == str(PROJECT / "here"), "the server runs in another folder"
    assert bpu("config", "set", "BPU_WORKERS=").ok
    assert rows(bpu("config", "show", "--json"))["BPU_WORKERS"]["source"] == "default"
    overridden = bpu("config", "set", "BPU_WORKERS=4", BPU_WORKERS="5")
    assert "BPU_WORKERS" in overridden.err


@pytest.mark.parametrize(
    ("assignment", "word"),
    [
        ("BPU_WORKERS=many", "whole number"),
        ("BPU_WORKER=3", "config show"),
        ("BPU_WORKERS", "NAME=VALUE"),
        ("BPU_API_KEYS=secret", "BPU_API_KEYS_FILE"),
        ("BPU_API_KEYS_FILE=/no/such/file", "can be read"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(
    bpu: Bpu, tmp_path: Path, assignment: str, word: str
) -> None:
    result = bpu("config", "set", "BPU_QUEUE_LIMIT=9", assignment)
    assert (result.code, word in result.err) == (2, True), result.err
    assert (tmp_path / "bpu.env").read_text() == ""


def test_a_user_without_a_file_gets_one_of_their_own_and_root_the_system_s(bpu: Bpu, tmp_path: Path) -> None:
    wanted = "/etc/bpu/bpu.env" if os.geteuid() == 0 else str(tmp_path / "home" / "bpu" / "bpu.env")
    if Path("/etc/bpu/bpu.env").exists() or (PROJECT / ".env").exists():
        pytest.skip("this machine has settings of its own")
    result = bpu("config", "path", BPU_SETTINGS_FILE="")
    assert result.out.strip() == wanted
    assert "not there yet" in result.err


def test_no_command_line_of_the_program_in_a_remedy_fails_to_start(bpu: Bpu) -> None:
    """The words before `doctor` in the remedy are run as they stand."""
    said = bpu("sevice-of-nothing").err
    words = said.partition("`")[2].partition("`")[0].removesuffix(" --help").split()
    assert words
    assert tools.run([*words, "--version"], timeout=60, cwd=PROJECT).ok
