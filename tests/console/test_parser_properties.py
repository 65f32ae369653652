"""Whatever a model says comes out, and whatever a person asks is one turn: any Unicode, any cut, every profile."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bpu.console.events import Done, Echo, Log, Stats, Text
from bpu.console.line import frame
from bpu.console.parser import Parser, State
from bpu.console.profiles import PROFILES, Profile
from tests.console.replay import joined

PERFORMANCE = "Performance prefill: 1113.04tokens/s    decode: 20.22tokens/s\n"
COLOURED = (
    "\033[38;2;0;128;255m===== prefill token num: 12 prefill cost: 30.5 ms, prefill speed: 393.4 tokens/s =====\n"
    "===== decode token num: 40 cost per token: 58.1 ms, decode speed: 17.2 tokens/s =====\n\033[0m\n"
)
LOG = "[E][29163][02-26][22:02:19:008][configuration.cpp:188][xlm_demo][DNN] text"

#: What consoles print, so that random text is made of trouble.
TROUBLE = st.sampled_from(
    [
        *("[User] <<< ", "[Assistant] >>> ", "[User] <<<", "run error", "mKrun error", "\n", "\n\n", "=====", " "),
        *(
            "Performance",
            PERFORMANCE,
            "[Performance]",
            "<",
            "<|",
            "<think>",
            "</think>",
            "<｜",
            "<|im_",
            "[",
            "[E][29163]",
        ),
        *("[system out] >>> ", "exit", "你好", "🙂", "\x1b", "\x1b[", "\r\n", "\0", "[DNN]", "Failed to DoPrefill\n"),
    ]
)
WORDS = st.lists(TROUBLE | st.text(max_size=8), max_size=12).map("".join)

#: Bytes that are a mark wherever they stand, and so can never be text (the docstring of `Answer` says it).
NEVER_TEXT = re.compile(r"\x1b\[[0-9;]*[mK]|<｜(begin|end)▁of▁sentence｜>|<｜(User|Assistant)｜>|<\|\w+\|>")
THE_END = re.compile(r"(tokens/s *|=====|\[Performance\][^\n]*)\n+\[User\] <<< ")

PROFILE = st.sampled_from(sorted(PROFILES.values(), key=lambda profile: profile.name))


def start(profile: Profile, line: bytes, *, real_breaks: bool = False) -> bytes:
    marker = b"[Assistant] >>> "
    if profile.name == "vlm":
        return b"\n" + marker
    if profile.name != "xlm_demo":
        return marker
    shown = line.replace(b"\\n", b"\n") if real_breaks else line
    return b"<bos><\xef\xbd\x9cUser\xef\xbd\x9c>" + shown + b"<think>\n\n" + marker


def ending(profile: Profile, *, statistics: bool) -> bytes:
    if profile.name == "vlm":
        return ("\n\n" + COLOURED + "[User] <<< ").encode()
    middle = {"xlm_demo": PERFORMANCE, "llm": "[Performance] 1 2 3\n"}.get(profile.name, "") if statistics else ""
    return ("\n" + middle + "[User] <<< ").encode()


def feed(parser: Parser, output: bytes, cuts: list[int]) -> list[object]:
    events: list[object] = []
    places = sorted({0, len(output), *(cut % (len(output) + 1) for cut in cuts)})
    for left, right in pairwise(places):
        events += parser.feed(output[left:right])
    return events


def finish(parser: Parser) -> list[object]:
    return [] if parser.quiet_after is None else [*parser.quiet()]


def text_of(events: list[object]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def may_run_into(profile: Profile, said: str, statistics: bool) -> bool:
    """Whether the last line that was said and the console's own are the same bytes as an end of a turn."""
    if statistics and profile.name == "llm":
        return said.rpartition("\n")[2].startswith("[Performance]")
    bare = not statistics or profile.name not in ("xlm_demo", "llm")
    return bare and profile.name != "vlm" and THE_END.search(said + "\n[User] <<< ") is not None


@given(PROFILE, WORDS, st.lists(st.integers(0, 5000), max_size=12), st.booleans())
@settings(max_examples=250, deadline=None)
def test_what_the_model_says_comes_out(profile: Profile, said: str, cuts: list[int], statistics: bool) -> None:
    output = start(profile, b"hi") + said.encode("utf-8", "surrogatepass") + ending(profile, statistics=statistics)
    said = said.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    assume(not NEVER_TEXT.search(said))
    assume(not THE_END.search(said) and not may_run_into(profile, said, statistics))
    parser = Parser(profile, state=State.IDLE)
    parser.begin(b"hi")
    events = feed(parser, output, cuts) + finish(parser)
    assert text_of(events) == said
    assert isinstance(events[-1], Done)
    assert parser.state is State.IDLE


@given(PROFILE, WORDS, st.lists(st.integers(0, 5000), max_size=8), st.booleans(), st.booleans())
@example(PROFILES["xlm_demo"], "\n[User] <<< ", [], False, True)
@example(PROFILES["xlm_demo"], "\n[Assistant] >>> ", [], False, True)
@settings(max_examples=250, deadline=None)
def test_whatever_is_asked_is_one_turn(
    profile: Profile, asked: str, cuts: list[int], statistics: bool, real_breaks: bool
) -> None:
    line = frame(asked, profile=profile, newline="\\n", limit=0)
    assert b"\n" not in line
    parser = Parser(profile, state=State.IDLE)
    for _ in range(2):
        parser.begin(line)
        output = start(profile, line, real_breaks=real_breaks) + b"yes" + ending(profile, statistics=statistics)
        events = feed(parser, output, cuts) + finish(parser)
        assert [type(event) for event in events if not isinstance(event, (Stats, Text))] == [Echo, Done]
        assert text_of(events) == "yes"


@given(
    PROFILE, st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=8), st.lists(st.integers(0, 9), min_size=8)
)
@settings(max_examples=150, deadline=None)
def test_log_lines_between_pieces_lose_nothing(profile: Profile, pieces: list[str], cuts: list[int]) -> None:
    said = "".join(pieces)
    assume(not NEVER_TEXT.search(said))
    output = bytearray(start(profile, b"hi"))
    for piece, cut in zip(pieces, cuts, strict=False):
        data = piece.encode()
        output += data[:cut] + LOG.encode() + b"\n" + data[cut:]
    output += "".join(pieces[len(cuts) :]).encode() + ending(profile, statistics=True)
    parser = Parser(profile, state=State.IDLE)
    parser.begin(b"hi")
    events = feed(parser, bytes(output), cuts) + finish(parser)
    assert text_of(events) == said
    assert [event.line for event in events if isinstance(event, Log)] == [LOG] * min(len(pieces), len(cuts))
    assert isinstance(events[-1], Done)


@given(PROFILE, st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
@settings(max_examples=200, deadline=None)
def test_binary_junk_gives_the_same_events_however_it_is_cut(profile: Profile, junk: bytes, cuts: list[int]) -> None:
    def run(cuts: list[int]) -> list[object]:
        parser = Parser(profile, state=State.IDLE)
        parser.begin(b"hi")
        return joined([*feed(parser, start(profile, b"hi") + junk, cuts), *parser.end_of_file()])  # type: ignore[list-item]

    assert run(cuts) == run([])


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_decoded_as_python_decodes_them(said: bytes) -> None:
    assume(not any(byte in said for byte in b"\x1b<[\n"))
    parser = Parser(PROFILES["xlm_demo"], state=State.IDLE)
    parser.begin(b"hi")
    events = feed(parser, start(parser.profile, b"hi") + said + ending(parser.profile, statistics=True), [])
    assert text_of(events) == said.decode("utf-8", "replace")
