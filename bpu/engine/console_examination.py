"""The questions that show whether a console keeps a conversation and whether `reset` empties its memory. Pure.

Recall proves memory: nobody can guess a random word. A missing word proves nothing: the model may have ignored the
question. So `reset` is trusted only if the console, asked in the same way, names every word before it and only the
newest word after it:

1. Three words are told.
2. A fourth word is told, and every word is to be listed: all four must be named.
3. `reset`.
4. A new word is told, and every word is to be listed: it must be named, and none of the old ones.
5. Every word is to be listed, in another wording: the same.

The words of step 1 and 2 are told in two turns because a model that names only the newest word would otherwise pass
on a console that forgets nothing. Four old words must be missing twice: a model that recalls each word with the
probability p passes wrongly with the probability p^6 (1-p)^8, which is at most 7 in 100,000. Four words that are
listed once prove as much about the model's recall as two words listed twice, in one answer less: at 17 tokens a
second and 150 tokens of reasoning an answer takes 9 s, for which the first person waits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

#: Part of every record's identity: findings of other questions are not comparable.
VERSION = 2

_CONSONANTS, _VOWELS, _SYLLABLES = "BDFGKLMNPRTVZ", "AEIOU", 4
#: So many letters of an old word in a row may be a garbled recall: they prove nothing either way.
_GARBLED = 5
#: Bytes of UTF-8 that a token stands for at least, in answers of this kind.
BYTES_PER_TOKEN = 3


class Step(Enum):
    """Where the examination is; the value is the number of answers that have come before."""

    TELL = 0
    LIST = 1
    RESET = 1.5
    LIST_NEW = 2
    LIST_NEW_AGAIN = 3
    OVER = 4


#: Number of answers of an examination that is not cut short.
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

#: Words told in step 1, before `reset`, and in all.
_TOLD_FIRST, _TOLD_BEFORE, _WORDS = 3, 4, 5


@dataclass(frozen=True)
class Findings:
    """What an examination has proved; None: unknown. A console is never proved to keep no history."""

    retains_history: bool | None = None
    reset_works: bool | None = None

    def merged(self, later: Findings) -> Findings:
        """Both together. A recall after `reset` is final, whatever a later examination shows."""
        return Findings(
            retains_history=self.retains_history or later.retains_history,
            reset_works=False if self.reset_works is False or later.reset_works is False
            else self.reset_works or later.reset_works,
        )  # fmt: skip


def random_words(count: int, choose: Callable[[str], str] | None = None) -> tuple[str, ...]:
    """Different words that nobody uses, easy to repeat for a small model."""
    choose = choose or (lambda letters: letters[os.urandom(1)[0] % len(letters)])
    words: list[str] = []
    while len(words) < count:
        word = "".join(choose(_CONSONANTS) + choose(_VOWELS) for _ in range(_SYLLABLES))
        if not any(_recalls(other, word) or _garbles(other, word) for other in words):
            words.append(word)
    return tuple(words)


class ConsoleExamination:
    """One try. `line()` is what to write next (None at the reset, and at the end), `on_answer()` takes the answer.

    `context` is the console's, in tokens, 0 if it is not known: an answer that may have filled it may have been cut.
    """

    def __init__(self, words: tuple[str, ...] | None = None, *, context: int = 0) -> None:
        self._context_bytes, self._context_used = context * BYTES_PER_TOKEN, 0
        self.words = words or random_words(_WORDS)
        self.step = Step.TELL
        self.findings = Findings()
        self._is_proof = True

    @property
    def answers_left(self) -> int:
        return ANSWERS - int(self.step.value + 0.5) if self.step is not Step.OVER else 0

    def line(self) -> bytes | None:
        text = LINES.get(self.step)
        return None if text is None else text.format(*self.words).encode()

    def on_reset(self) -> None:
        """`reset` was sent, and the prompt came back."""
        self.step, self._context_used = NEXT[self.step], 0

    def on_answer(self, text: str, *, complete: bool = True) -> None:
        """Take the answer to the current step, its reasoning included; `complete`: it ended by itself."""
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
    """`text` without all that a model may put between the letters of a word."""
    return re.sub(r"[^A-Z]", "", text.upper())


def _recalls(letters: str, word: str) -> bool:
    return word in letters


def _garbles(letters: str, word: str) -> bool:
    return any(word[at : at + _GARBLED] in letters for at in range(len(word) - _GARBLED + 1))
