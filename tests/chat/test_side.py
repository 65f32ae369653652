"""Chatbox's naming request, answered without the model."""

from __future__ import annotations

import pytest

from bpu.chat.side import side_answer

from .kit import request

ASKS = "Based on the chat history, give this conversation a name.\nKeep it short - 10 characters max, no quotes.\n"


def naming(chat: str) -> str:
    return f"{ASKS}Here's the conversation:\n\n```\n{chat}\n```\n\nOnly give the name, nothing else.\n\nThe name is:"


@pytest.mark.parametrize(
    ("chat", "name"),
    [
        ("How do magnets work?\n\n---------\n\nThey attract.", "How do"),
        ("用一句话介绍一下你自己，好吗？\n\n---------\n\n我是", "用一句话介绍一下你自"),
        ("Hi", "Hi"),
        ("\n\n  **Weather**  \nmore", "Weather"),
        ("Internationalisation of software", "Internatio"),
        ("Introductions first", "Introductions"),
        ("???", "Chat"),
        ("", "Chat"),
        ("```python\nprint(1)", "python"),
    ],
)
def test_32_the_name_is_made_of_the_first_message(chat: str, name: str) -> None:
    assert side_answer(request(naming(chat))) == name
    assert name.strip()


def test_32_system_messages_before_it_do_not_matter() -> None:
    asked = request({"role": "system", "content": "Current model: x"}, naming("Hello"))
    assert side_answer(asked) == "Hello"


@pytest.mark.parametrize("text", ["Hi", "The name is:", ASKS, naming("x") + " And then?"])
def test_32_every_other_request_goes_to_the_model(text: str) -> None:
    assert side_answer(request(text)) is None


def test_32_without_the_fence_there_is_still_a_name() -> None:
    assert side_answer(request(f"{ASKS}The name is:")) == "Chat"
