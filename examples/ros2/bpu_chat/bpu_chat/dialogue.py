"""Turns prompts and events of the answer into actions.

It holds the conversation of a robot with a person. Pure: no ROS, no network, no thread; the time is an argument. The
node carries the actions out. Invariants:

- At most one turn is active. Events of another turn are ignored, so an answer that was interrupted says no more.
- The memory holds whole exchanges: a question and what was said in answer to it. A turn that ended before a word of
  its answer leaves nothing.
"""

from __future__ import annotations

import enum
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Union

from bpu_chat.pacing import Pacer
from bpu_chat.speech import ReasoningFilter, SpeechSplitter

Message = dict[str, Any]


class State(str, enum.Enum):
    """The robot's activity, as other nodes read it."""

    IDLE = "idle"
    WAITING = "waiting"  # asked; no word of the answer yet
    ANSWERING = "answering"  # words come
    SPEAKING = "speaking"  # the answer is complete, its last pieces are being spoken


@dataclass(frozen=True)
class Ask:
    """Start the request of `turn`."""

    turn: int
    messages: list[Message]


@dataclass(frozen=True)
class Abort:
    """Cancel the job of `turn`, and forget its events."""

    turn: int


@dataclass(frozen=True)
class Say:
    """Publish one piece for the speech node."""

    text: str


@dataclass(frozen=True)
class Partial:
    """Publish a part of the answer as it came."""

    text: str


@dataclass(frozen=True)
class Answer:
    """Publish the whole answer."""

    text: str


@dataclass(frozen=True)
class Report:
    """Publish the state, and an error where there is one."""

    state: State
    turn: int
    error: str = ""


Action = Union[Ask, Abort, Say, Partial, Answer, Report]

#: Said alone, one of these stops answer and speech; the model is not asked.
STOP_WORDS = ("停", "停止", "停下", "别说了", "闭嘴", "取消", "stop", "cancel", "be quiet", "shut up")

#: Reported where a person would hear nothing and other nodes would see no reason.
NO_WORDS = "The answer has no words: max_tokens is spent on reasoning, or the model ended at once."


@dataclass
class _Turn:
    """The active turn: its question, and its answer so far."""

    number: int
    question: Message
    splitter: SpeechSplitter
    reasoning: ReasoningFilter = field(default_factory=ReasoningFilter)
    answer: str = ""
    said: list[str] = field(default_factory=list)
    is_complete: bool = False
    is_retry: bool = False


class Dialogue:
    """One conversation; the node calls it in one thread.

    `memory_turns` exchanges are sent with each question.
    """

    def __init__(
        self,
        *,
        pacer: Pacer,
        splitter: Callable[[], SpeechSplitter] = SpeechSplitter,
        system: str = "",
        memory_turns: int = 4,
        stop_words: tuple[str, ...] = STOP_WORDS,
        barge_in: bool = True,
    ) -> None:
        self._pacer = pacer
        self._splitter = splitter
        self._system = system
        self._memory: deque[tuple[Message, Message]] = deque(maxlen=memory_turns)
        self._stop_words = frozenset(map(_bare, stop_words))
        self._barge_in = barge_in
        self._turn: _Turn | None = None
        self._count = 0

    @property
    def state(self) -> State:
        """The state at the last event; `tick` detects the end of speech."""
        if self._turn is None:
            return State.IDLE
        if self._turn.is_complete:
            return State.SPEAKING
        return State.ANSWERING if self._turn.answer else State.WAITING

    def on_prompt(self, text: str, now: float, image: Any = None) -> list[Action]:
        """Handle a sentence from the microphone; it interrupts the active turn, unless `barge_in` is off.

        `image` stands where the request has the picture's address; what it is, only the node knows.
        """
        bare = _bare(text)
        if not bare:
            return []
        if bare in self._stop_words:
            return self.cancel(now)
        if not self._barge_in and (self._turn is not None or self._pacer.is_speaking(now)):
            return []
        actions = self._interrupt()
        content: Any = text.strip()
        if image is not None:
            content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": content}]
        return [*actions, *self._begin({"role": "user", "content": content})]

    def cancel(self, now: float) -> list[Action]:
        """Stop answer and speech."""
        del now
        if self._turn is None:
            return []
        return [*self._interrupt(), Report(State.IDLE, self._count)]

    def forget(self, now: float) -> list[Action]:
        """Stop, and begin a new conversation."""
        actions = self.cancel(now)
        self._memory.clear()
        return actions

    def on_content(self, number: int, text: str, now: float) -> list[Action]:
        """Handle a part of the answer of turn `number`, without reasoning.

        Inline `<think>` blocks are withheld.
        """
        turn = self._current(number)
        if turn is None or turn.is_complete or not (text := turn.reasoning.feed(text)):
            return []
        return self._take(turn, text, turn.splitter.feed(text), now)

    def on_end(self, number: int, now: float) -> list[Action]:
        """Handle the end of the answer of turn `number`."""
        turn = self._current(number)
        if turn is None or turn.is_complete:
            return []
        rest = turn.reasoning.end()
        actions = self._take(turn, rest, turn.splitter.feed(rest), now) if rest else []
        turn.is_complete = True
        self._pacer.add(turn.splitter.end())
        actions += self._say(turn, now)
        self._remember(turn, turn.answer)
        if not turn.answer.strip():
            self._turn = None
            return [*actions, Answer(turn.answer), Report(State.IDLE, number, NO_WORDS)]
        return [*actions, Answer(turn.answer), *self._finish(now)]

    def on_error(self, number: int, message: str, now: float, *, code: str = "") -> list[Action]:
        """Handle a failed request of turn `number`.

        After a too long conversation, ask once more without memory.
        """
        turn = self._current(number)
        if turn is None or turn.is_complete:
            return []
        if code == "context_length_exceeded" and self._memory and not turn.is_retry:
            self._memory.clear()
            return self._begin(turn.question, is_retry=True)
        self._interrupt()
        return [Report(State.IDLE, number, message or "error")]

    def on_failed_order(self, message: str, now: float) -> list[Action]:
        """Report a refused `load` or `unload`; the active turn goes on."""
        del now
        return [Report(self.state, self._count, message)]

    def tick(self, now: float) -> list[Action]:
        """Return the actions that are due by time: the next piece, the end of speech."""
        turn = self._turn
        if turn is None:
            return []
        return [*self._say(turn, now), *(self._finish(now) if turn.is_complete else [])]

    def _current(self, number: int) -> _Turn | None:
        return self._turn if self._turn is not None and self._turn.number == number else None

    def _begin(self, question: Message, *, is_retry: bool = False) -> list[Action]:
        self._count += 1
        self._turn = _Turn(self._count, question, self._splitter(), is_retry=is_retry)
        system = [{"role": "system", "content": self._system}] if self._system else []
        remembered = [message for exchange in self._memory for message in exchange]
        return [Ask(self._count, [*system, *remembered, question]), Report(State.WAITING, self._count)]

    def _interrupt(self) -> list[Action]:
        """End the active turn; only the spoken part of its answer is remembered."""
        turn, self._turn = self._turn, None
        self._pacer.drop()
        if turn is None or turn.is_complete:
            return []
        self._remember(turn, " ".join(turn.said))
        return [Abort(turn.number)]

    def _remember(self, turn: _Turn, answer: str) -> None:
        if answer.strip():
            question = turn.question
            if isinstance(question["content"], list):  # an image is not sent again with later questions
                question = {**question, "content": question["content"][-1]["text"]}
            self._memory.append((question, {"role": "assistant", "content": answer}))

    def _take(self, turn: _Turn, text: str, pieces: list[str], now: float) -> list[Action]:
        first = not turn.answer
        turn.answer += text
        self._pacer.add(pieces)
        report = [Report(State.ANSWERING, turn.number)] if first else []
        return [*self._say(turn, now), Partial(text), *report]

    def _say(self, turn: _Turn, now: float) -> list[Action]:
        due = self._pacer.due(now)
        turn.said += due
        return [Say(piece) for piece in due]

    def _finish(self, now: float) -> list[Action]:
        assert self._turn is not None
        number = self._turn.number
        if self._pacer.is_speaking(now):
            return []
        self._turn = None
        return [Report(State.IDLE, number)]


def _bare(text: str) -> str:
    """Strip punctuation at both ends, because speech recognisers may end a sentence with a comma."""
    return re.sub(r"\A[\W_]+|[\W_]+\Z", "", text).lower()
