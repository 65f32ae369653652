"""Turns the messages of a request into a plain conversation.

A system text comes first, then user and assistant take turns. Adjacent messages of one role are joined, and tool
results become the user's. Reasoning of earlier answers and empty answers are left out. The first and the last turn are
the user's. It knows no template.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bpu.chat.request_models import Message
from bpu.chat.tools import render_tool_call, render_tool_result

_JOINT = "\n\n"
#: The user's turn after a last message of the assistant, which a client sends to have it continued.
_GO_ON = "Continue."
#: So many characters of the arguments of earlier calls are parsed and written again, the newest first. Older ones stay
#: unchanged, because parsing megabytes would stop the worker for seconds, and such a prompt does not fit anyway.
_ARGUMENTS_READ = 65_536


@dataclass(frozen=True)
class ChatTurn:
    """One turn of one role, made of `messages` of the request.

    `result`: it holds the result of a tool call. `images` are the keys of its images (`InputImage.key`), "" for one
    that is left out.
    """

    role: Literal["user", "assistant"]
    text: str
    messages: int = 1
    result: bool = False
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """`turns` alternate, begin and end with the user."""

    system: str
    turns: tuple[ChatTurn, ...]

    def openings(self) -> list[int]:
        """Return the indexes at which the conversation may be cut.

        Each of the user's own messages.
        """
        return [at for at, turn in enumerate(self.turns) if turn.role == "user" and not turn.result]

    def since(self, at: int) -> Conversation:
        """Return the conversation without the turns before `at`."""
        return replace(self, turns=self.turns[at:])

    def messages_before(self, at: int) -> int:
        """Count the client's messages that the first `at` turns were made of."""
        return sum(turn.messages for turn in self.turns[:at])

    @property
    def images(self) -> tuple[str, ...]:
        """The keys of all images in the order of their first places.

        Equal ones count once, unread ones not at all.
        """
        return tuple(dict.fromkeys(key for turn in self.turns for key in turn.images if key))

    @property
    def unread_images(self) -> int:
        """How many images are left out without being read."""
        return sum(turn.images.count("") for turn in self.turns)


def build_conversation(messages: Sequence[Message], rules: str = "") -> Conversation:
    """Build the conversation of `messages`.

    `rules` (tools, form of the answer) follow the client's system text.
    """
    leading = 0
    while leading < len(messages) and messages[leading].role == "system":
        leading += 1
    system = _join([*(message.content for message in messages[:leading]), rules])
    turns: list[ChatTurn] = []
    for utterance in _to_turns(messages[leading:]):
        _append(turns, utterance)
    if not turns or turns[0].role == "assistant":
        turns.insert(0, ChatTurn("user", "", 0))
    if turns[-1].role == "assistant":
        turns.append(ChatTurn("user", _GO_ON, 0))
    return Conversation(system, tuple(turns))


def _to_turns(messages: Sequence[Message]) -> list[ChatTurn]:
    room, newest_first = _ARGUMENTS_READ, []
    for message in reversed(messages):
        room -= sum(len(call.arguments) for call in message.tool_calls)
        newest_first.append(to_turn(message, reads_arguments=room >= 0))
    return newest_first[::-1]


def to_turn(message: Message, *, reads_arguments: bool = True) -> ChatTurn:
    """Turn one message into the text that its role contributes to the prompt."""
    if message.role == "assistant":
        calls = "\n".join(render_tool_call(call, reads_arguments=reads_arguments) for call in message.tool_calls)
        return ChatTurn("assistant", "\n".join(part for part in (message.content, calls) if part))
    if message.role == "tool":
        return ChatTurn("user", render_tool_result(message.content), result=True, images=_keys(message))
    return ChatTurn("user", message.content, images=_keys(message))


def _keys(message: Message) -> tuple[str, ...]:
    return tuple(image.key for image in message.images)


def digest(header: Iterable[str], conversation: Conversation, turns: Sequence[ChatTurn]) -> str:
    """Hash the whole conversation.

    Each part follows its length, so that equal texts cut differently differ.
    """
    state = hashlib.sha256()
    said = (part for turn in turns for part in (turn.role, turn.text, *turn.images))
    parts = [*header, conversation.system, *said]
    for part in parts:
        data = part.encode("utf-8", "replace")
        state.update(len(data).to_bytes(8, "big") + data)
    return state.hexdigest()


def _append(turns: list[ChatTurn], new: ChatTurn) -> None:
    """Add the next turn.

    An empty answer (a failed reply, a prefilled tag) makes no turn of its own.
    """
    says_nothing = new.role == "assistant" and not new.text
    if not turns or (turns[-1].role != new.role and not says_nothing):
        turns.extend([] if says_nothing else [new])
        return
    last = turns[-1]
    turns[-1] = replace(
        last,
        text=_join([last.text, new.text]),
        messages=last.messages + 1,
        result=last.result or new.result,
        images=last.images + new.images,
    )


def _join(texts: Iterable[str]) -> str:
    return _JOINT.join(text for text in texts if text)
