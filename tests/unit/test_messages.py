"""Both languages of the terminal are complete and say the same."""

from __future__ import annotations

import pkgutil
import re
import shlex
import string
import sys
from pathlib import Path

import pytest

import benchmarks.messages
import bpu.messages
from bpu.messages import has, language, program, sudo_program, texts, translate

AREAS = [module.name for module in pkgutil.iter_modules(bpu.messages.__path__)]
CATALOGUES = {**{area: texts(area) for area in AREAS}, "benchmarks": benchmarks.messages.TEXTS}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


#: Ways to call the command line that work on some machines only.
GUESSES = re.compile(r"python3? -m bpu|\.venv/bin|sudo bpu|sudo python|(?<![\w{/-])bpu (?:--)?[a-z]")


@pytest.mark.parametrize("area", CATALOGUES)
def test_every_text_stands_in_both_languages_with_the_same_placeholders(area: str) -> None:
    assert CATALOGUES[area]
    for key, (english, chinese) in CATALOGUES[area].items():
        assert english.strip(), key
        assert chinese.strip(), key
        assert placeholders(english) == placeholders(chinese), key
        assert CHINESE.search(chinese) or english == chinese, f"{area}.{key} is not translated"
        assert not CHINESE.search(english), f"{area}.{key} holds Chinese in its English text"
        for text in (english, chinese):
            assert not GUESSES.search(text), f"{area}.{key} must call the program by {{bpu}} or {{sudo_bpu}}"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "zh_TW", "LC_ALL": ""}, "zh"),
    ],
)
def test_the_first_variable_that_is_set_decides(environ: dict[str, str], wanted: str) -> None:
    assert language(environ) == wanted


def test_placeholders_are_filled_and_unknown_keys_are_errors() -> None:
    assert translate("cli.error", lang="en", message="Stop.") == "Error: Stop."
    assert translate("cli.error", lang="zh", message="停") == "错误：停"
    assert has("cli.error")
    assert not has("cli.nothing")
    assert not has("nowhere.nothing")
    with pytest.raises(KeyError):
        translate("nowhere.nothing")


def test_the_command_for_this_folder_is_read_by_a_shell_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "my board's gateway" / "bpu"
    script.parent.mkdir()
    monkeypatch.setattr(bpu.messages, "_script", lambda: script)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    assert shlex.split(program()) == [str(script.with_name("python")), "-m", "bpu"]
    script.touch()
    assert shlex.split(program()) == [str(script)]
    assert shlex.split(sudo_program()) == ["sudo", str(script)]
