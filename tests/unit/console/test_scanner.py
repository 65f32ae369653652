"""The scanner finds shapes however the text is cut, on str and on bytes."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.console.scanner import INCOMPLETE, NO_MATCH, Match, Pattern, PatternSet, Scanner, literals, template


def read_all(scanner: Scanner[str]) -> list[str | Match[str]]:
    return list(iter(scanner.read, None))


def test_a_literal_is_found_and_the_rest_is_plain() -> None:
    scanner = Scanner(PatternSet(literals("stop", ["END"]), ""))
    scanner.write("a END b")
    assert read_all(scanner) == ["a ", Match("stop", "END"), " b"]


def test_the_tail_that_may_become_a_hit_is_held_back() -> None:
    scanner = Scanner(PatternSet(literals("stop", ["END"]), ""))
    scanner.write("a E")
    assert read_all(scanner) == ["a "]
    assert scanner.held == "E"
    scanner.write("N")
    assert read_all(scanner) == []
    scanner.write("x")
    assert read_all(scanner) == ["ENx"]
    assert scanner.held == ""


def test_taking_gives_back_what_is_held() -> None:
    scanner = Scanner(PatternSet(literals("stop", [b"END"]), b""))
    scanner.write(b"aEN")
    assert scanner.read() == b"a"
    assert scanner.take() == b"EN"
    assert scanner.take() == b""


def test_the_earlier_shape_wins_at_one_place_and_waits_for_its_end() -> None:
    scanner = Scanner(PatternSet([*literals("long", ["abc"]), *literals("short", ["ab"])], ""))
    scanner.write("ab")
    assert read_all(scanner) == []
    scanner.write("dabc")
    assert read_all(scanner) == [Match("short", "ab"), "d", Match("long", "abc")]


def test_without_shapes_all_is_plain() -> None:
    scanner = Scanner(PatternSet[str]([], ""))
    scanner.write("abc")
    assert read_all(scanner) == ["abc"]
    raw = Scanner(PatternSet[bytes]([], b""))
    raw.write(b"abc")
    assert raw.read() == b"abc"


@pytest.mark.parametrize("part", ["", re.compile("a")])
def test_a_shape_must_begin_with_a_literal(part: str | re.Pattern[str]) -> None:
    with pytest.raises(ValueError, match="does not begin with a literal"):
        Scanner(PatternSet([Pattern("bad", (part,))], ""))


def test_a_template_mixes_literals_and_patterns() -> None:
    shape = template("n", "<#:#>", {"#": re.compile("[0-9]{1,3}")})
    assert shape.match("x<1:22>y", 1) == 7
    assert [shape.match("<1:22>"[:end], 0) for end in range(6)] == [INCOMPLETE] * 6
    assert shape.match("<a", 0) == NO_MATCH
    assert shape.match("<1:1234>", 0) == NO_MATCH


def test_lines_are_taken_up_to_their_end_or_to_the_limit() -> None:
    scanner = Scanner(PatternSet(literals("stop", [b"END"]), b""))
    scanner.write(b"one\ntwo")
    assert [scanner.take_line(99), scanner.take_line(2), scanner.take_line(99)] == [b"one\n", b"tw", b"o"]
    text = Scanner(PatternSet(literals("stop", ["END"]), ""))
    text.write("a\nb")
    assert [text.take_line(99), text.take_line(99)] == ["a\n", "b"]


@given(st.text("abE<ND>", max_size=40), st.sets(st.integers(0, 40)))
def test_cuts_change_nothing(text: str, cuts: set[int]) -> None:
    def run(places: list[int]) -> list[str | Match[str]]:
        scanner = Scanner(PatternSet([*literals("end", ["<END>"]), *literals("b", ["b<"])], ""))
        pieces: list[str | Match[str]] = []
        for left, right in itertools.pairwise(places):
            scanner.write(text[left:right])
            pieces += read_all(scanner)
        pieces.append(scanner.take())
        return _joined(pieces)

    assert run([0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]) == run([0, len(text)])


def _joined(pieces: list[str | Match[str]]) -> list[str | Match[str]]:
    result: list[str | Match[str]] = []
    for piece in pieces:
        if isinstance(piece, str) and result and isinstance(result[-1], str):
            result[-1] += piece
        elif piece:
            result.append(piece)
    return result
