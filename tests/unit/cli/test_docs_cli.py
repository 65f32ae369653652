"""docs/cli.md and docs/service.md name the commands and options that there are, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bpu.cli import main

DOCS = Path(__file__).parents[3] / "docs"
CLI = (DOCS / "cli.md").read_text(encoding="utf-8")
SERVICE = (DOCS / "service.md").read_text(encoding="utf-8")
#: Commands whose options are described elsewhere: by another program, or in a page of their own.
ELSEWHERE = {"service": SERVICE}
#: Options of every command, and of other programs.
COMMON = {"--help", "--version", "--env-file"}
FOREIGN = {"--log-level", "--offline", "--url", "--device", "--rm", "--no-install-recommends"}
#: What this page describes; other commands have pages of their own.
HERE = (
    *("serve", "setup", "config", "chat", "models", "pull", "connect", "load", "examine", "unload"),
    *("status", "logs", "report", "update", "service", "simulator", "bench", "mcp", "scan"),
)


def sections() -> dict[str, str]:
    parts = re.split(r"(?m)^## ", CLI)[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in parts}


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert isinstance(found, click.Command), f"there is no command {name}"
    return found


def options(one: click.Command) -> Iterator[str]:
    for parameter in one.params:
        if isinstance(parameter, click.Option):
            yield from (word for word in parameter.opts if word.startswith("--"))
    for inner in getattr(one, "commands", {}).values():
        yield from options(inner)


@pytest.mark.parametrize("name", sorted(sections()))
def test_a_section_names_a_command_and_exactly_its_options(name: str) -> None:
    text = f"{sections()[name]}\n{ELSEWHERE.get(name, '')}"
    named = set(re.findall(r"--[a-z][a-z-]*", text)) - COMMON
    own = set(options(command(name)))
    assert own - named == set(), "not in the docs"
    assert named - own - (FOREIGN if name in ("service", "serve") else set()) == set(), "not in the code"


def test_every_command_of_this_page_has_its_section() -> None:
    assert set(sections()) == set(HERE)


def test_every_command_is_described_on_one_of_the_two_pages() -> None:
    """`bench` has a page of its own; the commands that look after the board are tested with docs/board.md."""
    board = set(re.findall(r"(?m)^## ([a-z]+)$", (DOCS / "board.md").read_text(encoding="utf-8")))
    commands = set(main.list_commands(click.Context(main)))
    assert commands - {"bench"} == (set(sections()) - {"bench"}) | board


@pytest.mark.parametrize("group", ["connect", "service"])
def test_every_subcommand_is_named(group: str) -> None:
    text = sections()[group] + ELSEWHERE.get(group, "")
    inner = getattr(command(group), "commands", {})
    assert inner
    assert [name for name in inner if name not in text] == []


def helps(one: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, one
    for name, inner in getattr(one, "commands", {}).items():
        yield from helps(inner, f"{path} {name}")


@pytest.mark.parametrize("name", [name for name in HERE if name != "simulator"])
def test_help_says_what_who_and_how(name: str) -> None:
    """Root or not stands in the command's own text; an example in each text."""
    assert "root" in (command(name).help or "")
    for path, one in helps(command(name), name):
        assert "Example: " in (one.help or ""), path
