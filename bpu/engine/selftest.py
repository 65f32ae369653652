"""A short talk with a console that shows whether it keeps a conversation and whether `reset` forgets it. Pure.

One public console prints its prompt on `reset` and forgets nothing, so neither claim is believed unseen: it is told
a word nobody else uses, asked for it, reset, and asked again. Only a console that knew the word before the reset and
not after it is trusted; a model that never knew it proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from bpu.engine.cache import Trust


class Step(str, Enum):
    TELL = "tell"
    ASK = "ask"
    RESET = "reset"
    ASK_AGAIN = "ask again"
    OVER = "over"


NEXT: dict[Step, Step] = {
    Step.TELL: Step.ASK,
    Step.ASK: Step.RESET,
    Step.RESET: Step.ASK_AGAIN,
    Step.ASK_AGAIN: Step.OVER,
}

LINES: dict[Step, Callable[[str], str]] = {
    Step.TELL: lambda word: f"The secret word is {word}. Answer only OK.",
    Step.ASK: lambda word: "What is the secret word? Answer with the word only.",
    Step.ASK_AGAIN: lambda word: "What is the secret word? Answer with the word only.",
}


class SelfTest:
    """`line()` is what to write next (None at the reset: the fence is the owner's), `heard()` takes the answer."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.step = Step.TELL
        self.trust: Trust | None = None
        self._knew = False

    def line(self) -> bytes | None:
        make = LINES.get(self.step)
        return None if make is None else make(self.word).encode()

    def heard(self, answer: str) -> None:
        """The answer to the current step, reasoning included; the nonce anywhere in it counts."""
        knows = self.word.lower() in answer.lower()
        if self.step is Step.ASK:
            self._knew = knows
        elif self.step is Step.ASK_AGAIN:
            self.trust = Trust(keeps=self._knew, resets=self._knew and not knows)
        self.step = NEXT[self.step]
        if self.step is Step.RESET and not self._knew:
            # Nothing was kept (or the model cannot tell): there is nothing that a reset could be seen to forget.
            self.trust, self.step = Trust(), Step.OVER
