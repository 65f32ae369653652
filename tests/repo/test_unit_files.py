"""Each larger module has a unit test file of its name, so that a reader finds what shows its behaviour."""

from __future__ import annotations

from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
#: A smaller module may be tested by the file of a neighbour that uses it.
LARGE = 200
#: Modules without behaviour, and why that is so.
EXCEPTIONS = {
    "bpu/messages/connect.py": "texts alone, of which `tests/unit/test_messages.py` reads every one",
    "bpu/messages/doctor.py": "texts alone, of which `tests/unit/test_messages.py` reads every one",
    "bpu/messages/doctor_network.py": "texts alone, of which `tests/unit/test_messages.py` reads every one",
    "bpu/messages/ion.py": "texts alone, of which `tests/unit/test_messages.py` reads every one",
}


def size(module: Path) -> int:
    return len(module.read_text(encoding="utf-8").splitlines())


def places(module: Path) -> list[Path]:
    """The names that the test file of `module` may have: with its folder where the module's name says too little."""
    *folders, name = module.relative_to(PROJECT / "bpu").with_suffix("").parts
    name = name.strip("_") if name != "__init__" else folders[-1]
    place = PROJECT.joinpath("tests", "unit", *folders[:1])
    return [place / f"test_{one}.py" for one in (name, "_".join([*folders[-1:], name]))]


def test_every_larger_module_has_a_test_file_of_its_name() -> None:
    large = [module for module in sorted((PROJECT / "bpu").rglob("*.py")) if size(module) > LARGE]
    assert len(large) > 50
    without = {str(one.relative_to(PROJECT)) for one in large if not any(map(Path.is_file, places(one)))}
    assert without == set(EXCEPTIONS)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("bpu/settings.py", ["tests/unit/test_settings.py"]),
        ("bpu/engine/keeper/queue.py", ["tests/unit/engine/test_queue.py", "tests/unit/engine/test_keeper_queue.py"]),
        ("bpu/cli/_repl.py", ["tests/unit/cli/test_repl.py", "tests/unit/cli/test_cli_repl.py"]),
        ("bpu/cli/__init__.py", ["tests/unit/cli/test_cli.py", "tests/unit/cli/test_cli_cli.py"]),
    ],
)
def test_the_names_that_a_test_file_may_have(module: str, names: list[str]) -> None:
    found = [str(path.relative_to(PROJECT)) for path in places(PROJECT / module)]
    assert list(dict.fromkeys(found)) == names
