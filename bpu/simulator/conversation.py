"""What the model sees, taken apart: the turns of a rendered prompt, its tools, its last question. Pure text work."""

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
_TOOLS = re.compile(r"<tools>.*?</tools>", re.S)
_CLOSED = re.compile(r"<think>\s*</think>\s*\Z")
_CHINESE = re.compile(r"[\u3400-\u9fff]")


class Message(NamedTuple):
    role: str  # system, user, assistant or tool
    text: str


class Conversation(NamedTuple):
    """`thinks` is False where the prompt has closed the reasoning itself. `text` is everything, unescaped."""

    messages: tuple[Message, ...]
    thinks: bool
    text: str

    @property
    def last(self) -> Message:
        """The last message that is not the model's own."""
        others = [message for message in self.messages if message.role != "assistant"]
        return others[-1] if others else Message("user", "")

    @property
    def question(self) -> str:
        """The last question without the tools that may stand before it."""
        return _TOOLS.sub("", self.last.text).strip()

    @property
    def focus(self) -> str:
        """The last paragraph of the question: system text may have been merged in front of it."""
        paragraphs = [part.strip() for part in self.question.split("\n\n") if part.strip()]
        return paragraphs[-1] if paragraphs else ""

    @property
    def chinese(self) -> bool:
        return is_chinese(self.focus)


def is_chinese(text: str) -> bool:
    return bool(_CHINESE.search(text))


def unescaped(line: str) -> str:
    """A line break travels through the one line as backslash and n."""
    return line.replace("\\r", "").replace("\\n", "\n")


def parse(held: str, line: str) -> Conversation:
    """The conversation after `held`, what the cache holds, and `line`, which begins in the user's turn."""
    text = held + USER + unescaped(line)
    messages: list[Message] = []
    role = "system"
    for part in _MARKS.split(text):
        if _MARKS.fullmatch(part):
            role = _ROLES.get(part, "")
        elif part.strip() and role:
            messages.append(_message(role, part))
    return Conversation(tuple(messages), not _CLOSED.search(text), text)


def _message(role: str, text: str) -> Message:
    if role == "user" and text.lstrip().startswith("<tool_response>"):
        role = "tool"
    if role == "tool":
        text = _TOOL_MARKS.sub("", text)
    return Message(role, text.strip())
