"""docs/board.md in both languages: the same steps, and the commands and options that there are, no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bpu.board.modes import MODES, S100
from bpu.board.sizes import human
from bpu.cli import main

DOCS = Path(__file__).parents[3] / "docs"
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("board.md", "board.zh-CN.md")}
COMMANDS = ("doctor", "ion", "perf", "reclaim")

each_page = pytest.mark.parametrize("page", PAGES)


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert isinstance(found, click.Command)
    return found


def tree(one: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, one
    for name, inner in getattr(one, "commands", {}).items():
        yield from tree(inner, f"{path} {name}")


def options(one: click.Command) -> set[str]:
    found = [option for _, inner in tree(one, "") for option in inner.params if isinstance(option, click.Option)]
    return {word for option in found for word in (*option.opts, *option.secondary_opts)} - {"-h", "--help"}


def section(page: str, name: str) -> str:
    return PAGES[page].partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@each_page
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_its_section_with_exactly_its_options(page: str, name: str) -> None:
    listed = set(re.findall(r"--[a-z][a-z-]*", "".join(re.findall(r"(?m)^\| (`--.*?) \|", section(page, name)))))
    assert listed == options(command(name))


@each_page
@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_is_named(page: str, name: str) -> None:
    for path, _ in tree(command(name), name):
        assert path == name or f"`{path}" in section(page, name), path


@each_page
def test_modes_and_the_size_of_bpu_first_are_those_of_the_code(page: str) -> None:
    assert [mode for mode in MODES if f"`{mode}`" not in section(page, "ion")] == []
    assert human(S100["bpu_first"].total) in PAGES[page]


def test_both_languages_have_the_same_steps_commands_and_settings() -> None:
    english, chinese = PAGES.values()
    for pattern in (r"```sh\n.*?```", r"(?m)^#+ (?=\d)\d", r"\bBPU_[A-Z_]+", r"(?m)^\| `[^`]+`"):
        assert re.findall(pattern, english, re.DOTALL) == re.findall(pattern, chinese, re.DOTALL), pattern
    assert len(re.findall(r"(?m)^#+ ", english)) == len(re.findall(r"(?m)^#+ ", chinese))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_who_and_how(name: str) -> None:
    """Root or not stands in the command's own text; an example in each text."""
    assert "root" in (command(name).help or "")
    for path, one in tree(command(name), name):
        assert "Example: " in (one.help or ""), path
