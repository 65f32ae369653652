"""The glossary, the architecture and the packages' own docstrings name only modules and classes that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = ("docs/glossary.md", "docs/architecture.md", "bpu/console/__init__.py", "bpu/chat/__init__.py")
#: Words in code form that look like a class and are none of ours.
OTHERS = frozenset({"Popen", "None", "True", "False"})


def source_of(module: str) -> Path | None:
    path = PROJECT.joinpath(*module.split("."))
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def names_in(path: Path) -> set[str]:
    """The classes and functions that a module defines at its top level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {one.name for one in tree.body if isinstance(one, (ast.ClassDef, ast.FunctionDef))}


def classes() -> set[str]:
    return set().union(*(names_in(path) for path in (PROJECT / "bpu").rglob("*.py")))


def code(page: str) -> list[str]:
    text = re.sub(r"```.*?```", "", (PROJECT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_is_named_exists(page: str) -> None:
    modules = [word for word in code(page) if re.fullmatch(r"bpu(?:\.\w+)+", word)]
    assert [word for word in modules if source_of(word) is None] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_is_named_exists(page: str) -> None:
    paths = [word for word in code(page) if re.fullmatch(r"(?:bpu|tests)/[\w./{},-]+", word) and "{" not in word]
    assert [word for word in paths if not (PROJECT / word).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_class_that_is_named_exists(page: str) -> None:
    named = {word for word in code(page) if re.fullmatch(r"[A-Z]\w*[a-z]\w*", word)} - OTHERS
    assert len(named) > 5
    assert named - classes() == set()


def test_every_name_of_the_glossary_stands_in_its_module() -> None:
    pairs = re.findall(r"`(\w+)` in `(bpu(?:\.\w+)+)`", (PROJECT / "docs/glossary.md").read_text(encoding="utf-8"))
    assert len(pairs) > 30
    assert [pair for pair in pairs if (path := source_of(pair[1])) is None or pair[0] not in names_in(path)] == []


def test_every_term_of_the_glossary_has_a_meaning_and_a_place() -> None:
    text = (PROJECT / "docs/glossary.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    terms = [row for row in rows if row[0].strip() not in ("term", "---") and not set(row[0].strip()) <= {"-"}]
    assert len(terms) > 30
    assert all(len(row) == 3 and row[1].strip().endswith((".", ")")) and "`bpu" in row[2] for row in terms)
    assert len({row[0] for row in terms}) == len(terms)
