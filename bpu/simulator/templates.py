"""How the console wraps a line: the two shapes of chat template that its models use, told apart by their markers.

A template language is not implemented; a template file only says which shape it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bpu.simulator.brain import Style
from bpu.simulator.conversation import ASSISTANT, BEGIN, USER

_OPENS_THINKING = re.compile(re.escape(ASSISTANT) + r"<think>")


class Template(NamedTuple):
    """What stands before and after the line. It is applied to each line anew, also within one chat."""

    before: str
    after: str
    style: Style

    @classmethod
    def of(cls, text: str, *, deepseek: bool) -> Template:
        """The shape of the template file's `text`: ChatML where it has its markers, else DeepSeek R1's."""
        if "<|im_start|>" in text and "<think>\\n\\n</think>" in text.replace("\n", "\\n"):
            # MiniCPM5's template closes the thinking inside the prompt.
            return cls(*cls.own(thinks=False))
        if "<|im_start|>" in text:
            before = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
            return cls(before, "<|im_end|>\n<|im_start|>assistant\n", Style(thinks=deepseek, opens=True))
        if _OPENS_THINKING.search(text):
            return cls(BEGIN + USER, ASSISTANT + "<think>\n", Style())
        return cls(BEGIN + USER, ASSISTANT, Style(thinks=deepseek, opens=True))

    @classmethod
    def own(cls, *, thinks: bool) -> Template:
        """Qwen's ChatML, which the S600's programs bring themselves; they close the thinking where it is off."""
        closed = "" if thinks else "<think>\n\n</think>\n\n"
        after = f"<|im_end|>\n<|im_start|>assistant\n{closed}"
        return cls("<|im_start|>user\n", after, Style(thinks=thinks, opens=True))

    def render(self, line: str) -> str:
        return self.before + line + self.after
