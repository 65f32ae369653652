"""The simulator's answers: rules, recall, languages, directives. Pure, no process."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.simulator import canned_replies, conversation, directives, recall, responder
from bpu.simulator.kv_cache import KvCache
from bpu.simulator.responder import ReasoningStyle
from bpu.simulator.tokens import load_tokenizer

TOKENIZER = load_tokenizer(None)
THINKING_OFF = "<｜Assistant｜><think>\\n\\n</think>\\n\\n"


def raw(line: str, held: str = "", style: ReasoningStyle | None = None, **wanted: Any) -> str:
    messages = conversation.parse(held, line)
    directions = directives.Directives(**wanted)
    return b"".join(responder.respond(messages, directions, TOKENIZER, style or ReasoningStyle())).decode()


def reply(line: str, held: str = "") -> str:
    return raw(line, held).split("</think>\n\n", 1)[1]


def test_an_answer_begins_inside_the_reasoning() -> None:
    text = raw("hello")
    assert "<think>" not in text
    assert re.fullmatch(r"\S[^<]+\n</think>\n\n\S.*", text, re.S)


def test_a_closed_think_block_gives_an_answer_without_reasoning() -> None:
    assert raw("hello" + THINKING_OFF) == reply("hello")


def test_a_template_that_does_not_open_the_tag_leaves_it_to_the_model() -> None:
    assert raw("hello", style=ReasoningStyle(opens_tag=True)).startswith("<think>\n")
    assert raw("hello", style=ReasoningStyle(reasons=False, opens_tag=True)) == reply("hello")


@pytest.mark.parametrize(
    "question",
    ["hello", "你好", "who are you?", "你是谁", "tell me a joke", "讲个笑话", "why is the sky blue?", "为什么天是蓝的"],
)
def test_the_reply_is_in_the_language_of_the_question_and_says_what_it_is(question: str) -> None:
    chinese = conversation.is_chinese(question)
    assert conversation.is_chinese(raw(question)) == chinese
    assert reply(question).endswith(canned_replies.note(chinese=chinese))
    assert ("模拟器" if chinese else "simulator") in canned_replies.note(chinese=chinese)


@pytest.mark.parametrize(
    ("question", "equation"),
    [
        ("2+3", "2 + 3 = **5**"),
        ("what is 7 * 6?", "7 * 6 = **42**"),
        ("7 x 6", "7 * 6 = **42**"),
        ("10除以4", "10 / 4 = **2.5**"),
        ("3减5等于几", "3 - 5 = **-2**"),
        ("请问3*(4+5)是多少", "3 * (4 + 5) = **27**"),
        ("2+3*4", "2 + 3 * 4 = **14**"),
        ("What is -(2 + 3)*4.5 - 1?", "-(2 + 3) * 4.5 - 1 = **-23.5**"),
        ("0.1+0.2", "0.1 + 0.2 = **0.3**"),
        ("1/3", "1 / 3 ≈ **0.333333333333**"),
        ("123456789123*1000000007", "123456789123 * 1000000007 = **123456789987197523861**"),
    ],
)
def test_arithmetic(question: str, equation: str) -> None:
    assert reply(question).split("\n")[0] == equation


def test_a_division_by_zero_has_no_result() -> None:
    assert "no result" in reply("1/0")
    assert "没有结果" in reply("算 1/0")


@pytest.mark.parametrize(
    "question", ["2x+3=7", "S100-1.5B", "call 12345", "what is 5?", "((((", "1+" + "(" * 300, "-5"]
)
def test_what_is_no_sum_is_not_worked_out(question: str) -> None:
    assert "**" not in reply(question)


@given(st.text(max_size=200))
def test_there_is_always_an_answer(question: str) -> None:
    assert raw(question.replace("\n", "\\n"))


@given(st.text("0123456789.+-*/()x乘除以 ", min_size=1, max_size=150))
def test_any_expression_has_an_answer(question: str) -> None:
    assert reply(question).endswith((canned_replies.NOTE_EN, canned_replies.NOTE_ZH))


# Recall


@pytest.mark.parametrize(
    ("statement", "question", "word"),
    [
        ("The secret word is tulip.", "What is the secret word?", "tulip"),
        ("the secret word of this chat is: tulip, ok?", "Tell me the secret word", "tulip"),
        ("暗号是蓝天7。", "暗号是什么？", "蓝天7"),
        ("My name is Tom", "What is my name?", "Tom"),
        ("我叫小明", "我叫什么？", "小明"),
    ],
)
def test_it_recalls_what_the_conversation_states(statement: str, question: str, word: str) -> None:
    held = f"<｜User｜>{statement}<｜Assistant｜><think>\nHm.\n</think>\n\nNoted.<｜end▁of▁sentence｜>"
    reasoning, text = raw(question, held).split("</think>")
    assert word in text
    assert word in reasoning
    assert word in reply(f"{statement}<｜Assistant｜>Noted.<｜end▁of▁sentence｜><｜User｜>{question}")
    assert word in reply(f"{statement}\\n\\n{question}")
    assert word not in raw(question)


def test_it_lists_every_word_of_the_conversation_in_order() -> None:
    held = "<｜User｜>The secret word is alpha.<｜Assistant｜>Noted.<｜User｜>暗号是 beta。<｜Assistant｜>"
    assert "alpha, beta, gamma" in reply("secret word: gamma\\nWhat is the secret word?", held)


@pytest.mark.parametrize(
    "question",
    [
        "The next secret word is gamma. List every secret word that you have been told, separated by commas.",
        "Which secret words do you know from this conversation? Name all of them. A secret word: gamma",
        "Name all secret words. The secret word: gamma",
    ],
)
def test_it_lists_all_secret_words(question: str) -> None:
    held = "<｜User｜>The first secret word is alpha. The second secret word is beta. Answer only OK.<｜Assistant｜>OK"
    assert "alpha, beta, gamma" in reply(question, held)


@pytest.mark.parametrize(
    ("statement", "reply_text"),
    [
        ("The secret word is ZQ1. Answer only OK.", "OK."),
        ("我叫小明", "好的。"),
        ("My name is Tom. 2+2=?", "2 + 2 = **4**"),
    ],
)
def test_a_statement_is_acknowledged_without_repeating_it(statement: str, reply_text: str) -> None:
    assert reply(statement).split("\n")[0] == reply_text


def test_it_says_that_it_does_not_know() -> None:
    assert reply("What is the secret word?").startswith("I do not know")
    assert reply("暗号是什么").startswith("我不知道")


def test_a_statement_is_no_request() -> None:
    assert recall.find_recall("The secret word is tulip", "The secret word is tulip") is None
    assert recall.find_statements("What is the secret word? The secret word is not it", "secret word") == ()


@pytest.mark.parametrize(("keeps", "resets", "left"), [(True, True, 0), (True, False, 10), (False, False, 10)])
def test_the_cache_forgets_as_its_profile_does(keeps: bool, resets: bool, left: int) -> None:
    cache = KvCache(100, keeps=keeps, resets=resets)
    cache.begin()
    cache.add("ten tokens", 10)
    cache.reset()
    assert (cache.tokens, cache.room) == (left, 100 - left)
    cache.begin()
    assert cache.tokens == (left if keeps else 0)


# Rendered conversations


def test_a_rendered_conversation_is_taken_apart() -> None:
    line = "Be short.<｜User｜>Hi<｜Assistant｜>Hello!<｜end▁of▁sentence｜><｜User｜>a\\nb"
    messages = conversation.parse("", line)
    assert [tuple(m) for m in messages.messages] == [
        ("user", "Be short."),
        ("user", "Hi"),
        ("assistant", "Hello!"),
        ("user", "a\nb"),
    ]
    assert messages.question == "a\nb"


def test_chatml_is_understood() -> None:
    messages = conversation.parse("", "Hi<|im_end|>\\n<|im_start|>assistant\\nHello<|im_end|>\\n<|im_start|>user\\n2+3")
    assert [m.role for m in messages.messages] == ["user", "assistant", "user"]


# Directives


def test_directives_are_read_and_taken_out() -> None:
    found, rest = directives.parse("a [[sim tokens=5 think=2]] b [[sim say=aGk fault=exit@decode after=7 rate=x]]")
    assert found == directives.Directives(say="hi", tokens=5, think=2, fault="exit@decode", after=7.0)
    assert rest.split() == ["a", "b"]


@given(st.text())
def test_any_text_may_be_in_a_directive(text: str) -> None:
    found, _ = directives.parse(f"[[sim {text}]] [[sim say={text} tokens={text} rate={text}]]")
    assert isinstance(found, directives.Directives)


@given(st.text(min_size=1))
def test_say_is_exact(text: str) -> None:
    assert raw("x", say=text) == text


@pytest.mark.parametrize("total", [1, 2, 5, 60, 500])
@pytest.mark.parametrize("line", ["x", "你", "x" + THINKING_OFF])
def test_an_answer_of_so_many_tokens(line: str, total: int) -> None:
    text = raw(line, tokens=total)
    assert TOKENIZER.count(text) == total


def test_reasoning_of_so_many_tokens_and_a_nonce() -> None:
    reasoning, text = raw("x", think=40, tokens=90, nonce="n7x").split("</think>\n\n")
    assert TOKENIZER.count(reasoning) == 40
    assert "n7x" in reasoning
    assert text.startswith("n7x ")
    assert raw("x", think=0).startswith("</think>\n\n")
