"""docs/console-protocol.md holds the facts that parser and simulator use, each with a listed source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpu.console import markers, profiles
from bpu.console.events import Stats
from bpu.console.stats import kind_of, parse
from bpu.simulator import logs
from bpu.simulator import profiles as simulated
from tests.repo.test_docs import anchors, rows

PROJECT = Path(__file__).parents[3]
PAGE = PROJECT / "docs" / "console-protocol.md"
TEXT = PAGE.read_text(encoding="utf-8").replace("\\|", "|")
MARKS = {"source", "log", "document", "measured", "assumed"}
FACTS = ("Command line", "Start-up", "A turn", "Statistics", "Input", "Memory", "Failures", "Special tokens")
KEYS = {row[0] for row in rows("docs/console-protocol.md", "Sources")}
#: Modules whose constants are facts of the consoles.
POINTERS = (
    *("bpu/console/markers.py", "bpu/console/profiles.py", "bpu/console/stats.py", "bpu/console/line_encoding.py"),
    *("bpu/console/diagnosis.py", "bpu/console/pace.py", "bpu/simulator/profiles.py", "bpu/simulator/logs.py"),
)


def facts() -> Iterator[list[str]]:
    for heading in FACTS:
        found = list(rows("docs/console-protocol.md", heading))
        assert found, heading
        yield from found


def test_every_fact_says_how_sure_it_is_and_names_a_source_of_the_list() -> None:
    assert len(KEYS) > 10
    for row in facts():
        *_, marks, where = row
        assert set(marks.split(", ")) <= MARKS, row
        named = set(where.split(", ")) - {""}
        assert named <= KEYS, row
        assert named or marks == "assumed", row


def test_every_source_is_used() -> None:
    cited = {key for row in facts() for key in row[-1].split(", ")}
    speeds = {key for row in rows("docs/console-protocol.md", "Speeds") for key in row[-1].split(", ")}
    assert KEYS - cited - speeds <= {"CASE"}


@pytest.mark.parametrize("name", POINTERS)
def test_the_constants_point_to_a_section_of_the_page(name: str) -> None:
    pointers = re.findall(r"docs/console-protocol\.md(?:#([\w-]+))?", (PROJECT / name).read_text(encoding="utf-8"))
    assert pointers
    assert set(filter(None, pointers)) <= anchors(PAGE)


def literals() -> Iterator[bytes]:
    """All that the parser looks for in a console's output."""
    yield from (markers.PROMPT, markers.MARKER, *markers.RUN_ERRORS, *markers.FAILURE_HEADS, *markers.IDLE_HEADS)
    for token in (*markers._END_TOKENS, *markers._ROLE_TOKENS, *markers._OTHER_TOKENS):
        yield token.encode()


@pytest.mark.parametrize("literal", sorted(set(literals())), ids=repr)
def test_every_byte_string_of_the_parser_stands_there(literal: bytes) -> None:
    assert literal.decode().strip() in TEXT


def test_every_profile_and_command_stands_there() -> None:
    programs = {row[3].strip("`") for row in rows("docs/console-protocol.md", "Programs")}
    assert programs == set(profiles.PROFILES)
    for word in (*profiles.COMMANDS, *profiles.COMMAND_PREFIXES):
        assert f"`{word.decode()}" in TEXT
    limits = {profile.line_limit for profile in profiles.PROFILES.values()} - {None}
    assert all(f"{limit} bytes" in TEXT for limit in limits)


def test_the_statistics_lines_are_read_as_the_parser_reads_them() -> None:
    lines = [re.findall(r"`([^`]+)`", row[0]) for row in rows("docs/console-protocol.md", "Statistics")]
    performance, _, tps = (found[0].encode() + b"\n" for found in lines)
    assert (kind_of(performance), kind_of(tps)) == ("performance", "tps")
    assert parse([performance]) == Stats(prefill_per_second=1113.04, decode_per_second=20.22)
    assert parse([tps]) == Stats(prefill_per_second=5626.0, decode_per_second=84.8)


def test_what_the_simulator_prints_stands_there() -> None:
    greetings = {line for banner in (simulated.MULTI_TURN, simulated.CONTROL_C) for line in banner.splitlines()}
    for line in (*greetings, simulated.PROMPT, simulated.ANSWER, simulated.GOODBYE, *logs.LIBRARY[:2]):
        assert line.strip() in TEXT, line
    for head in {line.partition(":")[0] for line in logs.VERSIONS}:
        assert f"`{head}" in TEXT


def test_the_presets_are_the_published_speeds() -> None:
    published = {
        (float(row[2]), float(row[3])) for row in rows("docs/console-protocol.md", "Speeds") if row[2] and row[3]
    }
    assert {(preset.prefill, preset.decode) for preset in simulated.PRESETS.values()} == published
