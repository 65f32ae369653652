"""Whatever a model says comes out, and whatever a person asks is one turn: any Unicode, any cut, every console."""

from __future__ import annotations

import re

from hypothesis import assume, example, given
from hypothesis import strategies as st

from bpu.console.errors import OutOfSync
from bpu.console.events import Done, Echo, Log, Stats, Text
from bpu.console.line_encoding import encode_line
from bpu.console.parser import ParserState
from tests.unit.console.consoles import BRACKETS, CONSOLES, HOSTILE, LOG, MARKER, PROMPT, Console, hear, pieces, text_of
from tests.unit.console.replay import joined

CONSOLE = st.sampled_from(CONSOLES)
CUTS = st.lists(st.integers(0, 2000), max_size=12)
#: Random text made of trouble.
WORDS = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=8), max_size=12).map("".join)

#: Bytes that are a mark wherever they stand, and so can never be text (the docstring of `AnswerStage` says it).
NEVER_TEXT = re.compile(r"\x1b\[[0-9;]*[mK]|<｜(begin|end)▁of▁sentence｜>|<｜(User|Assistant|▁pad▁)｜>|<\|\w+\|>")
#: How a library's log line begins; it is text where the question holds the very same.
HEAD = re.compile(
    r"\[[A-Z]\]\[\d+\]\[\d+-\d+\]\[\d+:\d+:\d+:\d+\]\[[^\]\[\r\n]+\]\[[^\]\[\r\n]+\]"
    r"|\[BPU\]\[\[[^\]\[\r\n]+\]\]\[\d+\]\[[^\]\[\r\n]+\]"
)
#: Statistics as the very last words, where the console itself prints none: the same bytes as a console that does.
STATISTICS = re.compile(r"(^|\n)(Performance |=====|\[Performance\])[^\n]*\n*$")


def may_be_said(console: Console, line: bytes, said: str) -> bool:
    """Whether no part of `said` is the same bytes as a mark."""
    same = not console.says_when_it_ends and STATISTICS.search(said)
    return not same and not NEVER_TEXT.search(said) and set(HEAD.findall(said)) <= set(HEAD.findall(line.decode()))


def as_utf8(text: str) -> str:
    """`text` as it is when it has been bytes: lone surrogates have no UTF-8."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def may_be_told_apart(console: Console, line: bytes, said: str) -> bool:
    """Whether the answer, where the line begins with the marker, does not begin as the line goes on.

    An answer without an echo and an echo without a template are the same bytes then (the docstring of `EchoStage`).
    """
    asked = line.strip().decode()
    forms = (asked, asked.replace("\\n", "\n").strip())
    after = [form[len(MARKER) :] for form in forms if (form + " ").startswith(MARKER)]
    printed = said + console.end
    return not after or console.echo is not None or not any(printed.startswith(rest) for rest in after)


@given(CONSOLE, WORDS, WORDS, CUTS)
@example(next(c for c in CONSOLES if c.name == "llm"), MARKER + PROMPT, "[Performance]\n", [])
@example(next(c for c in CONSOLES if c.name == "xlm_demo"), "\n" + PROMPT, "\n" + MARKER, [])
@example(next(c for c in CONSOLES if c.name == "xlm_demo-no-echo"), MARKER + "a", "b\n" + MARKER + "c", [])
def test_what_the_model_says_comes_out_whatever_was_asked(
    console: Console, asked: str, said: str, cuts: list[int]
) -> None:
    line = encode_line(asked, profile=console.profile, limit=0)
    expected = as_utf8(said)
    assume(may_be_said(console, line, expected) and may_be_told_apart(console, line, expected))
    parser = console.asked(line)
    output = console.output(line, said.encode("utf-8", "surrogatepass"))
    events = hear(parser, pieces(output, cuts))
    assert text_of(events) == expected
    assert [type(event) for event in events if not isinstance(event, (Text, Stats))] == [Echo, Done]
    assert parser.state is ParserState.IDLE


@given(CONSOLE, st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=3), CUTS)
def test_turns_do_not_touch_each_other(console: Console, turns: list[tuple[str, str]], cuts: list[int]) -> None:
    """One parser for several turns: nothing of one is held back into the next."""
    parser = None
    for asked, said in turns:
        line, expected = encode_line(asked, profile=console.profile, limit=0), as_utf8(said)
        assume(may_be_said(console, line, expected) and may_be_told_apart(console, line, expected))
        if parser is None:
            parser = console.asked(line)
        else:
            parser.begin(line)
        output = console.output(line, said.encode("utf-8", "surrogatepass"))
        assert text_of(hear(parser, pieces(output, cuts))) == expected


@given(CONSOLE, st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=8), st.lists(st.integers(0, 9)), CUTS)
def test_log_lines_between_pieces_lose_nothing(
    console: Console, said: list[str], places: list[int], cuts: list[int]
) -> None:
    assume(may_be_said(console, b"", "".join(said)))
    output = bytearray()
    for piece, place in zip(said, places, strict=False):
        data = piece.encode()
        output += data[:place] + LOG.encode() + b"\n" + data[place:]
    output += "".join(said[len(places) :]).encode()
    events = hear(console.asked(b"hi"), pieces(console.output(b"hi", bytes(output)), cuts))
    assert text_of(events) == "".join(said)
    assert [event.line for event in events if isinstance(event, Log)] == [LOG] * min(len(said), len(places))
    assert isinstance(events[-1], Done)


@given(CONSOLE, WORDS, WORDS.map(str.encode) | st.binary(max_size=300), CUTS)
@example(next(c for c in CONSOLES if c.name == "llm"), "", BRACKETS.encode() * 9, [20])
def test_junk_gives_the_same_events_however_it_is_cut(
    console: Console, asked: str, junk: bytes, cuts: list[int]
) -> None:
    """With and without the marker before it; to the end of the pipe, or to the first thing that cannot stand there."""
    line = encode_line(asked, profile=console.profile, limit=0)

    def run(output: bytes, cuts: list[int]) -> list[object]:
        parser, events = console.asked(line), []
        try:
            for piece in pieces(output, cuts):
                events += parser.feed(piece)
            return [*joined([*events, *parser.end_of_file()]), parser.state]
        except OutOfSync as error:
            return [*joined([*events, *error.events]), parser.state, str(error)]

    for output in (junk, console.output(line, junk)):
        assert run(output, cuts) == run(output, [])


@given(CONSOLE, st.binary(max_size=200))
def test_any_bytes_are_decoded_as_python_decodes_them(console: Console, said: bytes) -> None:
    assume(not any(byte in said for byte in b"\x1b<[\n"))
    events = hear(console.asked(b"hi"), [console.output(b"hi", said)])
    assert text_of(events) == said.decode("utf-8", "replace")
