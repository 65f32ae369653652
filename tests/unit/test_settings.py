"""The environment becomes one frozen object, and every mistake in it is named at once with its remedy."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from bpu.errors import SettingsError
from bpu.settings import Settings, load_settings, state_dir, variables

MISTAKES = {
    "BPU_ENGINE": "abacus",
    "BPU_CONSOLE_PROFILE": "xlm",
    "BPU_MODEL_TYPE": "three",
    "BPU_CONSOLE_ARGS": "--a 'b",
    "BPU_MODEL_ID": "two words",
    "BPU_CONTEXT_SIZE": "3",
    "BPU_LINE_LIMIT": "-1",
    "BPU_NEWLINE": "a\nb",
    "BPU_ENGINE_MODE": "both",
    "BPU_RESET": "never",
    "BPU_CONTINUE": "perhaps",
    "BPU_PRELOAD": "maybe",
    "BPU_LOAD_TIMEOUT_S": "soon",
    "BPU_STALL_TIMEOUT_S": "inf",
    "BPU_JOB_TIMEOUT_S": "-1",
    "BPU_QUEUE_LIMIT": "1.5",
    "BPU_KEEPALIVE_S": "0",
    "BPU_KEEPALIVE": "ping",
    "BPU_REASONING": "loud",
    "BPU_HISTORY": "forget",
    "BPU_API_KEYS_FILE": "/no/such/file",
    "BPU_MAX_BODY_BYTES": "12",
    "BPU_BIND": "everywhere",
    "BPU_WORKERS": "0",
}


def set_all(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def refused(**overrides: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**overrides)
    return caught.value.message


def test_all_mistakes_are_listed_at_once_each_with_its_value_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, MISTAKES)
    lines = refused().splitlines()
    named = {line.split(":")[0].strip(): line for line in lines[1:]}
    assert set(named) == set(MISTAKES)
    for name, line in named.items():
        assert repr(MISTAKES[name]) in line
        assert "must" in line or "cannot" in line
        assert "correct it" in line


def test_mistakes_are_in_the_terminal_s_language(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, MISTAKES)
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    head, *lines = refused().splitlines()
    assert head == "设置无法使用："
    assert len(lines) == len(MISTAKES)
    for line in lines:
        assert "必须" in line or "无法" in line or "至少" in line, line
        assert "must" not in line
        assert "请改正" in line


def test_choices_are_spelt_out() -> None:
    assert "'auto', 'console', 'cpu' or 'simulator'" in refused(engine="x")


@pytest.mark.parametrize(
    ("name", "meant"), [("BPU_ENIGNE", "BPU_ENGINE"), ("BPU_API_KEY", "BPU_API_KEYS"), ("BPU_WORKER", "BPU_WORKERS")]
)
def test_a_misspelt_variable_is_a_mistake_too(name: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    message = refused(engine="x")
    assert f"{name}: there is no such setting; rename it to {meant}" in message
    assert "BPU_ENGINE: must be" in message


def test_variables_of_other_programs_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_MONITOR_REFRESH_RATE_HZ", "60")
    monkeypatch.setenv("HB_DNN_LOG_LEVEL", "3")
    assert load_settings() == Settings()


def test_the_name_of_every_variable_is_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    assert variables()["continue_"] == "BPU_CONTINUE"
    assert len(variables()) == len(Settings.model_fields)
    monkeypatch.setenv("BPU_CONTINUE", "never")
    assert load_settings().continue_ == "never"
    assert load_settings(continue_="always").continue_ == "always"
    assert "BPU_CONTINUE:" in refused(continue_="x")


def test_a_variable_set_to_nothing_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, dict.fromkeys(variables().values(), ""))
    settings = load_settings()
    assert settings == Settings()
    assert settings.explicit == frozenset()


def test_what_the_user_set_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_HBM_PATH", "model/x.hbm")
    assert load_settings(workers="3").explicit == {"hbm_path", "workers"}


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError):
        load_settings().workers = 3  # type: ignore[misc]


def test_forms_of_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("k\n")
    set_all(
        monkeypatch,
        {
            "BPU_API_KEYS": " one, two ,,",
            "BPU_API_KEYS_FILE": str(keys),
            "BPU_CONSOLE_ARGS": "--name 'a b' -x",
            "BPU_CONTEXT_SIZE": "AUTO",
            "BPU_LINE_LIMIT": "0",
            "BPU_PRELOAD": "0",
            "BPU_LOG_PROMPTS": "yes",
            "BPU_HBM_PATH": "~/model.hbm",
            "BPU_RUNTIME_DIR": "~/runtime",
            "HOME": "/home/somebody",
        },
    )
    settings = load_settings()
    assert settings.api_keys == ("one", "two")
    assert settings.api_keys_file == keys
    assert settings.console_args == ("--name", "a b", "-x")
    assert (settings.context_size, settings.line_limit) == (None, 0)
    assert (settings.preload, settings.log_prompts) == (False, True)
    assert settings.hbm_path == Path("/home/somebody/model.hbm")
    assert settings.in_runtime(settings.console) == Path("/home/somebody/runtime/bin/xlm_demo")


@pytest.mark.parametrize(
    "bind",
    [
        "0.0.0.0:8000",
        "127.0.0.1:0",
        "localhost:80",
        "[::]:8000",
        "[fe80::1%eth0]:8000",
        "127.0.0.1:80,unix:/run/bpu/x",
        "unix:/run/bpu/http.sock",
    ],
)
def test_addresses_that_gunicorn_takes(bind: str) -> None:
    assert load_settings(bind=bind).bind == bind


@pytest.mark.parametrize(
    "bind", ["8000", ":8000", "host", "host:port", "host:70000", "http://host:80", "::1:80", "unix:", "a:1,,b:2"]
)
def test_addresses_that_are_mistakes(bind: str) -> None:
    assert "BPU_BIND: must be HOST:PORT" in refused(bind=bind)


def test_a_named_state_folder_is_made_private_and_used(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "state"
    assert state_dir(load_settings(state_dir=str(folder))) == folder
    assert folder.stat().st_mode & 0o007 == 0


def test_a_named_state_folder_that_cannot_be_used_is_an_error_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SettingsError, match=r"BPU_STATE_DIR: .*file cannot be used: File exists"):
        state_dir(load_settings(state_dir=str(file)))
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(SettingsError, match="every user may write"):
        state_dir(load_settings(state_dir=str(open_to_all)))


@pytest.fixture
def no_system_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine where /run/bpu cannot be used, with a temporary folder of its own."""
    monkeypatch.setattr("bpu.settings.SYSTEM_STATE", tmp_path / "file" / "bpu")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return tmp_path


def test_the_choice_of_a_state_folder(no_system_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_dir(load_settings()) == no_system_folder / f"bpu-{os.getuid()}"
    session = no_system_folder / "session"
    session.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    assert state_dir(load_settings()) == session / "bpu"
    monkeypatch.setattr("bpu.settings.SYSTEM_STATE", no_system_folder / "run")
    assert state_dir(load_settings()) == no_system_folder / "run"


def test_a_folder_or_link_of_another_user_in_the_temporary_folder_is_refused(
    no_system_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, folder = no_system_folder / "bpu-link", no_system_folder / "bpu-folder"
    link.symlink_to(no_system_folder)
    folder.mkdir()
    if os.getuid() == 0:
        os.lchown(link, 12345, 12345)
        os.chown(folder, 12345, 12345)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    for path, reason in ((link, "a link that another user made"), (folder, "belongs to another user")):
        with pytest.raises(SettingsError, match=reason):
            state_dir(load_settings(state_dir=str(path)))
