"""Every regular expression that may see a stranger's text takes linear time, in Python and in the page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.expressions import PROJECT, STATIC, compiled, hostile, in_python, of_the_page

#: Alone it takes 45 s. A quadratic expression takes many minutes for what is asked of it, a cubic one hours.
LIMIT_S = 900


def slow(command: list[str], words: str = "") -> list[str]:
    """What a program found slow; the expression at which it was still busy when its time was up is that, too."""
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, cwd=PROJECT) as program:
        try:
            told, _ = program.communicate(words, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            program.kill()
            told, _ = program.communicate()
            return [*told.splitlines()[-1:], "was not done in time"]
    assert program.returncode == 0
    lines = [json.loads(line) for line in told.splitlines()]
    assert any("tried" in line for line in lines)
    return [json.dumps(line) for line in lines if "slow" in line]


@pytest.mark.long
@pytest.mark.timeout(LIMIT_S + 60)
def test_1_every_expression_in_python_is_linear() -> None:
    assert slow([sys.executable, "-m", "tests.repo.expressions"]) == []


@pytest.mark.long
@pytest.mark.timeout(LIMIT_S + 60)
def test_1_every_expression_of_the_page_and_what_draws_an_answer_is_linear() -> None:
    node = shutil.which("node") or pytest.skip("Node is not installed.")
    known = {
        name: [source, flags, sorted(hostile(in_python(source)))] for name, (source, flags) in of_the_page().items()
    }
    command = [node, str(Path(__file__).with_suffix("").parent / "expressions.mjs"), str(STATIC)]
    assert slow(command, json.dumps({"expressions": known})) == []


def test_1_the_expressions_are_found() -> None:
    patterns = {one.pattern for one in compiled().values()}
    assert len(patterns) > 50
    assert any("tool_call" in str(one) for one in patterns)
    sources = {source for source, _ in of_the_page().values()}
    scripts = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
    assert len(sources) > 20
    # Where an expression is used it was found, too, or is one of the few that are made of a string.
    assert len(re.findall(r"\.test\(|\.exec\(|matchAll\(", scripts)) > 20


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$", "# " + " " * 99), (r"\n\s*-{5,}\s*\n", "\n" * 99), (r"^(a+)+$", "a" * 99)],
)
def test_1_the_texts_are_hard_for_expressions_that_were_slow(pattern: str, text: str) -> None:
    made = {attack.text(99) for attack in hostile(pattern)}
    assert any(text[:50] in one for one in made)
