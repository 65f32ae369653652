"""Splits a rendered prompt into its messages, its tools and its last question. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

BEGIN, END = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
USER, ASSISTANT = "<｜User｜>", "<｜Assistant｜>"

_MARKS = re.compile(
    r"(<｜begin▁of▁sentence｜>|<｜end▁of▁sentence｜>|<｜User｜>|<｜Assistant｜>"
    r"|<｜tool▁outputs▁begin｜>|<｜tool▁outputs▁end｜>|<\|im_start\|>(?:system|user|assistant|tool)\n|<\|im_end\|>)"
)
_ROLES = {
    BEGIN: "system",
    USER: "user",
    ASSISTANT: "assistant",
    "<｜tool▁outputs▁begin｜>": "tool",
    "<|im_start|>system\n": "system",
    "<|im_start|>user\n": "user",
    "<|im_start|>assistant\n": "assistant",
    "<|im_start|>tool\n": "tool",
}
_TOOL_MARKS = re.compile(r"</?tool_response>|<｜tool▁output▁(?:begin|end)｜>")
_TOOL_RESULT = re.compile(r"\s*(?:<tool_response>|\[?tool (?:result|output|response)\b|工具(?:结果|返回))", re.I)
_TOOLS = re.compile(r"<tools>.*?</tools>", re.S)
_CLOSED = re.compile(r"<think>\s*</think>\s*\Z")
_CHINESE = re.compile(r"[\u3400-\u9fff]")


class Message(NamedTuple):
    """One message of a conversation."""

    role: str  # system, user, assistant or tool
    text: str


class Conversation(NamedTuple):
    """All messages of a prompt.

    `reasons` is False where the prompt has closed the reasoning; `text` is everything, unescaped.
    """

    messages: tuple[Message, ...]
    reasons: bool
    text: str

    @property
    def last(self) -> Message:
        """The last message that is not the model's own."""
        others = [message for message in self.messages if message.role != "assistant"]
        return others[-1] if others else Message("user", "")

    @property
    def question(self) -> str:
        """The last question without the tools before it."""
        return _TOOLS.sub("", self.last.text).strip()

    @property
    def focus(self) -> str:
        """The last paragraph of the question; system text may stand in front of it."""
        paragraphs = [part.strip() for part in self.question.split("\n\n") if part.strip()]
        return paragraphs[-1] if paragraphs else ""

    @property
    def instructions(self) -> str:
        """System texts, the first question and the last one, without the tools."""
        users = [message for message in self.messages if message.role == "user"]
        systems = [message for message in self.messages if message.role == "system"]
        return _TOOLS.sub("", "\n".join(message.text for message in [*systems, *users[:1], *users[1:][-1:]]))

    @property
    def chinese(self) -> bool:
        """Whether the question that is answered is in Chinese."""
        return is_chinese(self.focus)


def is_chinese(text: str) -> bool:
    return bool(_CHINESE.search(text))


def unescape(line: str) -> str:
    """The line with its line breaks, which the prompt writes as backslash and n."""
    return line.replace("\\r", "").replace("\\n", "\n")


def parse(held: str, line: str) -> Conversation:
    """Parse the conversation of the cached text `held` and of `line`, the user's message."""
    text = held + USER + unescape(line)
    messages: list[Message] = []
    role = "system"
    for part in _MARKS.split(text):
        if _MARKS.fullmatch(part):
            role = _ROLES.get(part, "")
        elif part.strip() and role:
            messages.append(_message(role, part))
    return Conversation(tuple(messages), not _CLOSED.search(text), text)


def _message(role: str, text: str) -> Message:
    if role == "user" and _TOOL_RESULT.match(text):
        role = "tool"
    if role == "tool":
        text = _TOOL_MARKS.sub("", text)
    return Message(role, text.strip())
