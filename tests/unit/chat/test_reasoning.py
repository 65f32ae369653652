"""The split of reasoning and answer, wherever the text is cut."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.reasoning import TRANSITIONS, Part, Splitter, State, strip_reasoning

from .kit import PROPERTY, every_cut, pieces


def split(texts: list[str], *, thinks: bool) -> list[Part]:
    splitter = Splitter(thinks=thinks)
    parts = [part for text in texts for part in splitter.feed(text)]
    return parts + list(splitter.end())


def kinds(texts: list[str], *, thinks: bool) -> tuple[str, str]:
    parts = split(texts, thinks=thinks)
    assert "".join(part.text for part in parts) == "".join(texts)
    assert all(part.text for part in parts)
    order = [part.kind for part in parts if part.kind != "tag"]
    assert order == sorted(order, reverse=True), "reasoning after content"
    reasoning, content = (
        "".join(part.text for part in parts if part.kind == kind) for kind in ("reasoning", "content")
    )
    return reasoning, content


CASES = [
    # raw text, does the prompt open the reasoning, reasoning, content
    ("I think.\n</think>\n\nYes.", True, "I think.\n", "Yes."),
    ("<think>\nI think.\n</think>\n\nYes.", True, "I think.\n", "Yes."),
    ("<think>\nI think.\n</think>\n\nYes.", False, "I think.\n", "Yes."),
    (" \n<think>I think.</think>Yes.", False, "I think.", "Yes."),
    ("Yes.", False, "", "Yes."),
    ("  Yes.", False, "", "  Yes."),
    ("   ", False, "", "   "),
    ("   ", True, "", ""),
    ("I think and never end", True, "I think and never end", ""),
    ("", True, "", ""),
    ("", False, "", ""),
    ("</think>Yes.", True, "", "Yes."),
    ("</think>\n\nYes.", False, "", "Yes."),
    ("\n\n</think>\n\nYes.", True, "", "Yes."),
    ("<think>\n\n</think>\n\n    code()", False, "", "    code()"),
    ("<think>a</think>\n<think>b</think>Yes.", False, "a", "<think>b</think>Yes."),
    ("a</think></think>Yes.", True, "a", "</think>Yes."),
    ("a<think>b</think>Yes.", True, "a<think>b", "Yes."),
    ("a</think>The tag <think> opens, </think> closes.", True, "a", "The tag <think> opens, </think> closes."),
    ("a</think>\n\n<think> opens.", True, "a", "<think> opens."),
    ("Use <think> so.", False, "", "Use <think> so."),
    ("Close it with </think> then.", False, "", "Close it with </think> then."),
    ("'</think>'", False, "", "'</think>'"),
    ("It says `</think>`.\n</think>\n\nYes.", True, "It says `</think>`.\n", "Yes."),
    ("It says '</think>', \"</think>\".</think>Yes.", True, "It says '</think>', \"</think>\".", "Yes."),
    ("他写“</think>”。</think>好", True, "他写“</think>”。", "好"),
    ("It says `</think>", True, "It says `", ""),
    ("\"</think>'x'", True, '"', "'x'"),
    ("a`</think>\n`b`", True, "a`", "`b`"),
    ("'</think></think>'", True, "'", "</think>'"),
    ("a < b </thin k> <thi", True, "a < b </thin k> <thi", ""),
    ("a</think>x <thi", True, "a", "x <thi"),
    ("<thi", False, "", "<thi"),
    (" " * 70 + "<think>x", False, "", " " * 70 + "<think>x"),
    ("a\n</think>\r\n\n", True, "a\n", ""),
    ("想一想🤔</think>你好", True, "想一想🤔", "你好"),
]


@pytest.mark.parametrize(("raw", "thinks", "reasoning", "content"), CASES)
def test_27_the_split_at_every_cut(raw: str, thinks: bool, reasoning: str, content: str) -> None:
    for texts in every_cut(raw):
        assert kinds(texts, thinks=thinks) == (reasoning, content), texts


def test_no_tag_leads_out_of_an_answer() -> None:
    assert {state for state, _ in TRANSITIONS} == {State.UNDECIDED, State.LEAD, State.REASONING}
    assert State.CONTENT not in TRANSITIONS.values()


@pytest.mark.parametrize("tag", ["<think>", "</think>"])
def test_only_what_may_begin_a_tag_is_held_back(tag: str) -> None:
    for length in range(1, len(tag)):
        splitter = Splitter(thinks=True)
        assert list(splitter.feed(f"word{tag[:length]}")) == [Part("reasoning", "word")]
        assert list(splitter.feed("!")) == [Part("reasoning", f"{tag[:length]}!")]


def test_of_an_answer_nothing_waits() -> None:
    splitter = Splitter(thinks=True)
    assert list(splitter.feed("a</think>b"))[-1] == Part("content", "b")
    assert list(splitter.feed("<")) == [Part("content", "<")]


ANSWERS = st.lists(
    st.sampled_from(
        [
            "<think>",
            "</think>",
            "<",
            "think",
            ">",
            "/",
            "\n",
            " ",
            "a",
            "思",
            "🤔",
            "<thi",
            "</think",
            "`",
            "'",
            "“",
            "”",
        ]
    ),
    max_size=30,
).map("".join)


@PROPERTY
@given(ANSWERS, st.lists(st.integers(0, 200), max_size=8), st.booleans())
def test_17_nothing_is_lost_and_no_cut_matters(raw: str, cuts: list[int], thinks: bool) -> None:
    assert kinds(pieces(raw, cuts), thinks=thinks) == kinds([raw], thinks=thinks)


THOUGHTS = st.lists(
    st.sampled_from(["a", " ", "\n", "`</think>`", "'</think>'", '"</think>"', "“</think>”", "<think>", "</thi"]),
    max_size=10,
).map(lambda words: f"x{''.join(words)}x")


@PROPERTY
@given(THOUGHTS, ANSWERS, st.lists(st.integers(0, 200), max_size=8), st.booleans())
def test_20_only_the_tags_around_the_leading_reasoning_are_tags(
    thoughts: str, answer: str, cuts: list[int], opens: bool
) -> None:
    """Whatever is thought and said between them and behind them comes through, byte for byte."""
    raw = f"{'<think>' if opens else ''}{thoughts}</think>{answer}"
    assert kinds(pieces(raw, cuts), thinks=not opens) == (thoughts, answer.lstrip("\r\n"))


@PROPERTY
@given(ANSWERS, st.lists(st.integers(0, 200), max_size=8))
def test_20_without_leading_reasoning_no_tag_is_one(answer: str, cuts: list[int]) -> None:
    raw = f"x{answer}"
    assert kinds(pieces(raw, cuts), thinks=False) == ("", raw)


@PROPERTY
@given(THOUGHTS | ANSWERS, ANSWERS)
def test_30_an_earlier_answer_is_split_as_it_was_when_it_came(thoughts: str, answer: str) -> None:
    earlier = f"<think>{thoughts}</think>{answer}"
    assert strip_reasoning(earlier) == kinds([earlier.strip()], thinks=False)[1].strip()
    assert strip_reasoning(f"<think>{thoughts}") == kinds([f"<think>{thoughts}".strip()], thinks=False)[1].strip()


@pytest.mark.parametrize("unit", ["<think>", "`</think>`", '"</think>"<think>', "<think>\n", "</think"])
def test_1_an_earlier_answer_of_nothing_but_tags_holds_up_no_worker(unit: str) -> None:
    """As much as one request may hold takes a part of what it did: half a million tags took 1.7 s on a PC."""
    earlier = "<think>x" + unit * (4 * 2**20 // len(unit))
    began = time.process_time()
    assert strip_reasoning(earlier) == ""
    assert time.process_time() - began < 0.5
