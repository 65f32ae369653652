"""The operating system's reasons come in the terminal's language."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path

import pytest

from bpu.board import tools
from bpu.messages import os_reason, texts

PROJECT = Path(__file__).parents[2]


def test_the_english_reasons_are_those_of_the_c_library() -> None:
    for name, (english, _) in texts("os").items():
        assert english == os.strerror(getattr(errno, name)), name


def test_an_error_without_a_known_number_keeps_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert os_reason(OSError(errno.EACCES, "Permission denied")) == "没有权限"
    assert os_reason(OSError(errno.EXFULL, "Exchange full")) == "Exchange full"
    assert os_reason(OSError("a library's words")) == "a library's words"
    assert os_reason(ValueError("no number")) == "no number"


@pytest.mark.parametrize(
    "words",
    [
        ("report", "--output", "/nowhere/report"),
        ("ion", "show", "--boot-dir", "/nowhere"),
        ("models", "add", "/dev/null"),
        ("doctor",),
        ("connect", "openclaw", "--dry-run", "--config", "/dev/null/file"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_chinese_reader_gets_no_english_reason(words: tuple[str, ...], tmp_path: Path) -> None:
    env = {
        "LC_ALL": "zh_CN.UTF-8", "BPU_ENGINE": "simulator", "BPU_STATE_DIR": str(tmp_path),
        "BPU_API_KEYS_FILE": "/nowhere/keys" if words[0] == "doctor" else "",
    }  # fmt: skip
    result = tools.run([sys.executable, "-m", "bpu", *words], timeout=60, cwd=PROJECT, env=env)
    said = result.out + result.err
    assert re.search(r"[\u4e00-\u9fff]", said)
    assert "Traceback" not in said
    for reason, _ in texts("os").values():
        assert reason not in said
