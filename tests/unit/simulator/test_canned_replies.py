"""The stored answers: a question finds its own however it is written, and each is whole in its language."""

from __future__ import annotations

import pytest

from bpu.simulator import canned_replies
from bpu.simulator.conversation import is_chinese


@pytest.mark.parametrize(
    "written", ["Why is the sky blue?", "why is the sky blue", "  WHY is the sky blue ?!", "Why is\tthe sky\nblue?"]
)
def test_case_blanks_and_marks_do_not_matter(written: str) -> None:
    found = canned_replies.find(written)
    assert found is not None
    assert found is canned_replies.find("why is the sky blue")


@pytest.mark.parametrize("question", ["", "?", "why is the sky", "Why is the sky blue, and why is the sea?"])
def test_half_a_question_and_a_longer_one_find_nothing(question: str) -> None:
    assert canned_replies.find(question) is None


@pytest.mark.parametrize("chinese", [True, False])
def test_the_answer_to_everything_else_says_that_it_is_a_simulator(chinese: bool) -> None:
    words = canned_replies.fallback(chinese=chinese)
    assert is_chinese(words.text) is chinese
    assert ("模拟器" if chinese else "simulator") in words.text + canned_replies.note(chinese=chinese)


def test_the_help_names_questions_that_have_an_answer() -> None:
    head, *named = canned_replies.help_text().splitlines()
    assert head == "questions with a stored answer:"
    assert len(named) > 10
    assert [question for question in named if canned_replies.find(question) is None] == []
