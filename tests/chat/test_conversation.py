"""Messages of every kind become a conversation that the user begins and ends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.conversation import converse, digest, own_words

from .kit import PROPERTY, request, said


def turns(*messages: Any) -> tuple[str, list[tuple[str, str]]]:
    made = converse(request(*messages).messages)
    return made.system, [(one.role[0], one.text) for one in made.turns]


@pytest.mark.parametrize(
    ("messages", "system", "expected"),
    [
        (["Hi"], "", [("u", "Hi")]),
        ([said("system", "A"), said("developer", "B"), "Hi"], "A\n\nB", [("u", "Hi")]),
        (["one", "two"], "", [("u", "one\n\ntwo")]),
        (["a", said("assistant", "b"), said("assistant", "c"), "d"], "", [("u", "a"), ("a", "b\n\nc"), ("u", "d")]),
        ([said("assistant", "b"), "c"], "", [("u", ""), ("a", "b"), ("u", "c")]),
        (["a", said("assistant", "b")], "", [("u", "a"), ("a", "b"), ("u", "Continue.")]),
        ([said("system", "only")], "only", [("u", "")]),
        (["a", said("assistant", "b"), said("system", "S"), "c"], "", [("u", "a"), ("a", "b"), ("u", "S\n\nc")]),
        (["a", said("assistant", None), "c"], "", [("u", "a"), ("a", ""), ("u", "c")]),
        (["a", ""], "", [("u", "a")]),
    ],
)
def test_34_conversations(messages: list[Any], system: str, expected: list[tuple[str, str]]) -> None:
    assert turns(*messages) == (system, expected)


def test_34_tool_results_are_the_users_side() -> None:
    _, made = turns("a", said("assistant", "b"), said("tool", "22", tool_call_id="x"), "and now?")
    assert made[-1] == ("u", "<tool_response>\n22\n</tool_response>\n\nand now?")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Yes.", "Yes."),
        ("<think>\nhm\n</think>\n\nYes.", "Yes."),
        ("hm</think>Yes. ", "Yes."),
        ("<think>a</think>b<think>c</think>d", "d"),
        ("<think>cut off", ""),
        ("Say <think> to it.", "Say <think> to it."),
    ],
)
def test_30_reasoning_of_earlier_turns_is_left_out(text: str, words: str) -> None:
    assert own_words(text) == words
    assert turns("a", said("assistant", text, reasoning_content="hm"), "c")[1][1] == ("a", words)


def test_where_whole_turns_begin() -> None:
    made = converse(request("a", said("assistant", "b"), said("tool", "c"), said("assistant", "d"), "e", "f").messages)
    assert made.openings() == [0, 4]
    assert made.messages_before(4) == 4
    assert [one.text for one in made.since(4).turns] == ["e\n\nf"]


def test_rules_stand_behind_the_system_text() -> None:
    assert converse(request(said("system", "S"), "a").messages, "R").system == "S\n\nR"


@PROPERTY
@given(
    st.lists(st.text("ab1", max_size=3), min_size=1, max_size=5),
    st.lists(st.text("ab1", max_size=3), min_size=1, max_size=5),
)
def test_no_two_lists_of_parts_have_one_digest(one: list[str], other: list[str]) -> None:
    nothing = converse(request("a").messages)
    assert (digest(one, nothing, []) == digest(other, nothing, [])) is (one == other)


ROLES = st.sampled_from(["system", "user", "assistant", "tool", "developer"])


@PROPERTY
@given(st.lists(st.tuples(ROLES, st.text(max_size=5)), min_size=1, max_size=8))
def test_34_whatever_comes_the_turns_alternate(messages: list[tuple[str, str]]) -> None:
    made = converse(request(*(said(*one) for one in messages)).messages)
    assert [one.role for one in made.turns] == ["user", "assistant"] * (len(made.turns) // 2) + ["user"]
    assert sum(one.messages for one in made.turns) <= len(messages)
