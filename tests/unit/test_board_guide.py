"""Every `bpu` command of the board guide runs, in the guide's order, on a board made of files."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from bpu.board import tools
from tests.unit.board.device import Board

PROJECT = Path(__file__).parents[2]
#: What looks at a board's files, and can look at those of another system.
PLACED = ("doctor", "ion", "perf", "reclaim")
MODEL = "DeepSeek_R1_Distill_Qwen_1.5B"


@pytest.fixture
def board(tmp_path: Path) -> Board:
    made = Board(tmp_path / "board")
    made.boots()
    made.file("dev/ion", "")
    made.file("sys/class/devfreq/bpu/governor", "ondemand\n")
    made.file("sys/class/devfreq/bpu/available_governors", "ondemand performance\n")
    made.file("proc/meminfo", "MemTotal: 12000000 kB\nMemAvailable: 9000000 kB\n")
    runtime = made.root / "jinyl_dev/models/OpenExplorer_LLM_0.9.0/runtime"
    made.file(f"{runtime}/bin/xlm_demo", "#!/bin/sh\n").chmod(0o755)
    made.file(f"{runtime}/lib/libxlm.so", "")
    with made.file(f"{runtime}/model/{MODEL}_4096.hbm", "").open("wb") as file:
        os.truncate(file.fileno(), 2_234_994_104)
    made.file(f"{runtime}/config/{MODEL}_config/tokenizer.json", "{}")
    made.file(f"{runtime}/config/{MODEL}_config/{MODEL}.jinja", "{{ messages }}")
    return made


def commands(page: str) -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", (PROJECT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.removeprefix("sudo ") for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("bpu ")]


@pytest.mark.parametrize("page", ["board.md", "board.zh-CN.md"])
def test_the_guide_can_be_followed(board: Board, tmp_path: Path, page: str) -> None:
    (tmp_path / "console.log").write_text("Cannot malloc bpu memory with length 1\n")
    env = {
        "BPU_STATE_DIR": str(tmp_path / "state"), "BPU_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(PROJECT),
        "BPU_RUNTIME_DIR": str(board.root / "jinyl_dev/models/OpenExplorer_LLM_0.9.0/runtime"),
    }  # fmt: skip
    said = {}
    for words in commands(page):
        if words[0] == "service":
            words = [*words, "--root", str(tmp_path / "image")]
        elif words[0] in PLACED and "--log" not in words:
            # On another system than the running one nothing is ended.
            words = [*(word for word in words if word != "--yes"), "--sysfs", str(board.root)]
            words += ["--boot-dir", str(board.boot)] if words[0] == "ion" else []
        argv = [sys.executable, "-m", "bpu", *words]
        result = tools.run(argv, timeout=100, cwd=tmp_path, env=env, input="yes\n")
        said[" ".join(words[:2])] = result
        assert "Usage:" not in result.err, words
        assert "Traceback" not in result.err, words
        if words[:2] == ["ion", "apply"]:
            board.boots()
    assert len(said) > 8
    failed = [words for words, result in said.items() if not result.ok and not words.startswith("doctor")]
    assert failed == [], [said[words].err for words in failed]
    assert (tmp_path / "image/etc/systemd/system/bpu-gateway.service").exists()
    assert "chatbox://" in said["connect chatbox"].out
