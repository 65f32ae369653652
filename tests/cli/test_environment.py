"""The service's file of settings is read as systemd reads it, and never wins over the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bpu.board import tools
from bpu.cli import main
from bpu.cli._environment import adopt, variables
from bpu.errors import SettingsError
from bpu.settings import Settings
from bpu.settings import variables as fields

PROJECT = Path(__file__).parents[2]
EXAMPLE = PROJECT / "deploy" / "bpu.env.example"


def read(text: str) -> dict[str, str]:
    return dict(variables(text, Path("x.env")))


def test_lines_are_read_with_comments_and_quotation_marks() -> None:
    text = "# no\n; no\n\nBPU_BIND=0.0.0.0:9000\nBPU_NEWLINE='\\n'\n BPU_CONSOLE_ARGS=\"--a b\" \nBPU_MODEL_ID=\n"
    assert read(text) == {
        "BPU_BIND": "0.0.0.0:9000",
        "BPU_NEWLINE": "\\n",
        "BPU_CONSOLE_ARGS": "--a b",
        "BPU_MODEL_ID": "",
    }


@pytest.mark.parametrize("line", ["BPU_BIND", "BPU BIND=1", "BPU_BIND='x"])
def test_a_broken_line_is_named(line: str) -> None:
    with pytest.raises(SettingsError, match="line 2"):
        read(f"# first\n{line}\n")


def test_what_is_set_already_wins_and_foreign_variables_stay_out(tmp_path: Path) -> None:
    file = tmp_path / "bpu.env"
    file.write_text("BPU_BIND=1.1.1.1:1\nBPU_WORKERS=3\nPATH=/nowhere\n")
    environ = {"BPU_BIND": "2.2.2.2:2", "PATH": "/bin"}
    adopt(file, asked=True, environ=environ)
    assert environ == {"BPU_BIND": "2.2.2.2:2", "PATH": "/bin", "BPU_WORKERS": "3"}


def test_a_file_that_may_not_be_read_is_told_and_no_obstacle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adopt(tmp_path / "missing", asked=False, environ={})
    assert capsys.readouterr().err == ""
    adopt(tmp_path, asked=False, environ={})  # a folder: it cannot be read, for root either
    assert "cannot be read" in capsys.readouterr().err
    with pytest.raises(SettingsError):
        adopt(tmp_path, asked=True, environ={})


def test_a_command_sees_the_file(tmp_path: Path) -> None:
    file = tmp_path / "bpu.env"
    file.write_text("BPU_MODEL_ID=from-the-file\nBPU_ENGINE=simulator\n")
    code = ["--env-file", str(file), "connect", "curl", "--url", "http://board:8000"]
    result = tools.run([sys.executable, "-m", "bpu", *code], timeout=60, cwd=PROJECT)
    assert "from-the-file" in result.out, result.err
    assert CliRunner().invoke(main, ["--env-file", str(tmp_path / "missing"), "connect", "curl"]).exit_code == 2


def test_the_example_names_real_settings_with_their_defaults() -> None:
    shown = read("\n".join(line.lstrip("#") for line in EXAMPLE.read_text().splitlines() if line.startswith("#BPU_")))
    names = {variable: field for field, variable in fields().items()}
    defaults = Settings()
    assert len(shown) > 8
    for name, value in shown.items():
        default = getattr(defaults, names[name])
        if name != "BPU_API_KEYS_FILE":
            assert value == str(int(default) if isinstance(default, float) else default), name
