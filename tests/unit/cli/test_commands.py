"""The command line itself: lazy loading, suggestions, errors, both languages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import bpu
from bpu.board import tools
from bpu.cli import COMMANDS, main
from bpu.errors import EngineUnavailable
from bpu.messages import texts
from scripts import catalogue

PROJECT = Path(__file__).parents[3]


def module(*arguments: str, lang: str = "C.UTF-8", **variables: str) -> tools.Result:
    return tools.run(
        [sys.executable, "-m", "bpu", *arguments],
        timeout=60,
        cwd=PROJECT,
        env={"LC_ALL": lang, "PYTHONIOENCODING": "utf-8", **variables},
    )


def test_version_and_help_leave_with_zero() -> None:
    assert module("--version").out == f"rdk-bpu-gateway {bpu.__version__}\n"
    shown = module("-h")
    assert shown.code == 0
    assert "serve " in shown.out
    assert "simulator " in shown.out


def test_help_imports_no_command() -> None:
    code = (
        "import sys\n"
        "from bpu.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = [m for m in sys.modules if m.startswith(('bpu.cli.', 'pydantic', 'flask', 'gevent'))]\n"
        "sys.exit(repr(heavy) if heavy else 0)\n"
    )
    result = tools.run([sys.executable, "-c", code], timeout=60, cwd=PROJECT)
    assert result.code == 0, result.err


def test_the_list_of_commands_names_every_module_of_a_command() -> None:
    modules = {path.stem for path in (Path(bpu.__file__).parent / "cli").glob("[a-z]*.py")}
    assert set(COMMANDS) == modules


def test_every_command_loads_and_is_described_in_the_list() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert isinstance(command, click.Command)
    listed = CliRunner().invoke(main, ["--help"]).output.split("Commands:")[1].strip().splitlines()
    assert [line for line in listed if len(line.split()) < 3] == []


@pytest.mark.parametrize("lang", ["C", "zh_CN.UTF-8"])
@pytest.mark.parametrize("group", ["connect", "ion", "perf", "service"])
def test_the_list_of_a_group_says_whole_sentences(group: str, lang: str) -> None:
    result = module(group, "--help", lang=lang, COLUMNS="80")
    heading = "\nCommands:\n" if lang == "C" else "\n命令:\n"
    listed = " ".join(result.out.partition(heading)[2].split())
    assert listed
    assert "..." not in listed
    assert max(map(len, result.out.splitlines())) <= 80


def test_the_language_of_the_terminal_decides() -> None:
    assert "开发板" in module("--help", lang="zh_CN.UTF-8").out
    assert "监听地址" in module("serve", "--help", lang="zh_CN.UTF-8").out


@pytest.mark.parametrize(("typed", "said"), [("serv", "Did you mean 'serve'?"), ("qqqq", "lists all commands")])
def test_an_unknown_command_is_a_usage_error_with_a_way_on(typed: str, said: str) -> None:
    result = CliRunner().invoke(main, [typed], env={"LC_ALL": "C"})
    assert result.exit_code == 2
    assert said in result.output


def test_an_error_is_one_sentence_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def fails() -> None:
        raise EngineUnavailable("The model file is not there. Copy it.")

    monkeypatch.setattr(main, "get_command", lambda ctx, name: fails)
    result = CliRunner().invoke(main, ["fails"], env={"LC_ALL": "C"})
    assert result.output == "Error: The model file is not there. Copy it.\n"
    assert result.exit_code == EngineUnavailable.exit_code


def test_a_wrong_setting_stops_serve_before_gunicorn_with_every_mistake() -> None:
    result = module("serve", "--workers", "many", "--engine", "abacus", BPU_QUEUE_LIMIT="-1")
    assert result.code == 2
    for name in ("BPU_WORKERS", "BPU_ENGINE", "BPU_QUEUE_LIMIT"):
        assert name in result.err
    assert "Traceback" not in result.err


class Execed(BaseException):
    def __init__(self, argv: list[str], env: dict[str, str], cwd: Path) -> None:
        self.argv, self.env, self.cwd = argv, env, cwd


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(argv: list[str], *, env: dict[str, str], cwd: Path) -> None:
        raise Execed(argv, env, cwd)

    monkeypatch.setattr(tools, "replace", replace)


@pytest.mark.usefixtures("replaced")
def test_serve_becomes_gunicorn_with_the_chosen_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BPU_RUNTIME_DIR", "runtime")
    words = ["serve", "--bind", "127.0.0.1:9000", "--state-dir", "state", "--", "--log-level", "debug"]
    with pytest.raises(Execed) as caught:
        main(words, standalone_mode=False)
    execed = caught.value
    assert execed.argv == [
        *(sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--log-level", "debug", "wsgi:app")
    ]
    assert execed.cwd == PROJECT
    assert execed.env == {
        "BPU_BIND": "127.0.0.1:9000",
        "BPU_STATE_DIR": str(tmp_path / "state"),
        "BPU_RUNTIME_DIR": str(tmp_path / "runtime"),
    }


@pytest.mark.usefixtures("replaced")
def test_simulator_hands_every_word_on() -> None:
    words = ["--help", "--speed", "50", "-x", "word"]
    with pytest.raises(Execed) as caught:
        main(["simulator", *words], standalone_mode=False)
    assert caught.value.argv == [sys.executable, "-m", "bpu.simulator", *words]
    assert caught.value.cwd == PROJECT


def test_the_simulator_s_own_help_comes_through_a_pipe() -> None:
    result = module("simulator", "--help")
    assert (result.code, "--fault" in result.out) == (0, True)


def test_a_closed_pipe_is_no_traceback() -> None:
    line = f"{sys.executable} -m bpu serve --help | true"
    shell = subprocess.run(["sh", "-c", line], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in shell.stderr


def test_a_python_without_the_libraries_gets_a_remedy() -> None:
    bare = subprocess.run(
        [sys.executable, "-S", "-m", "bpu", "doctor"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert bare.returncode == 1
    assert "'click'" in bare.stderr
    assert ".venv/bin/bpu" in bare.stderr
    assert "Traceback" not in bare.stderr


def test_the_words_of_click_itself_are_chinese_too() -> None:
    shown = module("load", "--help", lang="zh_CN.UTF-8").out
    assert "用法：" in shown
    assert "显示此说明后退出" in shown
    assert "Usage" not in shown
    assert "Options" not in shown
    wrong = module("load", "--nothing", lang="zh_CN.UTF-8")
    assert wrong.code == 2
    assert "没有选项" in wrong.err
    # What gettext looks up with a plural, and what is a word of a sentence.
    for words, meant in [
        (["pull", "one", "two"], "多余的参数（two）"),
        (["load", "--timeout"], "选项 '--timeout' 需要一个值"),
        (["connect", "openclaw", "--api", "none"], "不是以下之一"),
        (["models", "add", "/nowhere"], "目录 '/nowhere' 不存在"),
    ]:
        assert meant in module(*words, lang="zh_CN.UTF-8").err


def test_the_catalogue_for_click_is_the_one_made_from_the_texts() -> None:
    assert catalogue.CATALOGUE.read_bytes() == catalogue.compile_catalogue(dict(texts("click").values())), (
        "run scripts/catalogue.py"
    )
