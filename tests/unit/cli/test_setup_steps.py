"""`setup` leads from a fresh board to Chatbox, says what is done already, and runs nothing without agreement."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bpu.board import tools
from bpu.board.checks.subject import Subject
from bpu.cli._setup_steps import find_sdks, model_command, steps
from bpu.models.catalogue import find
from bpu.models.table import default_model
from bpu.settings import load_settings
from tests.support import sdks
from tests.unit.board.device import Board

PROJECT = Path(__file__).parents[3]
MODEL_BYTES = 2_234_994_104
NAME = "DeepSeek_R1_Distill_Qwen_1.5B"
Setup = Callable[..., tools.Result]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """An S100 as it is delivered, with the SDK and the model unpacked into /opt, where no setting looks."""
    made = Board(tmp_path / "board")
    made.boots()
    for device in ("ion", "bpu_core0"):
        made.file(f"dev/{device}", "")
    runtime = "opt/OpenExplorer_LLM_0.9.0/runtime"
    made.file(f"{runtime}/bin/xlm_demo", "#!/bin/sh\n").chmod(0o755)
    made.file(f"{runtime}/lib/libxlm.so", "")
    with made.file(f"{runtime}/model/{NAME}_4096.hbm", "").open("wb") as file:
        os.truncate(file.fileno(), MODEL_BYTES)
    made.file(f"{runtime}/config/{NAME}_config/tokenizer.json", "{}")
    made.file(f"{runtime}/config/{NAME}_config/{NAME}.jinja", "{{ messages }}")
    return made


@pytest.fixture
def setup(board: Board, tmp_path: Path) -> Setup:
    (tmp_path / "bpu.env").touch()
    env = {"BPU_SETTINGS_FILE": str(tmp_path / "bpu.env"), "BPU_STATE_DIR": str(tmp_path / "state")}

    def run(*words: str, answers: str | None = None) -> tools.Result:
        argv = [sys.executable, "-m", "bpu", "setup", "--sysfs", str(board.root), *words]
        return tools.run(argv, timeout=100, cwd=PROJECT, env=env, input=answers)

    return run


def would_run(result: tools.Result) -> list[str]:
    lines = re.findall(
        r"(?m)^This would run: .*? ((?:config|ion|perf|service|connect|pull|doctor|reclaim) .*)$", result.out
    )
    return [re.sub(r" --(sysfs|boot-dir) \S+", "", line) for line in lines]


def test_a_dry_run_names_every_command_and_changes_nothing(setup: Setup, board: Board, tmp_path: Path) -> None:
    before = board.tree.read_bytes()
    result = setup("--dry-run")
    runtime = board.root / "opt/OpenExplorer_LLM_0.9.0/runtime"
    assert would_run(result) == [
        f"config set BPU_RUNTIME_DIR={runtime}",
        "ion apply balanced",
        "connect chatbox",
    ]
    assert result.code == 3
    assert (tmp_path / "bpu.env").read_text() == ""
    (tmp_path / "bpu.env").write_text(f"BPU_RUNTIME_DIR={runtime}\n")
    assert would_run(setup("--dry-run")) == ["ion apply balanced", "connect chatbox"]
    assert board.tree.read_bytes() == before


def test_the_setup_goes_on_after_the_restart_that_it_asks_for(setup: Setup, board: Board, tmp_path: Path) -> None:
    first = setup("--yes")
    assert "Restart the board now" in first.out, first.out + first.err
    assert first.code == 3
    assert f"BPU_RUNTIME_DIR={board.root}/opt" in (tmp_path / "bpu.env").read_text()
    assert "connect chatbox" not in first.out, "what comes after the restart is not begun"
    board.boots()
    second = setup("--yes")
    assert would_run(second) == ["connect chatbox"], second.out
    assert "API" in second.out.partition("9/9")[2]
    assert (second.code, "All is done." in second.out) == (0, True)


def test_a_no_runs_nothing_and_ends_where_the_next_steps_need_it(setup: Setup, tmp_path: Path) -> None:
    result = setup(answers="n\n")
    assert result.code == 3
    assert "2/9" in result.out
    assert "3/9" not in result.out
    assert (tmp_path / "bpu.env").read_text() == ""


def test_without_an_sdk_it_says_where_to_get_it(board: Board, setup: Setup) -> None:
    (board.root / "opt").rename(board.root / "elsewhere")
    result = setup("--yes")
    assert "https://developer.d-robotics.cc" in result.out
    assert (result.code, "3/9" in result.out) == (3, False)


@pytest.mark.parametrize(
    ("console", "place"),
    [
        ("bin/xlm_demo", "jinyl_dev/models/OpenExplorer_LLM_0.9.1/runtime"),
        ("example/oellm_multichat", "home/sunrise/D-Robotics_LLM_S100_1.0.0_SDK/oellm_runtime"),
        ("examples/llm_demo/llm", "opt/D-Robotics_LLM_S600_1.0.5_SDK/oellm_runtime"),
    ],
)
def test_sdks_of_all_generations_are_found(tmp_path: Path, console: str, place: str) -> None:
    program = tmp_path / place / console
    program.parent.mkdir(parents=True)
    program.touch()
    (tmp_path / place / "lib").mkdir()
    assert list(find_sdks(tmp_path)) == [tmp_path / place]


def test_the_console_follows_from_the_model_though_its_sdk_has_several(tmp_path: Path) -> None:
    """An S600's SDK holds `llm` and `vlm`, and the S100's `oellm_run` and `oellm_multichat`."""
    s600, s100 = sdks.s600(tmp_path), sdks.s100(tmp_path)
    names = {
        "Qwen3-4B_language_chunk_512_cache_4096_w4_nash-p_corenum_4_4.hbm": (s600, "llm"),
        "Qwen3-VL-2B-Instruct_language_chunk_256_cache_1024_w4_nash-p_corenum_4_4.hbm": (s600, "vlm"),
        "Qwen2.5_1.5B_Instruct_1024.hbm": (s100, "oellm_multichat"),
        "InternLM2_1.8B_1024.hbm": (s100, "oellm_run"),
    }
    for name, (runtime, console) in names.items():
        assert default_model(load_settings(runtime_dir=runtime, hbm_path=tmp_path / name)).profile == console


def test_an_sdk_of_the_second_generation_is_named(board: Board, setup: Setup) -> None:
    (board.root / "opt").rename(board.root / "elsewhere")
    board.file("opt/OpenExplorer_LLM/oellm_runtime/lib/liboellm_runtime.so", "")
    assert "OpenExplorer_LLM is an OELLM 2.x SDK" in setup("--dry-run").out


def test_a_model_is_downloaded_that_this_board_and_its_sdk_can_run(board: Board, setup: Setup, tmp_path: Path) -> None:
    runtime = board.root / "opt/D-Robotics_LLM_S100_1.0.0_SDK/oellm_runtime"
    program = board.file(f"{runtime.relative_to(board.root)}/example/chat/oellm_multichat", "#!/bin/sh\n")
    program.chmod(0o755)
    (runtime / "lib").mkdir()
    (tmp_path / "bpu.env").write_text(f"BPU_RUNTIME_DIR={runtime}\nBPU_CONSOLE={program}\n")
    (command,) = (line for line in would_run(setup("--dry-run")) if line.startswith("pull "))
    row = find(command.partition(" ")[2])
    assert row is not None
    assert (row.pull, row.console, "S100" in row.boards) == (True, "oellm_multichat", True)
    of_0_9 = load_settings(runtime_dir=board.root / "opt/OpenExplorer_LLM_0.9.0/runtime")
    assert model_command(Subject(of_0_9, 4096, 3, "xlm_demo", "root", root=board.root)) == ()
    of_1_0 = Subject(load_settings(runtime_dir=runtime), 4096, 1, "oellm_multichat", "root", root=tmp_path / "none")
    assert model_command(of_1_0) == (), "another machine is no board"


@pytest.mark.parametrize("readable", [True, False])
def test_a_client_s_settings_need_root_where_the_keys_are_root_s(
    readable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text("k\n")
    subject = Subject(load_settings(api_keys_file=tmp_path / "keys"), 4096, 3, "xlm_demo", "root")
    monkeypatch.setattr(os, "access", lambda *words: readable)
    assert steps()[-1].examine(subject).needs_root is not readable


def test_every_command_of_a_step_is_one_that_exists() -> None:
    import click

    from bpu.cli import main

    assert isinstance(main, click.Group)
    names = main.list_commands(click.Context(main))
    subject = Subject(load_settings(), 4096, 3, "xlm_demo", "root", find=lambda program: None)
    for step in steps():
        command = step.examine(subject).command
        assert not command or command[0] in names
