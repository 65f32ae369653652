"""What the simulator answers: memory, languages, directives. Pure, no process."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.simulator import brain, conversation, directives, memory, smalltalk
from bpu.simulator.tokens import load_tokenizer

TOKENIZER = load_tokenizer(None)
THINKING_OFF = "<｜Assistant｜><think>\\n\\n</think>\\n\\n"


def raw(line: str, held: str = "", style: brain.Style | None = None, **asked: Any) -> str:
    talk = conversation.parse(held, line)
    return b"".join(brain.answer(talk, directives.Directives(**asked), TOKENIZER, style or brain.Style())).decode()


def reply(line: str, held: str = "") -> str:
    return raw(line, held).split("</think>\n\n", 1)[1]


def test_an_answer_begins_inside_the_reasoning() -> None:
    text = raw("hello")
    assert "<think>" not in text
    assert re.fullmatch(r"\S[^<]+\n</think>\n\n\S.*", text, re.S)


def test_a_closed_think_block_gives_an_answer_without_reasoning() -> None:
    assert raw("hello" + THINKING_OFF) == reply("hello")


def test_a_template_that_does_not_open_the_tag_leaves_it_to_the_model() -> None:
    assert raw("hello", style=brain.Style(opens=True)).startswith("<think>\n")
    assert raw("hello", style=brain.Style(thinks=False, opens=True)) == reply("hello")


@pytest.mark.parametrize(
    "question",
    ["hello", "你好", "who are you?", "你是谁", "tell me a joke", "讲个笑话", "why is the sky blue?", "为什么天是蓝的"],
)
def test_the_reply_is_in_the_language_of_the_question_and_says_what_it_is(question: str) -> None:
    text = raw(question)
    chinese = conversation.is_chinese(question)
    assert conversation.is_chinese(text) == chinese
    assert ("模拟器" if chinese else "imulator") in text
    assert "BPU" in text


@pytest.mark.parametrize(
    ("question", "value"), [("2+3", "5"), ("what is 7 * 6?", "42"), ("10除以4", "2.5"), ("3减5等于几", "-2")]
)
def test_arithmetic(question: str, value: str) -> None:
    assert f"**{value}**" in reply(question)


def test_markdown_repetition_and_division_by_zero() -> None:
    assert "```python\n" in reply("write a python function")
    assert reply("list three things").count("\n") >= 3
    assert reply("repeat after me: 好 day") == "好 day"
    assert "no result" in reply("1/0")


@given(st.text(max_size=200))
def test_there_is_always_an_answer(question: str) -> None:
    assert smalltalk.reply(question) or not question.strip()
    assert raw(question.replace("\n", "\\n"))


# Memory


@pytest.mark.parametrize(
    ("told", "question", "word"),
    [
        ("The secret word is tulip.", "What is the secret word?", "tulip"),
        ("the secret word of this chat is: tulip, ok?", "Tell me the secret word", "tulip"),
        ("暗号是蓝天7。", "暗号是什么？", "蓝天7"),
        ("My name is Tom", "What is my name?", "Tom"),
        ("我叫小明", "我叫什么？", "小明"),
        ("Remember this code: 7f3a-x9.", "What is the code?", "7f3a-x9"),
        ("My favourite colour is teal", "what's my favourite colour?", "teal"),
    ],
)
def test_it_knows_what_it_was_told(told: str, question: str, word: str) -> None:
    held = f"<｜User｜>{told}<｜Assistant｜><think>\nHm.\n</think>\n\nNoted.<｜end▁of▁sentence｜>"
    reasoning, text = raw(question, held).split("</think>")
    assert word in text
    assert word in reasoning
    assert word in reply(f"{told}<｜Assistant｜>Noted.<｜end▁of▁sentence｜><｜User｜>{question}")
    assert word in reply(f"{told}\\n\\n{question}")
    assert word not in raw(question)


def test_it_tells_every_word_that_it_holds_in_order() -> None:
    held = "<｜User｜>The secret word is alpha.<｜Assistant｜>Noted.<｜User｜>暗号是 beta。<｜Assistant｜>"
    assert "alpha, beta, gamma" in reply("secret word: gamma\\nWhat is the secret word?", held)


@pytest.mark.parametrize(
    "question",
    [
        "The next secret word is gamma. List every secret word that you have been told, separated by commas.",
        "Which secret words do you know from this conversation? Name all of them. The key is: gamma",
        "Name all secret words. The secret word: gamma",
    ],
)
def test_it_lists_all_secret_words(question: str) -> None:
    held = "<｜User｜>The first secret word is alpha. The second secret word is beta. Answer only OK.<｜Assistant｜>OK"
    assert "alpha, beta, gamma" in reply(question, held)


def test_it_says_that_it_does_not_know() -> None:
    assert reply("What is the secret word?").startswith("I do not know")
    assert reply("暗号是什么").startswith("我不知道")


def test_telling_is_not_asking() -> None:
    assert memory.asked("The secret word is tulip", "The secret word is tulip") is None
    assert memory.told("What is the secret word? The secret word is not it", "secret") == ()


@pytest.mark.parametrize(("keeps", "resets", "left"), [(True, True, 0), (True, False, 10), (False, False, 10)])
def test_the_cache_forgets_as_its_profile_does(keeps: bool, resets: bool, left: int) -> None:
    cache = memory.Cache(100, keeps=keeps, resets=resets)
    cache.begin()
    cache.add("ten tokens", 10)
    cache.reset()
    assert (cache.tokens, cache.room) == (left, 100 - left)
    cache.begin()
    assert cache.tokens == (left if keeps else 0)


# Rendered conversations


def test_a_rendered_conversation_is_taken_apart() -> None:
    line = "Be short.<｜User｜>Hi<｜Assistant｜>Hello!<｜end▁of▁sentence｜><｜User｜>a\\nb"
    talk = conversation.parse("", line)
    assert [tuple(m) for m in talk.messages] == [
        ("user", "Be short."),
        ("user", "Hi"),
        ("assistant", "Hello!"),
        ("user", "a\nb"),
    ]
    assert talk.question == "a\nb"


def test_chatml_is_understood() -> None:
    talk = conversation.parse("", "Hi<|im_end|>\\n<|im_start|>assistant\\nHello<|im_end|>\\n<|im_start|>user\\n2+3")
    assert [m.role for m in talk.messages] == ["user", "assistant", "user"]


# Directives


def test_directives_are_read_and_taken_out() -> None:
    asked, rest = directives.parse("a [[sim tokens=5 think=2]] b [[sim say=aGk fault=exit@decode after=7 rate=x]]")
    assert asked == directives.Directives(say="hi", tokens=5, think=2, fault="exit@decode", after=7.0)
    assert rest.split() == ["a", "b"]


@given(st.text())
def test_any_text_may_be_in_a_directive(text: str) -> None:
    asked, _ = directives.parse(f"[[sim {text}]] [[sim say={text} tokens={text} rate={text}]]")
    assert isinstance(asked, directives.Directives)


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
