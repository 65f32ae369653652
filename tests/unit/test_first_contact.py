"""What a person meets in the first hour: one cause, one remedy, one language, and lines that work as they stand."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Literal

import pytest

from bpu.board import tools
from bpu.console import diagnosis
from bpu.messages import texts, translate
from tests.unit.board.device import Board

PROJECT = Path(__file__).parents[2]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def board(tmp_path: Path) -> Board:
    made = Board(tmp_path / "board")
    made.boots()
    return made


def findings(board: Board, **env: str) -> dict[str, dict[str, str]]:
    words = [sys.executable, "-m", "bpu", "doctor", "--json", "--sysfs", str(board.root)]
    result = tools.run(words, timeout=60, cwd=PROJECT, env=env)
    return {one["check"]: one for one in json.loads(result.out)["findings"]}


def test_a_missing_sdk_is_one_finding_and_not_five(board: Board) -> None:
    found = findings(board)
    assert found["runtime"]["level"] == "broken"
    assert {"console", "libraries", "model", "tokenizer", "template"} & set(found) == set()


def test_pools_without_a_model_file_are_judged_by_the_catalogue_or_not_at_all(board: Board, tmp_path: Path) -> None:
    """They were well without a file and too small with it."""
    (tmp_path / "runtime").mkdir()
    found = findings(board, BPU_RUNTIME_DIR=str(tmp_path / "runtime"))
    assert (found["model"]["level"], found["ion"]["level"]) == ("broken", "broken")
    found = findings(board, BPU_RUNTIME_DIR=str(tmp_path / "runtime"), BPU_HBM_PATH="model/own.hbm")
    assert (found["model"]["level"], found["ion"]["level"]) == ("broken", "note")
    assert "not known without a model file" in found["ion"]["said"]


def test_no_advice_takes_from_the_model_what_another_gives_it(board: Board) -> None:
    board.file("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 200000 kB\n")
    remedies = " ".join(one["remedy"] for one in findings(board).values())
    assert "cpu_first" not in remedies
    assert "End other programs" in remedies


@pytest.mark.parametrize("language", ["en", "zh"])
def test_missing_memory_has_one_remedy_in_log_error_and_doctor(language: Literal["en", "zh"]) -> None:
    cause = diagnosis.diagnose(["Cannot malloc bpu memory with length 1"])
    doctor = translate("doctor.ion_apply", lang=language, mode="bpu_first")
    remedies = (cause.message, translate("faults.no_bpu_memory", lang=language), doctor)
    assert all("ion apply bpu_first" in text for text in remedies), remedies
    assert [area for area in ("faults", "doctor", "errors") if "hb_switch" in str(texts(area))] == []


def test_performance_mode_names_the_command_that_keeps_it_and_no_unit_that_may_be_missing() -> None:
    for language in ("en", "zh"):
        text = translate("perf.lost_at_reboot", lang=language)
        assert "service install --performance" in text
        assert "bpu-performance.service" not in text


def test_a_refused_start_is_explained_in_one_language(tmp_path: Path) -> None:
    env = {"BPU_WORKERS": "x", "BPU_STATE_DIR": str(tmp_path), "LC_ALL": "zh_CN.UTF-8"}
    words = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    lines = tools.run(words, timeout=60, cwd=PROJECT, env=env).err.splitlines()
    assert len(lines) == 3
    assert all(CHINESE.search(line) for line in lines), lines


def test_a_folder_that_does_not_exist_is_called_so(tmp_path: Path) -> None:
    env = {"BPU_RUNTIME_DIR": str(tmp_path / "none"), "BPU_STATE_DIR": str(tmp_path / "state")}
    result = tools.run([sys.executable, "-m", "bpu", "serve"], timeout=60, cwd=PROJECT, env=env)
    assert result.code == 2
    assert f"the folder {tmp_path / 'none'} does not exist" in result.err
    assert "program" not in result.err


def test_chatbox_s_fields_have_one_form_everywhere() -> None:
    """README, board guide, page of clients, command and web page: host with /v1, and the path as it is."""
    connect = (PROJECT / "bpu/web/static/connect.js").read_text()
    assert 'settingRow("host", base)' in connect
    assert 'settingRow("path"' not in connect
    assert "API Path  leave it as it is" in translate("connect.chatbox_fields", lang="en", host="", key="", model="")
    pages = ("README.md", "docs/board.md", "docs/clients.md", "README.zh-CN.md", "docs/board.zh-CN.md")
    for page in (*pages, "docs/clients.zh-CN.md"):
        text = (PROJECT / page).read_text(encoding="utf-8")
        hosts = re.findall(r"(?m)^\| API (?:Host|主机|地址) \| `(http://[^`]+)`", text)
        assert all(host.endswith("/v1") for host in hosts), (page, hosts)
