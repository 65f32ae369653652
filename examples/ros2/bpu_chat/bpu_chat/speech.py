"""Turns streamed text into short pieces that a speech node can say.

It is pure: standard library only, no ROS, no network, no clock. The rules are those of D-Robotics' hobot_tts
(`src/hobot_tts.cpp`): it splits each message at `，。、？！：` and at every ASCII punctuation mark, drops the mark, and
holds at most 10 messages and 5 audio segments. A piece here therefore has at most five segments, and no ASCII mark
that is not a pause.

What is left out of speech, and nothing else: blocks of code, targets of links, addresses (one word stands for each),
rules and separators of tables, marks of Markdown, HTML and TeX, brackets and quotation marks, emoji and invisible
characters, and ASCII symbols that no rule here turns into words (`@` or `/` between words), which hobot_tts drops too.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Literal

Language = Literal["zh", "en"]

#: Marks that end a sentence wherever they stand.
WIDE_ENDS = "。！？；…‼⁇⁈⁉｡"
#: Marks that end a sentence before a blank or the end of the text.
ASCII_ENDS = ".!?;"
WIDE_PAUSES = "，、：｜"
ASCII_PAUSES = ",:|"
MARKS = WIDE_ENDS + ASCII_ENDS + "，、：,:"
#: May stand between a full stop and the blank after it.
_CLOSERS = "\"')]}*_~`”’」』）】》"
_ABBREVIATIONS = frozenset({"mr", "mrs", "ms", "dr", "st", "vs", "prof", "approx", "fig"})
#: A text without a mark is cut at a blank after so many characters.
HARD_CHARS = 120
#: An address is not cut, unless it is longer than this.
LONGEST_ADDRESS = 2000

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HAS_CJK = re.compile(f"[{_CJK}]")
_FENCE = re.compile(r"[ \t]{0,3}(`{3,}|~{3,})([^\n]*)")
#: An HTML entity up to its semicolon.
_ENTITY = re.compile(r"&(?:#?\w{1,8})\Z", re.ASCII)
_ADDRESS_START = r"(?:(?:https?|ftp)://|(?<![A-Za-z0-9.])www\.)"
_MAY_BE_FENCE = re.compile(r"[ \t]{0,3}(?:`{0,}|~{0,})\Z")


class ReasoningFilter:
    """Withholds a leading `<think>` block, for gateways that send the reasoning inline."""

    def __init__(self) -> None:
        self._held = ""
        self._state: Literal["start", "inside", "after"] = "start"

    def feed(self, text: str) -> str:
        """Return the part of `text` that belongs to the answer.

        The start of a tag is held back.
        """
        if self._state == "after":
            return text
        self._held += text
        if self._state == "start":
            head = self._held.lstrip()
            if "<think>".startswith(head[:7]) and len(head) < 7:
                return ""
            if not head.startswith("<think>"):
                return self._release(self._held)
            self._state, self._held = "inside", head[7:]
        _, closed, rest = self._held.partition("</think>")
        if closed:
            return self._release(rest)
        self._held = self._held[-len("</think>") + 1 :]
        return ""

    def end(self) -> str:
        """Return held back text that is no tag. An open block stays withheld."""
        return self._release(self._held) if self._state == "start" else ""

    def _release(self, text: str) -> str:
        self._state, self._held = "after", ""
        return text


class SpeechSplitter:
    """Cuts one answer into pieces; the cuts do not depend on how the text arrives.

    The first piece ends at the first pause after `first_chars` characters, so that speech begins early; later ones at
    the end of a sentence, or at a pause when they have `max_segments` segments or `max_chars` characters.
    """

    def __init__(
        self, *, first_chars: int = 4, max_chars: int = 60, max_segments: int = 5, language: Language = "zh"
    ) -> None:
        self._first_chars = first_chars
        self._max_chars = max_chars
        self._max_segments = max_segments
        self._language: Language = language
        self._buffer = ""
        self._fence = ""
        self._line_start = True
        self._spoke = False

    def feed(self, text: str) -> list[str]:
        """Return the pieces that `text` completes."""
        self._buffer += text.replace("\r\n", "\n").replace("\r", "\n")
        return list(self._pieces(final=False))

    def end(self) -> list[str]:
        """Return the remaining pieces at the end of the answer."""
        return list(self._pieces(final=True))

    def _pieces(self, *, final: bool) -> Iterator[str]:
        while self._buffer:
            if self._fence or self._line_start:
                skipped = self._skip_code(final=final)
                if skipped is None:
                    return
                if skipped:
                    continue
            cut = self._cut(final=final)
            if cut is None:
                return
            raw, self._buffer = self._buffer[:cut], self._buffer[cut:]
            if _HAS_CJK.search(raw):
                self._language = "zh"
            elif re.search(r"[A-Za-z]{2}", raw):
                self._language = "en"
            piece = speakable(raw, self._language, line_start=self._line_start)
            self._line_start = raw.endswith("\n")
            for part in _parts(piece, self._max_segments):
                self._spoke = True
                yield part

    def _skip_code(self, *, final: bool) -> bool | None:
        """Drop the next line of a block of code.

        None: more text is needed; False: there is no code here.
        """
        line, newline, rest = self._buffer.partition("\n")
        if not self._fence:
            found = _FENCE.match(line)
            if found is None:
                return None if not newline and not final and _MAY_BE_FENCE.match(line) else False
            if "`" in found[2] and found[1][0] == "`":
                return False
        if not newline and not final:
            return None
        if not self._fence:
            assert found is not None
            self._fence = found[1]
        elif re.fullmatch(rf"[ \t]{{0,3}}{re.escape(self._fence)}{re.escape(self._fence[0])}*[ \t]*", line):
            self._fence = ""
        self._buffer, self._line_start = rest, True
        return True

    def _cut(self, *, final: bool) -> int | None:
        """Return where the next piece ends; None while that depends on later text."""
        text, length = self._buffer, len(self._buffer)
        segments = 1
        in_target = False
        for index, char in enumerate(text):
            after = text[index + 1] if index + 1 < length else None
            if char == "\n":
                return index + 1
            if in_target and index < LONGEST_ADDRESS:
                in_target = char != ")"
                continue
            if char == "]" and after == "(":
                in_target = True
                continue
            if after is None and not final and (char in ASCII_ENDS + ASCII_PAUSES + "：]"):
                return None
            if char in WIDE_ENDS or (char in ASCII_ENDS and _ends(text, index, after, self._line_start)):
                return index + 1
            if char in WIDE_PAUSES + ASCII_PAUSES and _pauses(text, index, after):
                long = segments >= self._max_segments or index + 1 >= self._max_chars
                if long or (not self._spoke and _words(text[:index]) >= self._first_chars):
                    return index + 1
                segments += 1
            if index + 1 >= HARD_CHARS and (cut := _forced(text[: index + 1])) is not None:
                return cut
        return length if final else None


def _parts(piece: str, most: int) -> Iterator[str]:
    """Divide a piece into ones of at most `most` segments.

    The words of a piece may have more marks than its text: a dash and an entry's number become a pause, too.
    """
    while piece:
        ends = [mark.end() for mark in _SEGMENT_END.finditer(piece)]
        cut = ends[most - 1] if segments(piece) > most else len(piece)
        part, piece = piece[:cut].strip(), piece[cut:].strip()
        if any(map(str.isalnum, part)):
            yield part


def _ends(text: str, index: int, after: str | None, line_start: bool) -> bool:
    if not (after is None or after.isspace() or after in _CLOSERS or ord(after) > 127):
        return False
    before = text[:index]
    if text[index] == ";" and _ENTITY.search(before):
        return False
    if text[index] != ".":
        return True
    if line_start and re.fullmatch(r"\s*\d{1,3}", before):
        return False  # the number of a list's entry
    word = re.search(r"[A-Za-z]+\Z", before)
    if word is None:
        return True
    is_initial = len(word[0]) == 1 and (word[0].isupper() or before[word.start() - 1 : word.start()] == ".")
    return not is_initial and word[0].lower() not in _ABBREVIATIONS


def _pauses(text: str, index: int, after: str | None) -> bool:
    char = text[index]
    if char in "：:，,":
        between = index > 0 and text[index - 1].isdigit() and after is not None and after.isdigit()
        if between:
            return False
    return char in WIDE_PAUSES + "|" or after is None or after.isspace() or ord(after) > 127


def _words(text: str) -> int:
    """Count spoken characters.

    A Chinese one counts two, because it takes twice the time of a Latin one.
    """
    return sum(2 if _HAS_CJK.match(char) else char.isalnum() for char in text) // 2


def _forced(text: str) -> int | None:
    """Return where to cut a text without punctuation.

    It is after a blank, else outside numbers and Latin words.
    """
    if len(text) < LONGEST_ADDRESS and re.search(rf"{_ADDRESS_START}\S*\Z", text):
        return None
    blank = max(text.rfind(" "), text.rfind("\t"))
    if text[:blank].strip() and blank > 0:
        return blank + 1
    inner = re.compile(r"[0-9A-Za-z.,:/%+=-]")
    for cut in range(len(text) - 1, 0, -1):
        if not (inner.match(text[cut - 1]) and inner.match(text[cut])):
            return cut
    return len(text)


# From Markdown to words

_TAGS = "br|p|b|i|u|em|strong|sub|sup|span|div|code|pre|li|ul|ol|table|tr|td|th|hr|h[1-6]|font|center|img|a|details"
_HTML = re.compile(rf"</?(?:{_TAGS})(?:\s+[\w-]+=(?:\"[^\"]*\"|'[^']*'))*\s*/?>", re.IGNORECASE)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)?")
_TARGET = re.compile(r"\]\([^)\n]*\)?")
_ADDRESS = re.compile(rf"{_ADDRESS_START}[!-~]*[A-Za-z0-9/#]")
_NUMBER = r"\d+(?:\.\d+)?"
#: With brackets around it, or one of them. A number that begins with a zero is one of a telephone.
_TERM = rf"\(*(?!0\d){_NUMBER}\)*"
_DASH = "[-–~～〜]"
#: A term that an operator may stand beside.
_LEFT, _RIGHT = r"(?<=[\w)\]])[ \t]*", r"[ \t]*(?=[\w(\[-])"

Rule = tuple["re.Pattern[str]", str, str]


def _rules(*rules: tuple[str, str, str]) -> tuple[Rule, ...]:
    return tuple((re.compile(pattern), zh, en) for pattern, zh, en in rules)


#: TeX, as models write arithmetic: pattern, Chinese, English.
_TEX = _rules(
    (r"\\d?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"\2分之\1", r"\1 over \2"),
    (r"\\sqrt\s*\{([^{}]*)\}", r"根号\1", r"the square root of \1"),
    (r"\\(?:boxed|text|mathrm|mathbf)\s*\{([^{}]*)\}", r"\1", r"\1"),
    (r"\\times(?![A-Za-z])", "×", "×"),
    (r"\\div(?![A-Za-z])", "÷", "÷"),
    (r"\\cdot(?![A-Za-z])", "×", "×"),
    (r"\\(?:left|right|quad|qquad|begin|end|displaystyle)(?![A-Za-z])", " ", " "),
    (r"\\(?=[A-Za-z])", " ", " "),
)
#: At the beginning of a line.
_LINE = _rules(
    (r"\A(?:[ \t]*>)+", "", ""),
    (r"\A[ \t]*#{1,6}(?=\s|\Z)", "", ""),
    (r"\A[ \t]*[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?", "", ""),
    (r"\A[ \t]*(\d{1,3})[.)][ \t]+", r"\1、", r"\1, "),
)
#: What hobot_tts would tear apart or drop, as words. The order matters.
_NUMBERS = _rules(
    (r"(?<![\d.])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\.?\d)", r"\1年\3月\4日", r"\1 \3 \4"),
    (r"(?<![\d.,])(\d{1,3}(?:,\d{3})+)(?!\d)", "", ""),  # its commas are taken out: see _numbers
    (rf"\$({_NUMBER}(?: (?:thousand|million|billion))?)(?![\d.]*[ \t]*[-+*/=^<>\\$×÷\d])", r"\1美元", r"\1 dollars"),
    (rf"[￥¥][ \t]?({_NUMBER}[万亿]?)元?(?!\d)", r"\1元", r"\1 yuan"),
    # Before an equals sign a dash is a minus, also without blanks.
    (rf"(?<=[\d)])[-−](?={_TERM}(?:[ \t]*[-−+*×/÷][ \t]*{_TERM})*[ \t]*=)", "减", " minus "),
    # Ranges, before a rule reads their dash as a minus. Groups of digits with more dashes or with zeros before them, as
    # telephone numbers have, are none.
    (rf"(?<=[:：]\d\d){_DASH}(?=\d{{1,2}}[:：]\d\d)", "到", " to "),
    (rf"(?<=\d[%％℃°{_CJK}]){_DASH}(?=\d)", "到", " to "),
    (rf"(?<![\d.-])((?!0\d){_NUMBER}){_DASH}(?=(?!0\d)\d+(?!\d|-\d))", r"\1到", r"\1 to "),
    (r"(?<![\d:：])(\d{1,2})[:：](\d{2})[:：](\d{2})(?![\d:：])", r"\1点\2分\3秒", r"\1 \2 \3"),
    (r"(?<![\d:：.])(\d{1,2})[:：](\d{2})(?![\d:：])", r"\1点\2分", r"\1 \2"),
    (rf"(?<![\d.])({_NUMBER})[:：](?=\d)", r"\1比", r"\1 to "),
    (rf"(?<![A-Za-z0-9_.])({_NUMBER})[eE]\+?(-?\d{{1,3}})(?!\w)", r"\1乘10的\2次方", r"\1 times 10 to the \2"),
    (r"(?<=[\dA-Za-z)])\^\{?(-?\d+)\}?", r"的\1次方", r" to the \1"),
    (rf"(?<![A-Za-z0-9)])[-−]({_NUMBER})[ \t]*[%％]", r"负百分之\1", r"minus \1 percent"),
    (rf"({_NUMBER})[ \t]*[%％]", r"百分之\1", r"\1 percent"),
    (r"(\d)[ \t]*(?:℃|°C|° C)", r"\1摄氏度", r"\1 degrees Celsius"),
    (r"(\d)[ \t]*°", r"\1度", r"\1 degrees"),
    (r"(?<![\d/.])(\d+)/(\d+)(?![\d/.])", r"\2分之\1", r"\1 over \2"),
    (rf"(?<=[\d)])[ \t]*[*xX×·][ \t]*(?=[\d(])|{_LEFT}×{_RIGHT}", "乘", " times "),
    (rf"{_LEFT}÷{_RIGHT}", "除以", " divided by "),
    (r"(?<=[\w)])[ \t]+[-−–][ \t]+(?=[\d(])", "减", " minus "),
    (r"(?<![A-Za-z0-9)])[-−](?=\d)", "负", "minus "),
    (rf"{_LEFT}\+{_RIGHT}", "加", " plus "),
    (rf"{_LEFT}=+{_RIGHT}", "等于", " equals "),
    (rf"{_LEFT}(?:<=|≤|≦){_RIGHT}", "小于等于", " at most "),
    (rf"{_LEFT}(?:>=|≥|≧){_RIGHT}", "大于等于", " at least "),
    (rf"{_LEFT}[<＜]{_RIGHT}", "小于", " less than "),
    (rf"{_LEFT}[>＞]{_RIGHT}", "大于", " greater than "),
    (rf"{_LEFT}&{_RIGHT}", "和", " and "),
    (r"(?<=\d)\.(?=\d)", "点", " point "),
)
#: A power as Python writes it.
_POWER = re.compile(r"(?<=[\d)])\*\*(?=[\d(-])|(?<=[a-z])(?<![A-Za-z]{2})\*\*(?=\d)|(?<=[\d)]) \*\* (?=[\d(-])")
#: Categories that are not spoken: controls, invisible ones, surrogates, private ones; symbols become blanks.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Me"})
_BRACKETS = frozenset({"Ps", "Pe", "Pi", "Pf"})


def speakable(raw: str, language: Language, *, line_start: bool = False) -> str:
    """Convert one piece of Markdown to words with pauses.

    It is empty if there is nothing to say. It ends with a mark, has no other ASCII punctuation than `,.!?;:` before a
    blank or the end, and no line break.
    """
    text = raw.replace("\n", " ").replace("\t", " ")
    text = _LINK.sub(r"\1", text)
    text = _TARGET.sub("", text)
    text = _ADDRESS.sub("链接" if language == "zh" else "link", text)
    text = html.unescape(_HTML.sub(" ", text)).replace("\xa0", " ")
    # Before the rules, so that none of them takes characters for apart that are neighbours to the ear.
    text = "".join(filter(_is_visible, text))
    text = _apply(_TEX, text, language) if "\\" in text else text
    if line_start:
        text = _apply(_LINE, text, language)
    text = _powers(text)
    text = re.sub(r"\*{2,3}|~~|`|(?<!\w)_+|_+(?!\w)|(?<![\d\s])\*(?!\s*\d)|(?<!\S)\*(?=\S)", "", text)
    text = text.replace("——", "，").replace("|", "，" if language == "zh" else ", ").replace("｜", "，")
    text = _numbers(text, language)
    text = "".join(_spoken_characters(text))
    text = _tidy(text)
    if not any(char.isalnum() for char in text):
        return ""
    return text if text[-1] in MARKS else text + ("。" if language == "zh" else ".")


#: Where hobot_tts splits a message.
_SEGMENT_END = re.compile(r"[，。、？！：!-/:-@\[-`{-~]")


def segments(piece: str) -> int:
    """Count the audio segments that hobot_tts makes of one message."""
    return sum(1 for part in _SEGMENT_END.split(piece) if part.strip())


def _apply(rules: tuple[Rule, ...], text: str, language: Language) -> str:
    for pattern, zh, en in rules:
        text = pattern.sub(zh if language == "zh" else en, text)
    return text


def _powers(text: str) -> str:
    """Write `2**3` as `2^3`, unless one of its marks begins or ends bold words."""
    is_bold = _POWER.sub("", text).count("**") % 2
    return text if is_bold else _POWER.sub("^", text)


def _numbers(text: str, language: Language) -> str:
    thousands = _NUMBERS[1][0]
    text = thousands.sub(lambda found: found[1].replace(",", ""), text)
    return _apply((_NUMBERS[0], *_NUMBERS[2:]), text, language)


def _is_visible(char: str) -> bool:
    return unicodedata.category(char) not in _INVISIBLE and not "\ufe00" <= char <= "\ufe0f"


def _spoken_characters(text: str) -> Iterator[str]:
    """Yield the spoken characters of `text`; a mark inside a word becomes a blank."""
    for index, char in enumerate(text):
        before, after = text[index - 1 : index], text[index + 1 : index + 2]
        category = unicodedata.category(char)
        if char in "'’" and before.isalpha() and after.isalpha():
            yield "’"
        elif char in ASCII_ENDS + ",:":
            yield char if not after or after.isspace() or ord(after) > 127 or after in _CLOSERS else " "
        elif (char.isascii() and not char.isalnum()) or category == "So" or "\U0001f000" <= char <= "\U0001faff":
            yield " "
        elif category not in _BRACKETS:
            yield char


_ALL_MARKS = re.escape(MARKS)
_WIDE_MARKS = re.escape("".join(mark for mark in MARKS if ord(mark) > 127))
_TIDY: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\s+"), " "),
    (re.compile(rf" (?=[{_CJK}{_ALL_MARKS}])|(?<=[{_CJK}{_WIDE_MARKS}]) "), ""),
    # Of several marks in a row the last one is kept: a full stop says more than the comma before it.
    (re.compile(rf"[{_ALL_MARKS}](?: ?[{_ALL_MARKS}])+"), lambda found: found[0][-1]),
    # The colon of a time or a ratio is a word by now; what is left of other marks must not look like one.
    (re.compile(r"(?<=\d)[:：](?=\d)"), "，"),
    # A bracket may have stood behind the mark.
    (re.compile(r"(?<=[,.!?;:])(?=[A-Za-z0-9])"), " "),
    (re.compile(rf"\A[\s{_ALL_MARKS}]+"), ""),
)


def _tidy(text: str) -> str:
    for pattern, replacement in _TIDY:
        text = pattern.sub(replacement, text)
    return text.strip()
