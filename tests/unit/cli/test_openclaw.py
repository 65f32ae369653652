"""OpenClaw's file: what is merged into it, what stays, and how it is replaced."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.model_card import ModelCard
from bpu.cli import _openclaw, main
from bpu.cli._endpoint import Endpoint

HERE = Endpoint("http://board:8000/v1", "key-1", (ModelCard("deepseek-r1:1.5b"),))
URL = ("--url", "http://board:8000", "--key", "key-1")
OTHERS = {
    "agents": {"defaults": {"model": {"primary": "anthropic/claude"}, "workspace": "~/work"}, "entries": {"ops": {}}},
    "models": {"providers": {"anthropic": {"apiKey": "somebody-else-s-secret"}}},
    "channels": {"telegram": {"botToken": "another-secret"}},
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    monkeypatch.setenv("OPENCLAW_STATE_DIR", str(tmp_path / "claw"))
    return tmp_path / "claw/openclaw.json"


def invoke(*words: str) -> Result:
    return CliRunner().invoke(main, ["connect", "openclaw", *URL, *words])


def connect(*words: str, code: int = 0) -> str:
    result = invoke(*words)
    assert result.exit_code == code, result.output
    return result.output


def test_a_new_file_holds_the_small_settings_and_is_private(file: Path) -> None:
    said = connect("--write")
    config = json.loads(file.read_text())
    assert config == _openclaw.patch(HERE, {})
    assert config["agents"]["defaults"]["skills"] == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(file) in said
    assert list(file.parent.iterdir()) == [file]
    assert "already" in connect("--write")


def test_a_dry_run_shows_the_change_and_writes_nothing(file: Path) -> None:
    said = connect("--write", "--dry-run")
    assert '+        "baseUrl": "http://board:8000/v1",' in said.splitlines()
    assert not file.parent.exists()


def test_what_others_have_set_stays_and_a_copy_is_kept(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps(OTHERS))
    file.chmod(0o640)
    before = file.read_bytes()
    said = connect("--write", "--tools")
    after = json.loads(file.read_text())
    assert after["agents"]["defaults"] == OTHERS["agents"]["defaults"]  # type: ignore[index]
    assert after["agents"]["entries"]["ops"] == {}
    board = after["agents"]["entries"]["bpu"]
    assert (board["model"]["primary"], board["skills"]) == ("bpu/deepseek-r1:1.5b", [])
    assert board["tools"] == {"profile": "minimal"}
    assert after["tools"] == {"toolSearch": False}
    assert after["channels"] == OTHERS["channels"]
    assert after["models"]["providers"]["anthropic"] == OTHERS["models"]["providers"]["anthropic"]  # type: ignore[index]
    assert "secret" not in said
    (copy,) = file.parent.glob("*.before-bpu-*")
    assert copy.read_bytes() == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_as_a_separate_agent_it_leaves_the_main_model_and_the_search_of_others(file: Path) -> None:
    printed = json.loads(invoke("--agent").stdout)
    assert set(printed["agents"]) == {"entries"}
    assert "tools" not in printed
    merged = _openclaw.merge(OTHERS, printed)
    assert merged["agents"]["defaults"] == OTHERS["agents"]["defaults"]  # type: ignore[index]
    assert merged["agents"]["entries"]["bpu"]["model"] == {"primary": "bpu/deepseek-r1:1.5b"}
    assert json.loads(invoke("--agent", "--tools").stdout)["tools"] == {"toolSearch": False}
    connect("--agent", "--write")
    assert json.loads(file.read_text()) == printed


def test_printed_without_a_file_it_says_what_becomes_the_main_model(file: Path) -> None:
    result = invoke()
    assert "main model" in result.stderr
    assert json.loads(result.stdout)["agents"]["defaults"]["model"] == {"primary": "bpu/deepseek-r1:1.5b"}


def test_a_second_board_or_address_replaces_only_its_own_part(file: Path) -> None:
    connect("--write")
    connect("--write", "--url", "http://other:9000", "--api", "responses")
    provider = json.loads(file.read_text())["models"]["providers"]["bpu"]
    assert (provider["baseUrl"], provider["api"]) == ("http://other:9000/v1", "openai-responses")
    assert len(list(file.parent.glob("*.before-bpu-*"))) == 1


def test_a_search_for_tools_that_was_set_is_not_changed(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"tools": {"toolSearch": true}}')
    connect("--write", "--tools")
    assert json.loads(file.read_text())["tools"] == {"toolSearch": True, "profile": "minimal"}


@pytest.mark.parametrize("text", ["{ // mine\n}", "{a: 1}", "[1]", '"text"', "[" * 100_000, "\ufffe"])
def test_a_file_that_is_not_plain_json_is_left_alone_with_a_way_out(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    assert "openclaw config patch --stdin" in connect("--write", code=2)
    assert file.read_text() == text
    assert list(file.parent.iterdir()) == [file]


def test_what_is_no_file_is_neither_read_nor_replaced(file: Path) -> None:
    file.parent.mkdir()
    os.mkfifo(file)
    assert "not a regular file" in connect("--write", code=2)
    assert list(file.parent.iterdir()) == [file]
    assert file.is_fifo()


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    file.symlink_to(real)
    connect("--write")
    assert file.is_symlink()
    assert "bpu" in real.read_text()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be" in connect("--write", "--config", str(tmp_path / "file/openclaw.json"), code=3)


def test_the_file_is_the_one_that_openclaw_reads(tmp_path: Path) -> None:
    assert _openclaw.config_path({"OPENCLAW_CONFIG_PATH": "/x/y.json", "OPENCLAW_STATE_DIR": "/z"}) == Path("/x/y.json")
    assert _openclaw.config_path({"OPENCLAW_STATE_DIR": "/z"}) == Path("/z/openclaw.json")
    assert _openclaw.config_path({}) == Path.home() / ".openclaw/openclaw.json"


VALUE = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECT = st.dictionaries(st.sampled_from(["a", "agents", "defaults", "model", "tools"]), VALUE, max_size=4)


@given(OBJECT, OBJECT)
def test_a_merge_is_done_once_and_keeps_what_it_does_not_name(config: dict[str, Any], change: dict[str, Any]) -> None:
    after = _openclaw.merge(config, change)
    assert _openclaw.merge(after, change) == after
    assert set(after) == set(config) | set(change)
    assert all(after[name] == value for name, value in config.items() if name not in change)


@given(OBJECT)
def test_whatever_is_in_the_file_a_patch_is_made(config: dict[str, Any]) -> None:
    assert _openclaw.patch(HERE, config, tools=True)["models"]["providers"]["bpu"]["baseUrl"] == HERE.base
