"""The first line of every docstring says what the thing is or does, in at most fifteen words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MOST_WORDS = 15
#: Where the rule holds. Tests are sentences already, by their names.
PARTS = ("bpu", "benchmarks", "scripts", "examples", "tests/support", "app.py", "wsgi.py", "gunicorn.conf.py")
#: Its docstrings describe the tools to the agents that call them.
TOOLS = PROJECT / "bpu" / "mcp" / "server.py"


def files(part: str) -> list[Path]:
    path = PROJECT / part
    return [path] if path.is_file() else sorted(found for found in path.rglob("*.py") if found != TOOLS)


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and the first paragraph of each docstring in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield f"{path.relative_to(PROJECT)}:{getattr(node, 'lineno', 1)}", text.split("\n\n")[0]


@pytest.mark.parametrize("part", PARTS)
def test_a_first_line_is_short(part: str) -> None:
    found = [one for path in files(part) for one in docstrings(path)]
    assert found
    assert [f"{place} {first}" for place, first in found if len(first.split()) > MOST_WORDS or "\n" in first] == []
