"""Stop strings and token limits, wherever the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.limits import StopStrings, TokenLimit
from bpu.chat.partial_match import first_complete, partial_length

from .kit import PROPERTY, counter, every_cut, pieces


def stopped(texts: list[str], *stops: str) -> tuple[str, bool]:
    filtered = StopStrings(stops)
    out = "".join(filtered.feed(text) for text in texts)
    return (out if filtered.hit else out + filtered.end()), filtered.hit


@pytest.mark.parametrize(
    ("text", "stops", "kept", "hit"),
    [
        ("one\n\ntwo", ["\n\n"], "one", True),
        ("one END", ["END"], "one ", True),
        ("END", ["END"], "", True),
        ("one EN", ["END"], "one EN", False),
        ("aab", ["ab"], "a", True),
        ("ababc", ["abc"], "ab", True),
        ("abc", ["bc", "abc"], "", True),
        ("abc", ["c", "b"], "a", True),
        ("今天好。明天", ["。"], "今天好", True),
        ("one", [], "one", False),
    ],
)
def test_35_stop_strings_at_every_cut(text: str, stops: list[str], kept: str, hit: bool) -> None:
    for texts in every_cut(text):
        assert stopped(texts, *stops) == (kept, hit)


def test_nothing_comes_after_a_stop() -> None:
    filtered = StopStrings(("x",))
    assert filtered.feed("axb") == "a"
    assert filtered.feed("more") == ""


@PROPERTY
@given(
    st.text("ab。", max_size=30),
    st.lists(st.text("ab。", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.integers(0, 99), max_size=6),
)
def test_stop_strings_cut_as_on_the_whole_text(text: str, stops: list[str], cuts: list[int]) -> None:
    at, _ = first_complete(text, stops)
    assert stopped(pieces(text, cuts), *stops) == (text if at < 0 else text[:at], at >= 0)


def test_what_is_held_may_begin_a_word() -> None:
    assert partial_length("abc", ["cd"]) == 1
    assert partial_length("abcd", ["bcde", "dx"]) == 3
    assert partial_length("abc", ["x"]) == 0
    assert partial_length("abc", []) == 0
    assert first_complete("abc", ["bc", "bcd", "c", "abc"]) == (0, "abc")
    assert first_complete("baa", ["baa", "a"]) == (1, "a")
    assert first_complete("abc", ["x"]) == (-1, "")


def limited(texts: list[str], most: int | None) -> tuple[str, bool, int]:
    limit = TokenLimit(counter(), most)
    kept = ""
    for text in texts:
        kept += limit.feed(text)
        if limit.hit:
            break
    return kept, limit.hit, limit.total


SENTENCE = "The weather in Paris is fine today, 今天天气很好。🤔 And so on."


@pytest.mark.parametrize("most", [1, 2, 5, 10, 17, 1000])
def test_35_the_token_limit_cuts_the_whole_text_exactly(most: int) -> None:
    kept, hit, total = limited([SENTENCE], most)
    count = counter().count(SENTENCE)
    assert hit is (count > most)
    assert SENTENCE.startswith(kept)
    assert counter().count(kept) == total
    assert total <= most


@pytest.mark.parametrize("text", [SENTENCE, "🤔", "你好👩‍👧!", "👩‍👩‍👧‍👦 é"])
def test_35_no_limit_falls_inside_a_character(text: str) -> None:
    """Nearly all characters here are several tokens."""
    count = counter().count(text)
    for most in range(1, count):
        for texts in ([text], list(text)):
            kept, hit, total = limited(texts, most)
            assert (hit, text.startswith(kept)) == (True, True)
            assert counter().count(kept) == total <= most


def test_an_answer_that_just_fits_is_not_cut() -> None:
    count = counter().count(SENTENCE)
    for texts in every_cut(SENTENCE):
        assert limited(texts, count) == (SENTENCE, False, count)


@pytest.mark.parametrize("most", [1, 3, 9])
def test_pieces_stay_within_the_limit(most: int) -> None:
    for texts in every_cut(SENTENCE):
        kept, hit, total = limited(texts, most)
        assert hit
        assert kept
        assert SENTENCE.startswith(kept)
        assert total <= most


def test_without_a_limit_everything_is_counted() -> None:
    assert limited(list(SENTENCE), None) == (SENTENCE, False, counter().count(SENTENCE))
