"""The first line of every docstring is short, and no later paragraph leans on it for its subject or verb."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MOST_WORDS = 15
#: Where the rule holds. Tests are sentences already, by their names.
PARTS = ("bpu", "benchmarks", "scripts", "examples", "tests/support", "app.py", "wsgi.py", "gunicorn.conf.py")
#: Beginnings without a subject or a verb, of paragraphs that were once the rest of a longer first line.
FRAGMENT = re.compile(
    r"(?:None (?:if|for|when|without)|Pure|Standard library only|Owned|Judged|Legal|Never|Not(?= `))\b"
)
#: Its docstrings describe the tools to the agents that call them.
TOOLS = PROJECT / "bpu" / "mcp" / "server.py"


def files(part: str) -> list[Path]:
    path = PROJECT / part
    return [path] if path.is_file() else sorted(found for found in path.rglob("*.py") if found != TOOLS)


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each docstring in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield f"{path.relative_to(PROJECT)}:{getattr(node, 'lineno', 1)}", text


@pytest.mark.parametrize("part", PARTS)
def test_a_first_line_is_short(part: str) -> None:
    found = [(place, text.split("\n\n")[0]) for path in files(part) for place, text in docstrings(path)]
    assert found
    assert [f"{place} {first}" for place, first in found if len(first.split()) > MOST_WORDS or "\n" in first] == []


@pytest.mark.parametrize("part", PARTS)
def test_a_later_paragraph_is_made_of_sentences(part: str) -> None:
    found = [(place, later) for path in files(part) for place, text in docstrings(path) for later in rest_of(text)]
    assert [f"{place} {later}" for place, later in found if FRAGMENT.match(later)] == []


def rest_of(text: str) -> list[str]:
    return text.split("\n\n")[1:]


@pytest.mark.parametrize(
    ("later", "good"),
    [
        ("None for an unknown one.", False),
        ("Pure; owned by the scheduler.", False),
        ("Not `close`: the text was cut.", False),
        ("Return None for an unknown one.", True),
        ("It is pure.", True),
        ("Nevertheless it waits.", True),
    ],
)
def test_what_counts_as_a_fragment(later: str, good: bool) -> None:
    assert (FRAGMENT.match(later) is None) is good
