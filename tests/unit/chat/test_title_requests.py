"""Requests for titles, tags and follow-up questions, answered without the model."""

from __future__ import annotations

import json

import pytest

from bpu.chat.title_requests import conversation_title

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
    assert conversation_title(request(naming(chat))) == name
    assert name.strip()


def test_32_system_messages_before_it_do_not_matter() -> None:
    asked = request({"role": "system", "content": "Current model: x"}, naming("Hello"))
    assert conversation_title(asked) == "Hello"


@pytest.mark.parametrize("text", ["Hi", "The name is:", ASKS, naming("x") + " And then?"])
def test_32_every_other_request_goes_to_the_model(text: str) -> None:
    assert conversation_title(request(text)) is None


def test_32_without_the_fence_there_is_still_a_name() -> None:
    assert conversation_title(request(f"{ASKS}The name is:")) == "Chat"


def task(wanted: str, history: str) -> str:
    """A task as Open WebUI 0.12 words it."""
    return (
        "### Task:\nDo something with the chat history.\n### Guidelines:\n- Be brief.\n"
        f'### Output:\nJSON format: {{ "{wanted}": ["x"] }}\n'
        f"### Chat History:\n<chat_history>\n{history}\n</chat_history>"
    )


HISTORY = "USER: **What is the capital of France, and why?**\nASSISTANT: Paris.\nUSER: Thanks"


@pytest.mark.parametrize(
    ("wanted", "history", "answer"),
    [
        ("title", HISTORY, {"title": "What is the capital of France, and why"}),
        ("title", "USER: 法国的首都是哪里？\nASSISTANT: 巴黎", {"title": "法国的首都是哪里"}),
        ("title", "USER: \n\nASSISTANT: Hm", {"title": "Chat"}),
        ("title", "USER: " + "word " * 30, {"title": "word word word word word word word word"}),
        ("tags", HISTORY, {"tags": ["General"]}),
        ("follow_ups", HISTORY, {"follow_ups": []}),
    ],
)
def test_open_webui_s_tasks_are_answered_in_the_json_that_they_ask_for(
    wanted: str, history: str, answer: dict[str, object]
) -> None:
    text = conversation_title(request(task(wanted, history)))
    assert text is not None
    assert json.loads(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        task("queries", HISTORY),
        task("title", HISTORY) + "\nWhat does this prompt do?",
        "Explain: " + task("title", HISTORY),
        "### Task:\nWrite a poem.",
    ],
)
def test_what_only_looks_like_a_task_goes_to_the_model(text: str) -> None:
    assert conversation_title(request(text)) is None
