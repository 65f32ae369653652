"""A module that does not fit in the head is two modules."""

from __future__ import annotations

import ast
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LONGEST = 300


def test_no_module_is_longer_than_300_lines() -> None:
    sources = [*PROJECT.glob("*.py"), *PROJECT.glob("scripts/*.py"), *PROJECT.rglob("bpu/**/*.py")]
    assert sources
    sizes = {str(path.relative_to(PROJECT)): len(path.read_text().splitlines()) for path in sources}
    assert {name: size for name, size in sizes.items() if size > LONGEST} == {}


def test_every_module_opens_by_saying_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(PROJECT))
        for path in [*PROJECT.glob("*.py"), *PROJECT.rglob("bpu/**/*.py")]
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []
