"""Answers side requests of clients that need no model: titles, tags, follow-up questions. Pure.

Chatbox asks for a name after the first answer, Open WebUI for a title, tags and follow-up questions, each in fixed
words around the conversation. A model that cannot switch its reasoning off would take a minute for each of them, and
they would replace the conversation in the console's cache.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import takewhile

from bpu.chat.requests import ChatRequest

_ASKS = "Based on the chat history, give this conversation a name."
_ENDS = "The name is:"
#: A line of so many hyphens separates two messages.
_RULE = 5
_DECORATION = " \t\"'`#*_>~.,:;!?-。，！？、：；“”‘’「」《》()（）[]【】"
#: Chatbox asks for at most ten characters; a Latin word is not cut in two for one or two more.
_LENGTH, _SLACK = 10, 14
#: Open WebUI asks for three to five words.
_TITLE_LENGTH = 40
_UNNAMED = "Chat"
#: Open WebUI's tasks: their beginning, the tags around the conversation, and the key of the wanted JSON.
_TASK = "### Task:"
_HISTORY, _HISTORY_END = "<chat_history>", "</chat_history>"
_WANTED = re.compile(r'### Output:\s{0,8}JSON format: \{ "(title|tags|follow_ups)":')
#: The prefixes of a turn's first line in the conversation.
_USER, _ASSISTANT = "USER:", "ASSISTANT:"
#: The tag that Open WebUI's own instructions name for a conversation that is too short to classify.
_TAGS = ["General"]


def conversation_title(request: ChatRequest) -> str | None:
    """Answer a request for a title, tags or follow-up questions; None for every other request.

    The title is made of the first user message in the conversation.
    """
    text = request.messages[-1].content
    if text.startswith(_TASK):
        return _task_answer(text)
    if _ASKS not in text or not text.rstrip().endswith(_ENDS):
        return None
    _, _, behind = text.partition("```")
    _, _, behind = behind.partition("\n")
    chat, _, _ = behind.rpartition("\n```")
    return _short(_first_line(takewhile(_is_no_rule, chat.splitlines())))


def _task_answer(text: str) -> str | None:
    """Return the JSON that a task of Open WebUI asks for."""
    wanted, (_, _, history) = _WANTED.search(text), text.partition(_HISTORY)
    if wanted is None or not history.rstrip().endswith(_HISTORY_END):
        return None
    if wanted[1] != "title":
        return json.dumps({wanted[1]: _TAGS if wanted[1] == "tags" else []})
    said = history.rpartition(_HISTORY_END)[0].partition(_USER)[2].partition(f"\n{_ASSISTANT}")[0]
    title = _short(_first_line(said.splitlines()), _TITLE_LENGTH, _TITLE_LENGTH)
    return json.dumps({"title": title}, ensure_ascii=False)


def _first_line(lines: Iterable[str]) -> str:
    """Return the first line with words, without decoration."""
    return next((line for line in (one.strip(_DECORATION) for one in lines) if line), _UNNAMED)


def _is_no_rule(line: str) -> bool:
    line = line.strip()
    return len(line) < _RULE or bool(line.strip("-"))


def _short(line: str, length: int = _LENGTH, slack: int = _SLACK) -> str:
    name = ""
    for word in line.split():
        longer = f"{name} {word}".strip()
        if len(longer) > (slack if word.isascii() and not name else length):
            break
        name = longer
    return (name or line[:length]).strip(_DECORATION) or _UNNAMED
