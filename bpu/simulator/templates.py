"""Wraps a line in one of the two chat templates of the consoles' models.

No template language is implemented: the markers in a template file decide between the two.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bpu.simulator.conversation import ASSISTANT, BEGIN, USER
from bpu.simulator.responder import ReasoningStyle

_OPENS_THINKING = re.compile(re.escape(ASSISTANT) + r"<think>")


class Template(NamedTuple):
    """The text before and after each line, also within one chat."""

    before: str
    after: str
    style: ReasoningStyle

    @classmethod
    def of(cls, text: str, *, deepseek: bool) -> Template:
        """The template of a file's `text`: ChatML where it holds its markers, else DeepSeek R1's."""
        if "<|im_start|>" in text and "<think>\\n\\n</think>" in text.replace("\n", "\\n"):
            return cls.own(reasons=False)  # MiniCPM5's template closes the reasoning inside the prompt
        if "<|im_start|>" in text:
            before = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
            return cls(before, "<|im_end|>\n<|im_start|>assistant\n", ReasoningStyle(reasons=deepseek, opens_tag=True))
        if _OPENS_THINKING.search(text):
            return cls(BEGIN + USER, ASSISTANT + "<think>\n", ReasoningStyle())
        return cls(BEGIN + USER, ASSISTANT, ReasoningStyle(reasons=deepseek, opens_tag=True))

    @classmethod
    def own(cls, *, reasons: bool) -> Template:
        """Return the built-in ChatML of the S600's programs.

        It closes the reasoning in the prompt if it is off.
        """
        closed = "" if reasons else "<think>\n\n</think>\n\n"
        after = f"<|im_end|>\n<|im_start|>assistant\n{closed}"
        return cls("<|im_start|>user\n", after, ReasoningStyle(reasons=reasons, opens_tag=True))

    def render(self, line: str) -> str:
        """Return the prompt of one line, as the console echoes it."""
        return self.before + line + self.after
