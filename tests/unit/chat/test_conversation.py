"""Messages of every kind become a conversation that the user begins and ends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.conversation import build_conversation, digest
from bpu.chat.reasoning import strip_reasoning

from .kit import PROPERTY, request, said


def turns(*messages: Any) -> tuple[str, list[tuple[str, str]]]:
    made = build_conversation(request(*messages).messages)
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
        (["a", said("assistant", None), "c"], "", [("u", "a\n\nc")]),
        (["a", said("assistant", "")], "", [("u", "a")]),
        (["a", said("assistant", None)], "", [("u", "a")]),
        (["a", said("assistant", [])], "", [("u", "a")]),
        (["a", said("assistant", "<think>\n")], "", [("u", "a")]),
        (["a", said("assistant", "<think>\n\n</think>\n\n")], "", [("u", "a")]),
        (["a", said("assistant", "b"), said("assistant", "")], "", [("u", "a"), ("a", "b"), ("u", "Continue.")]),
        ([said("assistant", ""), "c"], "", [("u", "c")]),
        ([said("assistant", "")], "", [("u", "")]),
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
        ("\n<think>hm</think>Yes. ", "Yes."),
        ("<think>\nhm\r\n</think>\r\n\r\nYes.\r\n", "Yes."),
        ("<think>Is `</think>` it?</think>Yes.", "Yes."),
        ("<think>cut off", ""),
        ("<think>a</think>b<think>c</think>d", "b<think>c</think>d"),
        ("<think>a</think>Use '</think>'.", "Use '</think>'."),
        ("Here is code: print('</think>') and more", "Here is code: print('</think>') and more"),
        ("Close it with </think> then.", "Close it with </think> then."),
        ("```\n<think>\nhm\n</think>\n```", "```\n<think>\nhm\n</think>\n```"),
        ("Say <think> to it.", "Say <think> to it."),
    ],
)
def test_30_reasoning_of_earlier_turns_is_left_out(text: str, words: str) -> None:
    assert strip_reasoning(text) == words
    expected = [("u", "a"), ("a", words), ("u", "c")] if words else [("u", "a\n\nc")]
    assert turns("a", said("assistant", text, reasoning_content="hm"), "c")[1] == expected


def test_where_whole_turns_begin() -> None:
    made = build_conversation(
        request("a", said("assistant", "b"), said("tool", "c"), said("assistant", "d"), "e", "f").messages
    )
    assert made.openings() == [0, 4]
    assert made.messages_before(4) == 4
    assert [one.text for one in made.since(4).turns] == ["e\n\nf"]


def test_an_answer_that_says_nothing_is_counted_with_the_turn_before_it() -> None:
    made = build_conversation(
        request("a", said("assistant", None), said("assistant", "b"), said("assistant", ""), "c").messages
    )
    assert [one.messages for one in made.turns] == [2, 2, 1]


def test_rules_stand_behind_the_system_text() -> None:
    assert build_conversation(request(said("system", "S"), "a").messages, "R").system == "S\n\nR"


@PROPERTY
@given(
    st.lists(st.text("ab1", max_size=3), min_size=1, max_size=5),
    st.lists(st.text("ab1", max_size=3), min_size=1, max_size=5),
)
def test_no_two_lists_of_parts_have_one_digest(one: list[str], other: list[str]) -> None:
    nothing = build_conversation(request("a").messages)
    assert (digest(one, nothing, []) == digest(other, nothing, [])) is (one == other)


ROLES = st.sampled_from(["system", "user", "assistant", "tool", "developer"])


@PROPERTY
@given(st.lists(st.tuples(ROLES, st.text(max_size=5)), min_size=1, max_size=8))
def test_34_whatever_comes_the_turns_alternate(messages: list[tuple[str, str]]) -> None:
    made = build_conversation(request(*(said(*one) for one in messages)).messages)
    assert [one.role for one in made.turns] == ["user", "assistant"] * (len(made.turns) // 2) + ["user"]
    assert sum(one.messages for one in made.turns) <= len(messages)
    assert all(one.text for one in made.turns if one.role == "assistant")


@PROPERTY
@given(st.lists(st.sampled_from(["", "<think>\n", " \n", "<think></think>"]), min_size=1, max_size=4))
def test_19_answers_that_say_nothing_change_no_prompt(nothing: list[str]) -> None:
    """Wherever they stand: they are no turn, and no request to continue."""
    empty = [said("assistant", text) for text in nothing]
    assert turns("a", *empty) == turns("a")
    assert turns(*empty, "a") == turns("a")
    assert turns("a", *empty, said("assistant", "b"), *empty, "c") == turns("a", said("assistant", "b"), "c")
