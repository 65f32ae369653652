"""Finds tool calls in the stream of an answer.

It passes on text before a call, and each call only as a whole. A stretch that may be a call is held until it is
complete, so that no client runs half a call. A stretch that turns out to be none becomes text, without the marks.
Recognized are `<tool_call>...</tool_call>`, DeepSeek's own marks, and, at the beginning of a line or right behind a
call, a JSON object or array, bare or in a fence. No text is passed on after a call, and a model that continues is
stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Union

from bpu.chat.json_repair import MAX_LENGTH, BracketMatcher
from bpu.chat.partial_match import partial_length
from bpu.chat.tool_call_parser import DEEPSEEK, DEEPSEEK_END, SEPARATOR, ParsedToolCall, ToolCallParser

CALL, CALL_END = "<tool_call>", "</tool_call>"
_DEEPSEEK_CALLS = "<｜tool▁calls▁begin｜>"
_CLOSERS = {CALL: CALL_END, _DEEPSEEK_CALLS: "<｜tool▁calls▁end｜>", DEEPSEEK: DEEPSEEK_END}
_MARKS = tuple(_CLOSERS)
_MARK = re.compile(r"</?tool_calls?>|<｜tool▁[^｜<>]{1,20}｜>")


def _part_of(word: str) -> str:
    """Return an expression for every prefix of `word`, including the empty one and `word` itself."""
    return "".join(f"(?:{re.escape(one)}" for one in word) + ")?" * len(word)


# These patterns decide that a text is a call, and what is held until then. Every number of blanks and characters is
# bounded, so that little is held and every search takes linear time.
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
#: Stands for the character before the held text, where a call precedes it.
_AFTER_CALL = "\x00"
#: Where an object may be a call: at the beginning of a line, and behind a call, where a separator may stand.
_PLACE = rf"(?:(?<=\n)[ \t]{{0,8}}|(?<={_AFTER_CALL})[\s,;|&]{{0,8}})"
#: Where a call begins. The first character of the searched text is the one before what is held.
_OPENER = re.compile(
    rf"{CALL}(?=\s{{0,8}}{_MARKED_JSON})|{_DEEPSEEK_CALLS}(?=\s{{0,8}}{DEEPSEEK}{_DEEPSEEK_HEAD})|{DEEPSEEK}(?={_DEEPSEEK_HEAD})"
    rf"|{_PLACE}(?P<value>{_JSON})"
)
#: The end of a text that may still become the beginning of a call.
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
#: What may stand between a value and its closing mark.
_SURPLUS = re.compile(rf"[\s}}\]`]{{0,{_MAX_BLANKS}}}")
#: How many characters a model may write after its calls before it is stopped. An invented tool result stops it at once.
_MAX_TRAILING_TEXT = 200
_INVENTED_RESULT = "<tool_response>"
#: A model that repeats itself is stopped here.
_MAX_CALLS = 16

Item = Union[str, ParsedToolCall]


class ScannerState(Enum):
    """What the held text may be."""

    TEXT = auto()
    MARKED = auto()  # between a pair of marks
    OBJECT = auto()  # inside a bare or fenced JSON value


class ToolCallScanner:
    """Scans one answer: `feed` pieces, then `end`.

    `single`: only the first call counts. An `AnswerReader` owns it. `stopped`: there are calls, and the rest of the
    answer is not needed. `dropped`: a call was cut off. `has_trailing_text`: the model wrote text after its calls.
    """

    def __init__(self, parser: ToolCallParser, *, single: bool = False) -> None:
        self.state = ScannerState.TEXT
        self.calls = 0
        self.stopped = False
        self.dropped = False
        self.parser = parser
        self._single = single
        self._text = ""  # held back, or the stretch so far
        self._before = "\n"  # the character before it
        self._blanks: list[str] = []  # the blanks at the end of the text: dropped if a call follows
        self._after = ""  # the text after a call, from its first word on
        self._opener = ""
        self._is_example = False  # the stretch stands in a fence or in backticks
        self._example_calls: list[ParsedToolCall] = []  # such calls, until it is known whether words follow
        self._example_text = ""  # the text that they were read from
        self._fences = FenceTracker()
        self._brackets = BracketMatcher()
        self._seen = 0  # how much of the stretch `_brackets` has read
        self._value = -1  # where in the stretch its JSON value ends

    @property
    def has_trailing_text(self) -> bool:
        """Whether the model wrote text after its calls, which is dropped."""
        return bool(self._after)

    def feed(self, piece: str) -> Iterator[Item]:
        """Yield text that is no call, and calls, in their order.

        Nothing more once it has `stopped`.
        """
        steps = {
            ScannerState.TEXT: self._read_plain,
            ScannerState.MARKED: self._read_marked,
            ScannerState.OBJECT: self._read_object,
        }
        for start in range(0, len(piece), _PART):
            self._text += piece[start : start + _PART]
            moved = True
            while moved and self._text and not self.stopped:
                before = self.state, len(self._text)
                yield from steps[self.state]()
                moved = before != (self.state, len(self._text))
            if self.state is not ScannerState.TEXT and len(self._text) > MAX_LENGTH:
                # No call is that long, so there is nothing to wait for.
                stretch, self._text, self.state = self._text, "", ScannerState.TEXT
                yield from self._emit_stretch(stretch, [])
            if self.stopped:
                # The rest of this piece may hold a call that follows from an invented result.
                self._text, self.state = "", ScannerState.TEXT
                return

    def end(self, *, cut: bool, complete: bool = True) -> Iterator[Item]:
        """Yield the rest.

        `cut`: a limit ended the text, so an unfinished call is dropped. Not `complete`: a stop string ended it, so no
        closing bracket may be added.
        """
        text, state = self._text, self.state
        self._text, self.state = "", ScannerState.TEXT
        if state is ScannerState.TEXT and cut and _is_beginning(text):
            self.dropped = True
        elif state is ScannerState.TEXT:
            yield from self._emit_text(text)
        elif cut:
            self.dropped = True
        else:
            found = self.parser.read(self._unmarked(text), close=complete, marked=state is ScannerState.MARKED)
            self.dropped = not complete and not found
            if found or complete:
                yield from self._emit_stretch(text, found)
        yield from self._emit_example_calls()
        if self._blanks and not self.calls:
            yield "".join(self._blanks)

    def _read_plain(self) -> Iterator[Item]:
        text = self._before + self._text
        if match := _OPENER.search(text, 1):
            start = max(match.start("value"), match.start())
            yield from self._emit_text(text[1:start])
            self._is_example = self._fences.is_open or "```" in match.group() or text[start - 1] == "`"
            self._open(text[start : match.end()], text[start:])
            return
        keep = partial_length(self._text, _MARKS)
        tail = text[-_LOOK_BACK:]
        if match := _BEGINNING.search(tail, 1):
            keep = max(keep, len(tail) - match.start())
        yield from self._emit_text(self._text[: len(self._text) - keep])
        self._text = self._text[len(self._text) - keep :]

    def _open(self, opener: str, stretch: str) -> None:
        self.state = ScannerState.MARKED if opener in _CLOSERS else ScannerState.OBJECT
        self._opener, self._text = opener, stretch
        # A stretch that is no mark has its value's first bracket at the opener's end (or a `[` before it).
        self._seen = len(opener) if self.state is ScannerState.MARKED else min(
            at for bracket in "{[" if (at := opener.find(bracket)) >= 0
        )  # fmt: skip
        self._brackets, self._value = BracketMatcher(), -1

    def _read_marked(self) -> Iterator[Item]:
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
        """Return where the stretch ends.

        It ends behind its mark, or behind its value where the model forgot the mark.
        """
        text = self._text
        while self._value < 0 and (at := text.find(closer, self._seen)) >= 0:
            self._match_brackets(at)
            if self._value < 0 and not self._brackets.in_string:
                return at + len(closer)
            self._match_brackets(at + len(closer))
        self._match_brackets(len(text) - partial_length(text, (closer,)))
        if self._value < 0:
            return -1
        match = _SURPLUS.match(text, self._value)
        behind = match.end() if match else self._value
        if text.startswith(closer, behind):
            return behind + len(closer)
        return self._value if behind < len(text) and not closer.startswith(text[behind:]) else -1

    def _read_object(self) -> Iterator[Item]:
        self._match_brackets(len(self._text))
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

    def _match_brackets(self, stop: int) -> None:
        """Match the brackets of the stretch up to `stop`."""
        if self._value < 0 and stop > self._seen:
            if (length := self._brackets.feed(self._text[self._seen : stop])) >= 0:
                self._value = self._seen + length
            self._seen = stop

    def _close(self, length: int) -> Iterator[Item]:
        """End the stretch, which is complete: it is calls, or text."""
        stretch, self._text = self._text[:length], self._text[length:]
        marked = self.state is ScannerState.MARKED
        self.state = ScannerState.TEXT
        self._before = stretch[-1]
        found = self.parser.read(self._unmarked(stretch), marked=marked)
        yield from self._emit_stretch(stretch, found)
        if found and not self._is_example:
            self._before = _AFTER_CALL

    def _unmarked(self, stretch: str) -> str:
        """Remove the marks of a stretch, except DeepSeek's, which the parser reads."""
        if self._opener != CALL:
            return stretch
        if self._value >= 0:
            return stretch[len(CALL) : self._value]
        return stretch[len(CALL) :].split(CALL_END)[0]

    def _emit_stretch(self, stretch: str, found: list[ParsedToolCall]) -> Iterator[Item]:
        if not found:
            yield from self._emit_text(_MARK.sub("", stretch))
        elif self._is_example:
            self._example_text += stretch
            self._example_calls += found
        else:
            yield from self._emit_example_calls()
            yield from self._emit_calls(found)

    def _emit_example_calls(self) -> Iterator[Item]:
        """Yield the calls in fences or backticks, because no words follow them.

        Words behind a call make it an example.
        """
        found, self._example_calls, self._example_text = self._example_calls, [], ""
        yield from self._emit_calls(found)

    def _emit_calls(self, found: list[ParsedToolCall]) -> Iterator[Item]:
        for one in found:
            if self.calls >= (1 if self._single else _MAX_CALLS):
                self.stopped = True
                return
            self.calls += 1
            self._blanks, self._after = [], ""
            yield one

    def _emit_text(self, text: str) -> Iterator[Item]:
        """Yield text; hold back the blanks at its end, and all text after a call.

        Words behind calls in fences or backticks make those calls an example, which is text, too.
        """
        self._fences.feed(text)
        if self._example_calls:
            self._example_text += text
            if not text.strip("`~ \t\r\n"):
                self._before = text[-1:] or self._before
                return
            text, self._example_calls, self._example_text = self._example_text, [], ""
        if not text:
            return
        self._before = text[-1]
        if self.calls:
            self._after += text if self._after else text.lstrip()
            self.stopped = self.stopped or _INVENTED_RESULT in self._after or len(self._after) > _MAX_TRAILING_TEXT
            return
        words = text.rstrip()
        if words:
            yield "".join([*self._blanks, words])
            self._blanks.clear()
        if len(words) < len(text):
            self._blanks.append(text[len(words) :])


class FenceTracker:
    """Knows whether a fence is open behind the text that it was fed.

    The scanner of one answer owns it. A fence begins with a line of three or more backticks or tildes and any words,
    and ends with a line of as many.
    """

    def __init__(self) -> None:
        self._mark = ""  # what opened the fence
        self._line = ""  # the beginning of the last line, which may go on

    @property
    def is_open(self) -> bool:
        """Whether the text so far ends inside a fence."""
        return bool(self._mark)

    def feed(self, text: str) -> None:
        """Take the next text; cuts may be anywhere."""
        first, *more = text.split("\n")
        self._line += first[:_LOOK_BACK]
        for line in more:
            self._end_line()
            self._line = line[:_LOOK_BACK]
        self._line = self._line[:_LOOK_BACK]

    def _end_line(self) -> None:
        line = self._line.strip(" \t\r>")
        mark = line[: len(line) - len(line.lstrip(line[:1]))] if line[:1] in ("`", "~") else ""
        if self._mark and mark.startswith(self._mark) and mark == line:
            self._mark = ""
        elif not self._mark and len(mark) >= 3 and not (mark[0] == "`" and "`" in line[len(mark) :]):
            self._mark = mark


def _is_beginning(held_back: str) -> bool:
    """Whether a held text is the beginning of a call.

    That is a mark, a part of one, or a brace.
    """
    is_mark = len(held_back) > 1 and any(mark.startswith(held_back) for mark in _MARKS)
    return is_mark or "{" in held_back or held_back.startswith(_MARKS)
