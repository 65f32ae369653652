"""The one settings file: which counts, who is believed, what it changes, and how it is written."""

from __future__ import annotations

import errno
import os
import pwd
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpu import settings_file
from bpu.board import tools
from bpu.errors import SettingsError
from bpu.settings import Settings
from bpu.settings import variables as fields

PROJECT = Path(__file__).parents[2]
EXAMPLE = PROJECT / "deploy" / "bpu.env.example"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
OTHER = pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """The three usual files, below a folder of this test; none of them is there yet."""
    monkeypatch.delenv(settings_file.VARIABLE, raising=False)
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(settings_file, "SYSTEM_FILE", tmp_path / "etc" / "bpu.env")
    monkeypatch.setattr(settings_file, "PROJECT", tmp_path / "project")
    found = dict(zip(("system", "user", "project"), settings_file.usual_files(), strict=True))
    for path in found.values():
        path.parent.mkdir(parents=True, mode=0o755)
    yield found
    settings_file.release()


def read(text: str) -> dict[str, str]:
    return dict(settings_file.variables(text, Path("x.env")))


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


def test_the_first_file_that_exists_counts_alone(places: dict[str, Path]) -> None:
    assert settings_file.find() == settings_file.SettingsFile()
    for name in ("project", "user", "system"):
        places[name].write_text(f"BPU_MODEL_ID={name}\n")
        assert settings_file.find().values == {"BPU_MODEL_ID": name}
        assert settings_file.target_file() == places[name]


def test_the_environment_wins_and_foreign_variables_stay_out(places: dict[str, Path]) -> None:
    places["user"].write_text("BPU_BIND=1.1.1.1:1\nBPU_WORKERS=3\nPATH=/nowhere\n")
    environ = {"BPU_BIND": "2.2.2.2:2", "BPU_MODEL_ID": "", "PATH": "/bin"}
    settings_file.adopt(environ)
    assert environ == {"BPU_BIND": "2.2.2.2:2", "BPU_MODEL_ID": "", "PATH": "/bin", "BPU_WORKERS": "3"}
    assert settings_file.source("BPU_WORKERS", environ) == places["user"]
    assert settings_file.source("BPU_BIND", environ) == "environment"
    assert settings_file.source("BPU_MODEL_ID", environ) == "default"


def test_a_file_that_has_changed_is_taken_anew(places: dict[str, Path]) -> None:
    environ: dict[str, str] = {}
    for text, wanted in (
        ("BPU_WORKERS=3\n", {"BPU_WORKERS": "3"}),
        ("BPU_BIND=1.1.1.1:1\n", {"BPU_BIND": "1.1.1.1:1"}),
    ):
        places["user"].write_text(text)
        settings_file.adopt(environ)
        assert environ == wanted


@pytest.mark.parametrize("mode", [0o666, 0o646])
def test_a_file_that_others_may_write_is_named_and_not_read(places: dict[str, Path], mode: int) -> None:
    places["user"].write_text("BPU_MODEL_ID=forged\n")
    places["user"].chmod(mode)
    found = settings_file.find()
    assert found.values == {}
    assert "can be written by other users" in found.notices[0]
    assert str(places["user"]) in found.notices[0]


def test_a_folder_that_others_may_write_makes_its_files_unbelievable(places: dict[str, Path]) -> None:
    places["user"].write_text("BPU_MODEL_ID=forged\n")
    places["user"].parent.chmod(0o777)
    assert settings_file.find().values == {}


@as_root
def test_root_believes_no_file_of_another_user(places: dict[str, Path]) -> None:
    places["user"].write_text("BPU_MODEL_ID=forged\n")
    os.chown(places["user"], OTHER, -1)
    assert settings_file.find().values == {}
    os.chown(places["user"], 0, -1)
    assert settings_file.find().values == {"BPU_MODEL_ID": "forged"}
    os.chown(places["user"].parent, OTHER, -1)
    assert settings_file.find().values == {}


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home folder of another user, who has called sudo; every folder above it may be entered."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        (home / ".config" / "bpu").mkdir(parents=True)
        Path(folder).chmod(0o755)
        for path in (home, *home.rglob("*")):
            os.chown(path, OTHER, pwd.getpwuid(OTHER).pw_gid)
        entry = pwd.getpwuid(OTHER)
        monkeypatch.setattr(pwd, "getpwuid", lambda number: pwd.struct_passwd((*entry[:5], str(home), entry[6])))
        monkeypatch.setenv("SUDO_UID", str(OTHER))
        yield home


@as_root
def test_under_sudo_the_caller_s_file_is_named_and_read_with_the_caller_s_rights_only(
    places: dict[str, Path], caller: Path
) -> None:
    file, secret = caller / ".config/bpu/bpu.env", caller.parent / "secret"
    file.write_text("BPU_MODEL_ID=mine\n")
    os.chown(file, OTHER, -1)
    found = settings_file.find()
    assert found.values == {}
    assert str(file) in found.notices[0]
    assert settings_file.sudo_user_file() == (file, OTHER)
    assert settings_file.read_as(file, OTHER) == {"BPU_MODEL_ID": "mine"}
    secret.write_text("BPU_MODEL_ID=secret\n")
    secret.chmod(0o600)
    file.unlink()
    file.symlink_to(secret)
    with pytest.raises(SettingsError, match="Permission denied"):
        settings_file.read_as(file, OTHER)
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_a_named_file_must_be_there_and_be_believed(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings_file.VARIABLE, str(places["user"]))
    with pytest.raises(SettingsError, match="cannot be read"):
        settings_file.find()
    places["user"].write_text("BPU_WORKERS=3\n")
    places["user"].chmod(0o666)
    with pytest.raises(SettingsError, match="written by other users"):
        settings_file.find()
    monkeypatch.setenv(settings_file.VARIABLE, os.devnull)
    assert settings_file.find() == settings_file.SettingsFile()


def test_keys_that_every_user_may_read_are_refused(places: dict[str, Path]) -> None:
    places["user"].write_text("BPU_API_KEYS=secret\n")
    places["user"].chmod(0o644)
    with pytest.raises(SettingsError, match="BPU_API_KEYS_FILE"):
        settings_file.find()
    places["user"].chmod(0o600)
    assert settings_file.find().values == {"BPU_API_KEYS": "secret"}


@pytest.mark.parametrize(
    "value", ["plain", "/a/b:c", "two words", "\\n", "it's", 'say "hi"', 'it\'s "$HOME" `x` \\', "#x"]
)
def test_what_is_written_is_read_again(value: str) -> None:
    text = settings_file.apply_changes(
        "# a comment\nBPU_BIND=1.1.1.1:1\nBPU_NEWLINE=x\nBPU_BIND=2.2.2.2:2\n", {"BPU_BIND": value}
    )
    assert read(text) == {"BPU_NEWLINE": "x", "BPU_BIND": value}
    assert text.startswith("# a comment\n")
    assert text.count("BPU_BIND") == 1
    assert read(settings_file.apply_changes(text, {"BPU_BIND": ""})) == {"BPU_NEWLINE": "x"}


@pytest.mark.parametrize("value", ["--a\n--b", "a\r", "a\u2028b", "/folder/\udcff"])
def test_a_value_that_one_line_cannot_hold_never_reaches_the_file(places: dict[str, Path], value: str) -> None:
    """Otherwise no command could read the file any more, `config set` among them."""
    with pytest.raises(SettingsError, match="BPU_CONSOLE_ARGS"):
        settings_file.write(places["user"], {"BPU_WORKERS": "3", "BPU_CONSOLE_ARGS": value})
    assert list(places["user"].parent.iterdir()) == []


def test_a_write_leaves_the_file_whole_and_private_outside_etc(places: dict[str, Path]) -> None:
    settings_file.write(places["user"], {"BPU_WORKERS": "3"})
    assert places["user"].stat().st_mode & 0o777 == 0o600
    assert list(places["user"].parent.iterdir()) == [places["user"]]
    with pytest.raises(SettingsError, match="cannot be written"):
        settings_file.write(places["user"] / "below" / "a" / "file", {"BPU_WORKERS": "3"})
    assert places["user"].read_text() == "BPU_WORKERS=3\n"


def test_the_system_s_file_is_root_s_and_the_command_for_that_is_said(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SettingsError, match=r"Run: sudo .*config set"):
        settings_file.write(places["system"], {"BPU_WORKERS": "3"})
    with pytest.raises(SettingsError, match="Permission denied"):
        settings_file.write(places["user"], {"BPU_WORKERS": "3"})


def test_a_command_sees_the_file(tmp_path: Path) -> None:
    file = tmp_path / "bpu.env"
    file.write_text("BPU_MODEL_ID=from-the-file\nBPU_ENGINE=simulator\n")
    code = ["--env-file", str(file), "connect", "curl", "--url", "http://board:8000"]
    result = tools.run([sys.executable, "-m", "bpu", *code], timeout=60, cwd=PROJECT)
    assert "from-the-file" in result.out, result.err
    # In a process of its own, because the option holds for all programs that the command starts.
    missing = ["--env-file", str(tmp_path / "missing"), "connect", "curl"]
    assert tools.run([sys.executable, "-m", "bpu", *missing], timeout=60, cwd=PROJECT).code == 2


def test_the_server_reads_the_file_too_and_refuses_a_broken_one(tmp_path: Path) -> None:
    file = tmp_path / "bpu.env"
    file.write_text("BPU_WORKERS=none\n")
    env = {settings_file.VARIABLE: str(file), "BPU_STATE_DIR": str(tmp_path / "state")}
    words = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    result = tools.run(words, timeout=60, cwd=PROJECT, env=env)
    assert (result.code, "BPU_WORKERS" in result.err) == (2, True)
    file.write_text("BPU_WORKERS\n")
    result = tools.run(words, timeout=60, cwd=PROJECT, env=env)
    assert (result.code, "line 1" in result.err, "Traceback" in result.err) == (2, True, False)


def test_the_example_names_real_settings_with_their_defaults() -> None:
    shown = read("\n".join(line.lstrip("#") for line in EXAMPLE.read_text().splitlines() if line.startswith("#BPU_")))
    names = {variable: field for field, variable in fields().items()}
    defaults = Settings()
    assert len(shown) > 8
    for name, value in shown.items():
        default = getattr(defaults, names[name])
        if name != "BPU_API_KEYS_FILE":
            assert value == str(int(default) if isinstance(default, float) else default), name
