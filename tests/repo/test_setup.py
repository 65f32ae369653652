"""What `make` does before anything else: the virtual environment, its repair, and its installs without a network."""

from __future__ import annotations

import os
import re
import sys
import zipfile
from pathlib import Path

import pytest

from bpu.board import tools

PROJECT = Path(__file__).parents[2]


def wheel(folder: Path, version: str) -> None:
    """The smallest package that pip takes."""
    folder.mkdir(exist_ok=True)
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny.py", f"version = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def setup(
    folder: Path, python: str | Path = sys.executable, *, file: str = "requirements.txt", **env: str
) -> tools.Result:
    return tools.run(
        ["sh", PROJECT / "scripts" / "setup.sh", ".venv", file],
        timeout=100,
        cwd=folder,
        env={"PYTHON": str(python), **env},
    )


def version(folder: Path) -> str:
    return tools.run([folder / ".venv/bin/python", "-c", "import tiny; print(tiny.version)"], timeout=30).out.strip()


@pytest.mark.long
def test_installs_from_wheels_again_only_when_the_requirements_have_changed(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels", "1.0")
    (tmp_path / "requirements.txt").write_text("tiny\n")
    first = setup(tmp_path)
    assert first.ok, first.err
    assert version(tmp_path) == "1.0"
    assert setup(tmp_path) == tools.Result(0, "", "")

    wheel(tmp_path / "wheels", "2.0")
    (tmp_path / "requirements.txt").write_text("tiny>=2\n")
    os.utime(tmp_path / "requirements.txt", (0, 0))  # A checkout may bring an older file back.
    assert setup(tmp_path).ok
    assert version(tmp_path) == "2.0"

    # A PC that has made wheels for a board installs from the network, for which another folder stands here.
    wheel(tmp_path / "network", "3.0")
    (tmp_path / "wheels" / "built-1.0-cp310-cp310-manylinux_2_17_pdp11.whl").touch()
    (tmp_path / "requirements.txt").write_text("tiny>=3\n")
    assert setup(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "network")).ok
    assert version(tmp_path) == "3.0"


def fake_python(folder: Path, body: str) -> Path:
    path = folder / "python3"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


#: Makes environments of nothing but itself, and installs whatever it is told to unless there is a file `amiss`.
MAKER = """case "$*" in
--version) echo Python 3.12.1;;
"-m venv"*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
"-m pip"*) [ ! -e amiss ];;
esac"""


def test_an_environment_whose_python_has_gone_is_made_anew_and_a_failure_leaves_no_mark(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("")
    python = fake_python(tmp_path, MAKER)
    (tmp_path / "amiss").touch()
    for _ in range(2):
        failed = setup(tmp_path, python)
        assert failed.code != 0
        assert "make wheels" in failed.err
    (tmp_path / "amiss").unlink()
    assert "Installing requirements.txt" in setup(tmp_path, python).out
    (tmp_path / ".venv/bin/python").unlink()
    assert "Making the virtual environment" in setup(tmp_path, python).out


def test_a_python_without_pip_gets_the_one_among_the_wheels(tmp_path: Path) -> None:
    """As on a board whose system lacks python3-venv and has no network to install it."""
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels/pip-99.0-py3-none-any.whl").touch()
    body = """echo "$@" >>calls
case "$*" in
"-m venv --without-pip"*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python";;
"-m venv"*|"-m virtualenv"*) exit 1;;
esac"""
    result = setup(tmp_path, fake_python(tmp_path, body))
    assert result.ok, result.err
    calls = (tmp_path / "calls").read_text()
    assert "wheels/pip-99.0-py3-none-any.whl/pip install --quiet --no-index --find-links wheels pip\n" in calls
    assert "-m pip install" in calls


@pytest.mark.parametrize(("file", "whole"), [("requirements.lock", True), ("requirements.txt", False)])
def test_a_lock_is_installed_as_it_is_and_floors_with_what_they_require(tmp_path: Path, file: str, whole: bool) -> None:
    for name in ("requirements.lock", "requirements.txt"):
        (tmp_path / name).write_text("")
    python = fake_python(tmp_path, f'echo "$@" >>calls\n{MAKER}')
    assert setup(tmp_path, python, file=file).ok
    (line,) = [line for line in (tmp_path / "calls").read_text().splitlines() if "-r " in line]
    assert (f"-r {file}" in line, "--no-deps" in line) == (True, whole)
    assert setup(tmp_path, python, file=file).out == ""
    (tmp_path / file).write_text("other==1\n")
    assert "Installing" in setup(tmp_path, python, file=file).out


def test_an_environment_that_was_copied_from_elsewhere_is_made_anew(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "requirements.txt").write_text("")
    python = fake_python(tmp_path, MAKER)
    assert "Making the virtual environment" in setup(project, python).out
    assert setup(project, python) == tools.Result(0, "", "")
    moved = project.rename(tmp_path / "elsewhere")
    assert "Making the virtual environment" in setup(moved, python).out
    (moved / ".venv/made-for").write_text(f"pdp11 {moved}\n")
    assert "Making the virtual environment" in setup(moved, python).out
    assert setup(moved, python) == tools.Result(0, "", "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('case "$*" in -m*) mkdir -p .venv; exit 1;; esac', "sudo apt install python3-venv"),
        (
            'case "$*" in -c*) exit 1;; --version) echo Python 3.8.10;; esac',
            "is Python 3.8.10, but Python 3.10 or later",
        ),
    ],
)
def test_what_is_missing_is_named_with_its_remedy_and_leaves_nothing_behind(
    body: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "requirements.txt").write_text("")
    result = setup(tmp_path, fake_python(tmp_path, body))
    assert result.code == 1
    assert said in result.err
    assert not (tmp_path / ".venv").exists()


def test_no_python_at_all_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("")
    result = setup(tmp_path, "no-such-python")
    assert result.code == 1
    assert "sudo apt install python3 python3-venv" in result.err


def test_the_script_of_the_whole_check_is_sound_bash() -> None:
    script = PROJECT / ".ci" / "run"
    assert tools.run(["bash", "-n", script], timeout=30) == tools.Result(0, "", "")
    assert os.access(script, os.X_OK)


MODEL_PIP = """case "$*" in
--version) echo Python 3.12.1;;
"-m pip"*) echo "$@" >>calls; [ ! -e amiss ];;
esac"""


def offer(folder: Path, *words: str, **env: str) -> tools.Result:
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f"#!/bin/sh\n{MODEL_PIP}\n")
    python.chmod(0o755)
    (folder / "requirements-cpu.txt").write_text("a==1\n")
    script: list[str | Path] = ["sh", PROJECT / "scripts" / "model.sh", ".venv", *words]
    return tools.run(script, timeout=60, cwd=folder, env={"BPU_ENGINE": "", "BOARD_MODEL": "/no/board", **env})


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []


def test_a_model_is_offered_once_and_nothing_is_compiled(tmp_path: Path) -> None:
    first = offer(tmp_path, "offer")
    assert first.ok, first.err
    assert "127 MB" in first.out
    assert offer(tmp_path, "offer") == tools.Result(0, "", "")
    (line,) = calls(tmp_path)
    assert {"--only-binary=:all:", "--no-deps", "--timeout"} <= set(line.split())


def test_without_the_model_the_start_goes_on_and_says_how_to_get_it_later(tmp_path: Path) -> None:
    (tmp_path / "amiss").touch()
    failed = offer(tmp_path, "offer")
    assert failed.ok
    assert "make model" in failed.err
    # Nobody waits for a network twice; who asks for the model is told the truth.
    assert offer(tmp_path, "offer") == tools.Result(0, "", "")
    assert offer(tmp_path).code == 1
    (tmp_path / "amiss").unlink()
    assert offer(tmp_path).ok
    assert offer(tmp_path) == tools.Result(0, "", "")


@pytest.mark.parametrize(
    "env",
    [
        {"BPU_ENGINE": "simulator"},
        {"BPU_ENGINE": "console"},
        {"BPU_RUNTIME_DIR": "/opt/llm"},
        {"BOARD_MODEL": "board"},
    ],
)
def test_nothing_is_installed_where_another_engine_answers(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "board").write_bytes(b"D-Robotics RDK S100 V1P1\0")
    assert offer(tmp_path, "offer", **env) == tools.Result(0, "", "")
    assert calls(tmp_path) == []


def test_the_list_of_targets_is_in_the_reader_s_language() -> None:
    names = {}
    for locale in ("C.UTF-8", "zh_CN.UTF-8"):
        listed = tools.run(["make", "help"], timeout=30, cwd=PROJECT, env={"LC_ALL": locale})
        assert listed.ok, listed.err
        rows = [line.split(None, 2) for line in listed.out.splitlines()]
        names[locale] = [row[1] for row in rows]
        chinese = [bool(re.search(r"[\u4e00-\u9fff]", row[2])) for row in rows]
        assert chinese == [locale.startswith("zh")] * len(rows)
    assert "run" in names["C.UTF-8"]
    assert names["C.UTF-8"] == names["zh_CN.UTF-8"]
