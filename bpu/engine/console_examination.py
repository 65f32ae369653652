"""Asks a console whether it keeps a conversation and whether `reset` empties its KV cache.

It is pure. Recall proves that the history is kept, because a model cannot guess a random word. A missing word proves
nothing, because the model may have ignored the question. So `reset` counts as working only if the model lists every
word before it, and after it, asked in the same way, only the newest word:

1. The line names three words.
2. The line names a fourth word and asks for every word: the answer must contain all four.
3. `reset`.
4. The line names a new word and asks for every word: the answer must contain it and none of the old ones.
5. The line asks for every word in another wording: the same.

Steps 1 and 2 are two turns because otherwise a model that lists only the newest word would pass on a console that
forgets nothing. Four old words must be missing twice: a model that recalls each word with probability p passes wrongly
with probability p^6 (1-p)^8, at most 7 in 100,000. Listing four words once proves as much as listing two words twice
and saves an answer, which takes 9 s at 17 tokens a second and 150 tokens of reasoning, while the first job waits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

#: Part of every record's identity, because findings of different questions are not comparable.
VERSION = 2

_CONSONANTS, _VOWELS, _SYLLABLES = "BDFGKLMNPRTVZ", "AEIOU", 4
#: This many consecutive letters of an old word may be a garbled recall, which proves nothing either way.
_GARBLED = 5
#: Lower bound of the UTF-8 bytes per token in answers of this kind.
BYTES_PER_TOKEN = 3


class Step(Enum):
    """Step of the examination; the value is the number of answers before it."""

    TELL = 0
    LIST = 1
    RESET = 1.5
    LIST_NEW = 2
    LIST_NEW_AGAIN = 3
    OVER = 4


#: Number of answers in a complete examination.
ANSWERS = int(Step.OVER.value)

NEXT: Mapping[Step, Step] = {
    Step.TELL: Step.LIST,
    Step.LIST: Step.RESET,
    Step.RESET: Step.LIST_NEW,
    Step.LIST_NEW: Step.LIST_NEW_AGAIN,
    Step.LIST_NEW_AGAIN: Step.OVER,
}

_LIST = "List every secret word that you have been told, separated by commas."

LINES: Mapping[Step, str] = {
    Step.TELL: "The first secret word is {0}. The second secret word is {1}. The third secret word is {2}. "
    "Answer only OK.",
    Step.LIST: "The next secret word is {3}. " + _LIST,
    Step.LIST_NEW: "The next secret word is {4}. " + _LIST,
    Step.LIST_NEW_AGAIN: "Which secret words do you know from this conversation? Name all of them.",
}

#: Number of words named in step 1, before `reset`, and in all.
_TOLD_FIRST, _TOLD_BEFORE, _WORDS = 3, 4, 5


@dataclass(frozen=True)
class Findings:
    """What an examination has proved; None: unknown.

    It cannot prove that a console keeps no history.
    """

    retains_history: bool | None = None
    reset_works: bool | None = None

    def merged(self, later: Findings) -> Findings:
        """Merge with later findings.

        A recall after `reset` is final: it proves that `reset` does not work.
        """
        return Findings(
            retains_history=self.retains_history or later.retains_history,
            reset_works=False if self.reset_works is False or later.reset_works is False
            else self.reset_works or later.reset_works,
        )  # fmt: skip


def random_words(count: int, choose: Callable[[str], str] | None = None) -> tuple[str, ...]:
    """Make different artificial words that a small model can repeat."""
    choose = choose or (lambda letters: letters[os.urandom(1)[0] % len(letters)])
    words: list[str] = []
    while len(words) < count:
        word = "".join(choose(_CONSONANTS) + choose(_VOWELS) for _ in range(_SYLLABLES))
        if not any(_recalls(other, word) or _garbles(other, word) for other in words):
            words.append(word)
    return tuple(words)


class ConsoleExamination:
    """One try.

    `line()` is what to write next, None at the reset and at the end; `on_answer()` takes the answer. `context` is the
    console's context in tokens, 0 if unknown: an answer that may have filled it counts as cut. Owned by
    `ExaminationRunner` in the keeper's one thread, or by the command `doctor --probe` in its main thread.
    """

    def __init__(self, words: tuple[str, ...] | None = None, *, context: int = 0) -> None:
        self._context_bytes, self._context_used = context * BYTES_PER_TOKEN, 0
        self.words = words or random_words(_WORDS)
        self.step = Step.TELL
        self.findings = Findings()
        self._is_proof = True

    @property
    def answers_left(self) -> int:
        """How many answers are still to come."""
        return ANSWERS - int(self.step.value + 0.5) if self.step is not Step.OVER else 0

    def line(self) -> bytes | None:
        """Return the next line to write; None at the reset and at the end."""
        text = LINES.get(self.step)
        return None if text is None else text.format(*self.words).encode()

    def on_reset(self) -> None:
        """Go on after `reset`, when the prompt has come back."""
        self.step, self._context_used = NEXT[self.step], 0

    def on_answer(self, text: str, *, complete: bool = True) -> None:
        """Evaluate the answer to the current step, reasoning included; `complete`: it was not cut."""
        step, letters = self.step, _letters(text)
        self._context_used += len(self.line() or b"") + len(text.encode("utf-8", "replace"))
        complete = complete and not 0 < self._context_bytes <= self._context_used
        old, new = self.words[:_TOLD_BEFORE], self.words[_TOLD_BEFORE]
        self.step = NEXT[step]
        if step is Step.LIST:
            if any(_recalls(letters, word) for word in old[:_TOLD_FIRST]):
                self.findings = Findings(retains_history=True)
            if not complete or not all(_recalls(letters, word) for word in old):
                self.step = Step.OVER
        elif step in (Step.LIST_NEW, Step.LIST_NEW_AGAIN):
            if any(_recalls(letters, word) for word in old):
                self.findings = Findings(retains_history=True, reset_works=False)
                self.step = Step.OVER
                return
            self._is_proof &= complete and _recalls(letters, new) and not any(_garbles(letters, word) for word in old)
            if step is Step.LIST_NEW_AGAIN and self._is_proof:
                self.findings = Findings(retains_history=True, reset_works=True)


def _letters(text: str) -> str:
    """Return the letters of `text` in upper case, joined.

    A model may put something between them.
    """
    return re.sub(r"[^A-Z]", "", text.upper())


def _recalls(letters: str, word: str) -> bool:
    return word in letters


def _garbles(letters: str, word: str) -> bool:
    return any(word[at : at + _GARBLED] in letters for at in range(len(word) - _GARBLED + 1))
