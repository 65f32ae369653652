"""Each class of the engine and the web side says which process runs it, and in which context."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PARTS = ("bpu/engine", "bpu/web", "bpu/server", "bpu/gevent_io.py")
PROCESS = re.compile(r"\b(master|workers?|keeper|commands?)\b")
CONTEXT = re.compile(r"\b(event loop|greenlets?|threads?)\b")
#: Bases of classes that are values or shapes, and hold nothing that runs.
VALUES = ("Enum", "Protocol", "NamedTuple", "TypedDict", "Exception", "Message")


def says_where_it_runs(docstring: str) -> bool:
    """Whether one sentence names a process and a context."""
    sentences = re.split(r"(?<=[.:;])\s+", docstring)
    return any(PROCESS.search(sentence) and CONTEXT.search(sentence) for sentence in sentences)


def is_error(node: ast.ClassDef) -> bool:
    names = {base.split(".")[-1] for base in map(ast.unparse, node.bases)}
    return any(name.endswith(VALUES) or name in ERRORS for name in names)


def has_behaviour(node: ast.ClassDef) -> bool:
    """Whether a class has methods, and is neither an error nor a value."""
    if is_error(node) or any("frozen=True" in ast.unparse(one) for one in node.decorator_list):
        return False
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
    return any(not one.decorator_list and one.name != "__init__" for one in methods)


def classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node


def trees() -> Iterator[tuple[str, ast.Module]]:
    for part in PARTS:
        path = PROJECT / part
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            yield str(file.relative_to(PROJECT)), ast.parse(file.read_text(encoding="utf-8"))


def error_names() -> set[str]:
    """The names of all classes of errors: those whose base is one, to any depth."""
    every = [node for file in (PROJECT / "bpu").rglob("*.py") for node in classes(ast.parse(file.read_text()))]
    found = {"Exception", "OSError", "ValueError"}
    while True:
        more = {node.name for node in every if {ast.unparse(base).split(".")[-1] for base in node.bases} & found}
        if more <= found:
            return found
        found |= more


ERRORS = error_names()


def test_every_class_with_behaviour_says_where_it_runs() -> None:
    found = [(name, tree, node) for name, tree in trees() for node in classes(tree) if has_behaviour(node)]
    assert len(found) > 60
    silent = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree, node in found
        if not any(says_where_it_runs(ast.get_docstring(one) or "") for one in (node, tree))
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("docstring", "good"),
    [
        ("Runs in a worker, in the greenlet of the request.", True),
        ("Decides. Owned by the keeper and run in its one thread.", True),
        ("A worker owns it. It holds the slot.", False),
        ("The keeper knows it. A greenlet waits.", False),
        ("It counts.", False),
    ],
)
def test_what_counts_as_saying_it(docstring: str, good: bool) -> None:
    assert says_where_it_runs(docstring) is good
