"""Reading a model's answers: where the client's content comes from, and the digest that lets the chat go on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bpu.chat.answer_decoder import AnswerDecoder
from bpu.chat.deltas import Content
from bpu.chat.prompt import Prompter
from bpu.chat.requests import parse_chat
from bpu.console.events import Done, Text
from bpu.errors import EngineCrashed
from bpu.turn import Timing

from .kit import MODEL, PROPERTY, QWEN, body, joined, prompter, request, said

SYSTEM = {"role": "system", "content": "Be brief."}
WORDS = st.text(st.sampled_from("ab <>/\n你🤔|｜"), max_size=6)
ANSWER = st.one_of(WORDS, st.tuples(WORDS, WORDS).map("</think>".join))
CHATS = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), WORDS), min_size=1, max_size=6)


def sent_content(made: Prompter, chat_request: Any, raw: str, mode: Any = "reasoning_content") -> str:
    """The content that a client gets."""
    turn = made.turn(chat_request)
    return "".join(
        one.text
        for one in AnswerDecoder(made, reasoning=mode).read([Text(raw), Done()], chat_request, turn, Timing)
        if isinstance(one, Content)
    )


@pytest.mark.parametrize("raw", ["I think.\n</think>\n\nYes. ", "Never closed.\n\nLast words.", "</think>Yes"])
@pytest.mark.parametrize(
    "fields", [{}, {"stream": True}, {"think": False}, {"model": f"{MODEL}-think", "stream": True}]
)
@pytest.mark.parametrize("mode", ["reasoning_content", "think-tags", "drop"])
def test_14_a_chat_that_goes_on_is_recognised(raw: str, fields: dict[str, Any], mode: Any) -> None:
    made = prompter()
    chat_request = parse_chat({**body(SYSTEM, "a"), **fields}, models=[MODEL])
    after = AnswerDecoder(made, reasoning=mode).conversation_digest(chat_request, raw)
    answer = said("assistant", sent_content(made, chat_request, raw, mode))
    following = made.turn(parse_chat({**body(SYSTEM, "a", answer, "c"), **fields}, models=[MODEL]))
    assert following.prefix_digest == after != ""
    assert following.continuation_line == b"c"


@pytest.mark.parametrize(
    ("fields", "raw"),
    [({"max_tokens": 2}, "I think.</think>Yes."), ({"stop": "e"}, "I think.</think>Yes."), ({}, ""), ({}, "</think>")],
)
def test_14_an_answer_that_was_cut_is_not_digested(fields: dict[str, Any], raw: str) -> None:
    assert AnswerDecoder(prompter()).conversation_digest(request("a", **fields), raw) == ""


def test_14_an_answer_to_the_assistants_own_words_is_not_digested() -> None:
    assert AnswerDecoder(prompter()).conversation_digest(request("a", said("assistant", "b")), "x</think>y") == ""


@PROPERTY
@given(CHATS, ANSWER, WORDS, st.booleans(), st.sampled_from(["reasoning_content", "think-tags", "drop"]))
def test_14_for_any_chat_the_digest_after_is_the_next_ones_history(
    chat: list[tuple[str, str]], raw: str, following: str, stream: bool, mode: Any
) -> None:
    assume(chat[-1][0] != "assistant")
    made, messages = prompter(), [said(*one) for one in chat]
    chat_request = request(*messages, stream=stream)
    try:
        answer = sent_content(made, chat_request, raw, mode)
    except EngineCrashed:
        assert AnswerDecoder(made, reasoning=mode).conversation_digest(chat_request, raw) == ""
        return
    after = AnswerDecoder(made, reasoning=mode).conversation_digest(chat_request, raw)
    assert after
    assert made.turn(request(*messages, said("assistant", answer), said("user", following))).prefix_digest == after


def test_the_answer_is_read_as_the_models_template_opens_it() -> None:
    chat_request = request("Hi")
    made = prompter(QWEN)
    reading = AnswerDecoder(made).read([Text("Hello."), Done()], chat_request, made.turn(chat_request), Timing)
    assert joined(list(reading)) == ("", "Hello.", "stop")
