"""A test that can only pass tells nothing: each asserts, or calls what does, and none sleeps in hope."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
#: A name that begins so is a promise: the function fails when something is not as it should be.
CHECKS = ("check", "assert_", "expect", "until")
#: Pytest's own.
VERDICTS = {"raises", "warns", "fail"}
#: What starts a gateway or an engine.
STARTERS = {
    "tests.live.gateway.Gateway",
    "tests.live.gateway.running",
    "tests.unit.web.test_gunicorn.serving",
    "tests.witness.program.witness_gateway",
    "tests.unit.engine.conftest.start_engine",
}
#: And the fixture that does.
STARTING_FIXTURE = "engine_of"
#: `make test-fast` leaves out what bears one of them.
SLOW_MARKS = {f"pytest.mark.{name}" for name in ("live", "browser", "clients", "system")}
#: The home of all waiting.
WAITS = TESTS / "support" / "waits.py"


def called(node: ast.AST) -> Iterator[str]:
    """The last name of whatever is called within."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            yield call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def judges(test: ast.AST) -> bool:
    asserts = any(isinstance(node, ast.Assert) for node in ast.walk(test))
    return asserts or any(name in VERDICTS or name.startswith(CHECKS) for name in called(test))


def every_test(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def sleeps(tree: ast.AST) -> bool:
    calls = any(isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep" for node in ast.walk(tree))
    taken = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "time")
    return calls or any(alias.name == "sleep" for node in taken for alias in node.names)


def starts_servers(tree: ast.AST) -> bool:
    """Whether a file imports what starts a gateway or an engine, or uses the fixture that does."""
    taken = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    names = {f"{node.module}.{alias.name}" for node in taken for alias in node.names}
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return bool(STARTERS & names) or STARTING_FIXTURE in arguments


def bears_mark(tree: ast.AST) -> bool:
    """Whether a mark that keeps a file, or one of its tests, out of `make test-fast` stands in it."""
    return any(ast.unparse(node) in SLOW_MARKS for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def trees() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(TESTS.rglob("*.py")):
        if "node_modules" not in path.parts and path != WAITS:
            yield str(path.relative_to(TESTS)), ast.parse(path.read_text())


def test_every_test_can_fail() -> None:
    found = [(name, test) for name, tree in trees() for test in every_test(tree)]
    assert len(found) > 1000
    assert [f"{name}:{test.lineno} {test.name}" for name, test in found if not judges(test)] == []


def test_nothing_sleeps_in_hope() -> None:
    assert [name for name, tree in trees() if sleeps(tree)] == []


def test_whatever_starts_a_gateway_is_left_out_of_the_fast_tests() -> None:
    found = [(name, tree) for name, tree in trees() if Path(name).name.startswith("test_") and starts_servers(tree)]
    elsewhere = [(name, tree) for name, tree in found if not name.startswith("live/")]
    assert len(elsewhere) > 20
    assert [name for name, tree in elsewhere if not bears_mark(tree)] == []


@pytest.mark.parametrize(
    ("source", "good"),
    [
        ("assert x", True),
        ("with pytest.raises(ValueError): f()", True),
        ("check_stream(x)", True),
        ("until(lambda: x)", True),
        ("f(); answer.check_it()", True),
        ("f()", False),
        ("try: f()\n    except ValueError: pass", False),
    ],
)
def test_what_counts_as_a_verdict(source: str, good: bool) -> None:
    [test] = every_test(ast.parse(f"def test_x():\n    {source}"))
    assert judges(test) is good


def test_what_counts_as_a_sleep() -> None:
    assert sleeps(ast.parse("time.sleep(1)"))
    assert sleeps(ast.parse("from time import monotonic, sleep"))
    assert not sleeps(ast.parse("code = 'time.sleep(1)'; hub.sleep(0)"))
