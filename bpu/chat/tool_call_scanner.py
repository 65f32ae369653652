"""Finds tool calls in the answer's stream: text before a call goes out, a call comes out whole or not at all.

A stretch that may be a call is held until it is complete, so that nothing half-written is ever carried out; one that
turns out to be none goes out as the text it is, without the marks. Recognised: `<tool_call>...</tool_call>`,
DeepSeek's own marks, and at the beginning of a line or right behind a call a JSON object or array, bare or in a fence.
Nothing is passed on after a call, and a model that goes on speaking is stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Union

from bpu.chat.json_repair import MAX_LENGTH, BracketMatcher
from bpu.chat.partial_match import held
from bpu.chat.tool_call_parser import DEEPSEEK, DEEPSEEK_END, SEPARATOR, ParsedToolCall, ToolCallParser

CALL, CALL_END = "<tool_call>", "</tool_call>"
_DEEPSEEK_CALLS = "<｜tool▁calls▁begin｜>"
_CLOSERS = {CALL: CALL_END, _DEEPSEEK_CALLS: "<｜tool▁calls▁end｜>", DEEPSEEK: DEEPSEEK_END}
_MARKS = tuple(_CLOSERS)
_MARK = re.compile(r"</?tool_calls?>|<｜tool▁[^｜<>]{1,20}｜>")


def _part_of(word: str) -> str:
    """An expression for each beginning of `word`, the empty one and the whole word too."""
    return "".join(f"(?:{re.escape(one)}" for one in word) + ")?" * len(word)


# What decides that a text is a call, as soon as it is there, and what is to be held until then. Every number of
# blanks and characters is bounded, so that nothing is held for long and no search takes more than linear time.
_FENCE = r"```[A-Za-z_]{0,20}[ \t]{0,8}"
_BRACKET = r"(?:\[\s{0,8})?"
_BLANKS = r"\s{0,16}"
#: An object's first key up to its colon; a bare word only between a call's marks, where it cannot be code.
_KEY = r"""(?:"[^"\n\\]{0,128}"|'[^'\n\\]{0,128}')\s{0,8}[:：]"""
_KEY_PART = r"""(?:"[^"\n\\]{0,128}(?:"\s{0,8})?|'[^'\n\\]{0,128}(?:'\s{0,8})?)?"""
_BARE_KEY = r"[^\W\d][\w-]{0,63}\s{0,8}[:：]|//|/\*"
_BARE_KEY_PART = r"(?:[^\W\d][\w-]{0,63}\s{0,8}|/)"
#: A call in JSON, bare or in a fence: an object that is empty or has a key.
_BEFORE_BRACE = rf"(?:{_FENCE}\n\s{{0,8}})?{_BRACKET}"
_JSON = rf"{_BEFORE_BRACE}\{{(?={_BLANKS}(?:\}}|{_KEY}))"
_MARKED_JSON = rf"{_BEFORE_BRACE}\{{(?={_BLANKS}(?:\}}|{_KEY}|{_BARE_KEY}))"
_JSON_PART = rf"(?:`{{1,2}}|{_FENCE}|{_BEFORE_BRACE}(?:\{{{_BLANKS}{_KEY_PART})?)"
_MARKED_JSON_PART = rf"(?:{_JSON_PART}|{_BEFORE_BRACE}\{{{_BLANKS}{_BARE_KEY_PART})"
#: DeepSeek's: a name between the mark and a separator or a line break, then the arguments or the end.
_NAME = r"[^\n<]{1,200}"
_BODY = rf"\s{{0,8}}(?:{_FENCE}\s{{0,8}})?"
_DEEPSEEK_HEAD = (
    rf"(?:{_NAME}{SEPARATOR}|(?:[^\n<]{{0,200}}{SEPARATOR})?{_NAME}(?:\n|{SEPARATOR})){_BODY}(?:[{{\[<\"]|null)"
)
_DEEPSEEK_HEAD_PART = (
    rf"[^\n<]{{0,200}}(?:{_part_of(SEPARATOR)}|(?:{SEPARATOR}[^\n<]{{0,200}})?"
    rf"(?:{_part_of(SEPARATOR)}|(?:\n|{SEPARATOR})(?:\s{{0,8}}`{{1,2}}|{_BODY}{_part_of('null')})))"
)
#: Stands for what is before the text that is held, where that is a call.
_AFTER_CALL = "\x00"
#: Where an object may be a call: at the beginning of a line, and behind a call, where a separator may stand.
_PLACE = rf"(?:(?<=\n)[ \t]{{0,8}}|(?<={_AFTER_CALL})[\s,;|&]{{0,8}})"
#: Where a call begins. The first character of the searched text is the one before what is held.
_OPENER = re.compile(
    rf"{CALL}(?=\s{{0,8}}{_MARKED_JSON})|{_DEEPSEEK_CALLS}(?=\s{{0,8}}{DEEPSEEK}{_DEEPSEEK_HEAD})|{DEEPSEEK}(?={_DEEPSEEK_HEAD})"
    rf"|{_PLACE}(?P<value>{_JSON})"
)
#: The end of a text that may still become such a beginning.
_BEGINNING = re.compile(
    rf"(?:{CALL}\s{{0,8}}{_MARKED_JSON_PART}|{_PLACE}{_JSON_PART}"
    rf"|{_DEEPSEEK_CALLS}\s{{0,8}}(?:{_part_of(DEEPSEEK)}|{DEEPSEEK}{_DEEPSEEK_HEAD_PART})"
    rf"|{DEEPSEEK}{_DEEPSEEK_HEAD_PART})\Z"
)
_LOOK_BACK = 600
#: A longer piece is read in parts, so that what is held stays short.
_PART = 4096
#: How many blanks may stand between a value and its fence or mark.
_MAX_BLANKS = 64
#: What may still stand between a value and its closing mark.
_SURPLUS = re.compile(rf"[\s}}\]`]{{0,{_MAX_BLANKS}}}")
#: How far a model may go on after its calls before it is stopped; at once where it makes up a tool's answer.
_RAMBLE = 200
_MADE_UP = "<tool_response>"
#: A model that repeats itself is stopped here.
_MOST_CALLS = 16

Item = Union[str, ParsedToolCall]


class State(Enum):
    """What the held text may be."""

    TEXT = auto()
    MARKED = auto()  # between a pair of marks
    OBJECT = auto()  # inside a bare or fenced JSON value


class ToolCallScanner:
    """`feed` pieces, then `end`. `single`: only the first call counts.

    `stopped`: there are calls and nothing more is to be expected. `dropped`: a call was cut off.
    `rambled`: the model said something after its calls.
    """

    def __init__(self, caller: ToolCallParser, *, single: bool = False) -> None:
        self.state = State.TEXT
        self.calls = 0
        self.stopped = False
        self.dropped = False
        self.caller = caller
        self._single = single
        self._text = ""  # held back, or the stretch so far
        self._before = "\n"  # the character before it
        self._blanks: list[str] = []  # the blanks at the end of what was said: dropped if a call follows
        self._after = ""  # what was said after a call, from its first word on
        self._opener = ""
        self._is_example = False  # the stretch stands in a fence or in backticks
        self._example_calls: list[ParsedToolCall] = []  # such calls, until it is known whether words follow
        self._example_text = ""  # the text that they were read from
        self._balance = BracketMatcher()
        self._seen = 0  # how much of the stretch the balance has seen
        self._value = -1  # where in the stretch its JSON value ends

    @property
    def rambled(self) -> bool:
        return bool(self._after)

    def feed(self, piece: str) -> Iterator[Item]:
        """Text that is no call, and calls, in their order."""
        steps = {State.TEXT: self._plain, State.MARKED: self._marked, State.OBJECT: self._object}
        for start in range(0, len(piece), _PART):
            self._text += piece[start : start + _PART]
            moved = True
            while moved and self._text:
                before = self.state, len(self._text)
                yield from steps[self.state]()
                moved = before != (self.state, len(self._text))
            if self.state is not State.TEXT and len(self._text) > MAX_LENGTH:
                # No call is that long, so there is nothing to wait for.
                stretch, self._text, self.state = self._text, "", State.TEXT
                yield from self._decided(stretch, [])

    def end(self, *, cut: bool, complete: bool = True) -> Iterator[Item]:
        """What is left. `cut`: a limit ended the text, so a call without its end is dropped; not `complete`: the
        text was ended at a stop string, so that nothing may be added to it."""
        text, state = self._text, self.state
        self._text, self.state = "", State.TEXT
        if state is State.TEXT and cut and _is_beginning(text):
            self.dropped = True
        elif state is State.TEXT:
            yield from self._say(text)
        elif cut:
            self.dropped = True
        else:
            found = self.caller.read(self._inner(text), close=complete, marked=state is State.MARKED)
            self.dropped = not complete and not found
            if found or complete:
                yield from self._decided(text, found)
        yield from self._example_called()
        if self._blanks and not self.calls:
            yield "".join(self._blanks)

    def _plain(self) -> Iterator[Item]:
        text = self._before + self._text
        if match := _OPENER.search(text, 1):
            start = max(match.start("value"), match.start())
            yield from self._say(text[1:start])
            self._is_example = "```" in match.group() or text[start - 1] == "`"
            self._open(text[start : match.end()], text[start:])
            return
        keep = held(self._text, _MARKS)
        tail = text[-_LOOK_BACK:]
        if match := _BEGINNING.search(tail, 1):
            keep = max(keep, len(tail) - match.start())
        yield from self._say(self._text[: len(self._text) - keep])
        self._text = self._text[len(self._text) - keep :]

    def _open(self, opener: str, stretch: str) -> None:
        self.state = State.MARKED if opener in _CLOSERS else State.OBJECT
        self._opener, self._text = opener, stretch
        # A stretch that is no mark has its value's first bracket at the opener's end (or a `[` before it).
        self._seen = len(opener) if self.state is State.MARKED else min(
            at for bracket in "{[" if (at := opener.find(bracket)) >= 0
        )  # fmt: skip
        self._balance, self._value = BracketMatcher(), -1

    def _marked(self) -> Iterator[Item]:
        closer = _CLOSERS[self._opener]
        if self._opener != CALL:
            at = self._text.find(closer, max(self._seen - len(closer), 0))
            self._seen = len(self._text)
            if at >= 0:
                yield from self._close(at + len(closer))
            return
        if (end := self._marked_end(closer)) >= 0:
            yield from self._close(end)

    def _marked_end(self, closer: str) -> int:
        """Where the stretch ends: behind its mark, or behind its value where the model forgot the mark."""
        text = self._text
        while self._value < 0 and (at := text.find(closer, self._seen)) >= 0:
            self._look(at)
            if self._value < 0 and not self._balance.in_string:
                return at + len(closer)
            self._look(at + len(closer))
        self._look(len(text) - held(text, (closer,)))
        if self._value < 0:
            return -1
        match = _SURPLUS.match(text, self._value)
        behind = match.end() if match else self._value
        if text.startswith(closer, behind):
            return behind + len(closer)
        return self._value if behind < len(text) and not closer.startswith(text[behind:]) else -1

    def _object(self) -> Iterator[Item]:
        self._look(len(self._text))
        if (value := self._value) < 0:
            return
        if "```" not in self._opener:
            yield from self._close(value)
            return
        behind = self._text[value : value + _MAX_BLANKS + 3]
        rest = behind.lstrip()
        if rest.startswith("```"):
            yield from self._close(value + len(behind) - len(rest) + 3)
        elif not "```".startswith(rest) or len(behind) - len(rest) > _MAX_BLANKS:
            yield from self._close(value)

    def _look(self, stop: int) -> None:
        """Let the balance see the stretch up to `stop`."""
        if self._value < 0 and stop > self._seen:
            if (length := self._balance.feed(self._text[self._seen : stop])) >= 0:
                self._value = self._seen + length
            self._seen = stop

    def _close(self, length: int) -> Iterator[Item]:
        """The stretch is complete: calls, or text after all."""
        stretch, self._text = self._text[:length], self._text[length:]
        marked = self.state is State.MARKED
        self.state = State.TEXT
        self._before = stretch[-1]
        found = self.caller.read(self._inner(stretch), marked=marked)
        yield from self._decided(stretch, found)
        if found and not self._is_example:
            self._before = _AFTER_CALL

    def _inner(self, stretch: str) -> str:
        """A stretch without its marks; DeepSeek's are read with them."""
        if self._opener != CALL:
            return stretch
        if self._value >= 0:
            return stretch[len(CALL) : self._value]
        return stretch[len(CALL) :].split(CALL_END)[0]

    def _decided(self, stretch: str, found: list[ParsedToolCall]) -> Iterator[Item]:
        if not found:
            yield from self._say(_MARK.sub("", stretch))
        elif self._is_example:
            self._example_text += stretch
            self._example_calls += found
        else:
            yield from self._example_called()
            yield from self._called(found)

    def _example_called(self) -> Iterator[Item]:
        """No words follow what stands in fences or backticks: it is no example, it is calls."""
        found, self._example_calls, self._example_text = self._example_calls, [], ""
        yield from self._called(found)

    def _called(self, found: list[ParsedToolCall]) -> Iterator[Item]:
        for one in found:
            if self.calls >= (1 if self._single else _MOST_CALLS):
                self.stopped = True
                return
            self.calls += 1
            self._blanks, self._after = [], ""
            yield one

    def _say(self, text: str) -> Iterator[Item]:
        """Text goes out, the blanks at its end wait for more; after a call there is none.

        Words behind calls in fences or backticks make those an example, which is text, too.
        """
        if self._example_calls:
            self._example_text += text
            if not text.strip("` \t\r\n"):
                self._before = text[-1:] or self._before
                return
            text, self._example_calls, self._example_text = self._example_text, [], ""
        if not text:
            return
        self._before = text[-1]
        if self.calls:
            self._after += text if self._after else text.lstrip()
            self.stopped = self.stopped or _MADE_UP in self._after or len(self._after) > _RAMBLE
            return
        words = text.rstrip()
        if words:
            yield "".join([*self._blanks, words])
            self._blanks.clear()
        if len(words) < len(text):
            self._blanks.append(text[len(words) :])


def _is_beginning(held_back: str) -> bool:
    """Whether a text that was held back is more than half a call's beginning: a mark, a part of one, or a brace."""
    is_mark = len(held_back) > 1 and any(mark.startswith(held_back) for mark in _MARKS)
    return is_mark or "{" in held_back or held_back.startswith(_MARKS)
