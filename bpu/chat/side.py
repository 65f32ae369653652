"""Requests that a client makes beside the chat and that need no model: naming a conversation. Pure text work.

Chatbox asks for a name after the first answer, in its own fixed words, with the conversation in a fence. A model
that cannot be told not to think would take a minute over it and block the chat.
"""

from __future__ import annotations

from itertools import takewhile

from bpu.chat.requests import ChatRequest

_ASKS = "Based on the chat history, give this conversation a name."
_ENDS = "The name is:"
#: So many hyphens on a line of their own stand between two messages.
_RULE = 5
_DECORATION = " \t\"'`#*_>~.,:;!?-。，！？、：；“”‘’「」《》()（）[]【】"
#: Chatbox asks for at most ten characters; a Latin word is not cut in two for one or two more.
_LENGTH, _SLACK = 10, 14
_UNNAMED = "Chat"


def side_answer(request: ChatRequest) -> str | None:
    """The name for a naming request, made of the first user message; None for every other request."""
    text = request.messages[-1].content
    if _ASKS not in text or not text.rstrip().endswith(_ENDS):
        return None
    _, _, behind = text.partition("```")
    _, _, behind = behind.partition("\n")
    chat, _, _ = behind.rpartition("\n```")
    lines = (line.strip(_DECORATION) for line in takewhile(_is_no_rule, chat.splitlines()))
    return _short(next((line for line in lines if line), _UNNAMED))


def _is_no_rule(line: str) -> bool:
    line = line.strip()
    return len(line) < _RULE or bool(line.strip("-"))


def _short(line: str) -> str:
    name = ""
    for word in line.split():
        longer = f"{name} {word}".strip()
        if len(longer) > (_SLACK if word.isascii() and not name else _LENGTH):
            break
        name = longer
    return (name or line[:_LENGTH]).strip(_DECORATION) or _UNNAMED
