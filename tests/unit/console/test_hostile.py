"""Every sentence that has cut an answer somewhere, at every console: nothing is lost and no mark comes out."""

from __future__ import annotations

import pytest

from bpu.console.events import Done, Echo, Log, Overrun, RunError, Stats, Text
from bpu.console.line_encoding import encode_line
from bpu.console.parser import ParserState
from tests.unit.console.consoles import (
    BRACKETS,
    CONSOLES,
    DECODE,
    LOG,
    MARKER,
    MONITOR,
    PERFORMANCE,
    PREFILL,
    PROMPT,
    Console,
    hear,
    state_of,
    text_of,
)

#: What a model says, by name. Each is said as the whole answer and between two lines.
SAID = {
    "performance": "Performance matters.\nPerformance",
    "performance prefill": "Performance prefill: is what it prints",
    "whole statistics": PERFORMANCE + "is what it prints",
    "performance in brackets": "[Performance]\nis a heading",
    "line of equals": "=====\nTitle\n=====",
    "statistics of the vlm": PREFILL + DECODE + "is what it prints",
    "prompt at the beginning": PROMPT + "is its prompt",
    "prompt in a line": "It prints " + PROMPT + "and waits",
    "prompt at the end of a line": "It prints " + PROMPT + "\nand waits",
    "prompt alone": PROMPT,
    "marker at the beginning": MARKER + "is its marker",
    "marker in a line": "It prints " + MARKER + "first",
    "half a prompt": "[User] <<\n[User]\n[",
    "run error": "run error\nis what it says",
    "run error in a line": "It says run error",
    "mKrun error": "mKrun error\nis what it says",
    "failure of a library": "Failed to DoPrefill\nis what it says",
    "characters": "你好，世界 🙂👨\u200d👩\u200d👧 é",
    "line breaks": "\n\na\n\n\nb\n",
    "half a token": "a <|im_ b <｜end▁of c <",
    "think and tool marks": '<think>a</think>\n<tool_call>{"name": "look"}</tool_call>\n<｜tool▁calls▁begin｜>',
    "half a log line": "[E][29163] and [DNN] x\n[BPU] y",
    "half a colour": "\x1b[31 \x1b[ \x1b",
    "echo of a question": MARKER + "a\n" + PROMPT + "b\n" + MARKER + "c",
}
PLACES = {"whole": "{}", "within": "First.\n{}\nLast."}

EVERY_CONSOLE = pytest.mark.parametrize("console", CONSOLES, ids=lambda console: console.name)


def reads(console: Console, line: bytes, said: bytes) -> list[list[bytes]]:
    """The turn's output whole, byte by byte, and in pieces of a few bytes."""
    output = console.output(line, said)
    return [[output[at : at + size] for at in range(0, len(output), size)] for size in (len(output), 1, 7)]


@EVERY_CONSOLE
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SAID)
def test_what_a_model_says_comes_out_whole(console: Console, name: str, place: str) -> None:
    said = PLACES[place].format(SAID[name])
    for read in reads(console, b"hi", said.encode()):
        events = hear(console.asked(b"hi"), read)
        assert text_of(events) == said
        assert [type(event) for event in events if not isinstance(event, (Text, Stats))] == [Echo, Done]
        assert any(isinstance(event, Stats) for event in events) == console.says_when_it_ends


@EVERY_CONSOLE
def test_what_is_cut_in_two_anywhere_comes_out_whole(console: Console) -> None:
    said = f"你🙂{PROMPT}a\n{PROMPT}b{MARKER}c\n{MARKER}d\nrun error\ne\n=====\n[Performance]\n{PERFORMANCE}f<|im_\n"
    output = console.output(b"hi", said.encode())
    for at in range(1, len(output)):
        assert text_of(hear(console.asked(b"hi"), [output[:at], output[at:]])) == said


@EVERY_CONSOLE
@pytest.mark.parametrize("said", ["It prints " + PROMPT, "It prints\n" + PROMPT, PROMPT, "\n\n" + PROMPT])
@pytest.mark.parametrize("more", ["and waits.", "\nand waits.", " ", PROMPT])
def test_a_prompt_of_which_the_rest_comes_forty_milliseconds_later_is_text(
    console: Console, said: str, more: str
) -> None:
    parser, output = console.asked(b"hi"), console.output(b"hi", (said + more).encode())
    rest = len((more + console.end).encode())
    events = parser.feed(output[:-rest])
    assert parser.state is ParserState.ANSWERING
    assert parser.quiet_after is not None
    assert parser.quiet_after > 0.04
    assert text_of([*events, *hear(parser, [output[-rest:]])]) == said + more
    assert state_of(parser) is ParserState.IDLE


@EVERY_CONSOLE
@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("place", [*PLACES, "before a long rest"])
def test_whatever_is_asked_is_one_turn(console: Console, name: str, place: str) -> None:
    asked = {**PLACES, "before a long rest": "{} " + "x" * 300}[place].format(SAID[name])
    line = encode_line(asked, profile=console.profile, limit=0)
    for read in reads(console, line, b"yes"):
        events = [event for event in hear(console.asked(line), read) if not isinstance(event, Stats)]
        assert [type(event) for event in events] == [Echo, Text, Done]
        assert text_of(events) == "yes"


@EVERY_CONSOLE
@pytest.mark.parametrize("question", [MARKER + PROMPT, PROMPT, "run error", MARKER + "run error " + PROMPT])
def test_a_question_of_marks_is_answered_piece_by_piece(console: Console, question: str) -> None:
    line = encode_line(question, profile=console.profile)
    parser, output = console.asked(line), console.output(line, b"yes, I do. ")
    events = parser.feed(output[: -len(console.end.encode())])
    assert text_of(events) == "yes, I do. "


TOKENS = [
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<｜tool▁outputs▁begin｜>",
]


@EVERY_CONSOLE
@pytest.mark.parametrize("token", TOKENS)
def test_special_tokens_leave_the_answer(console: Console, token: str) -> None:
    for said in (f"{token}a你b{token}", f"a你b{token}"):
        for read in reads(console, b"hi", said.encode()):
            assert text_of(hear(console.asked(b"hi"), read)) == "a你b"


@EVERY_CONSOLE
@pytest.mark.parametrize("token", TOKENS)
def test_21_an_answer_is_over_at_its_first_end_or_role_token(console: Console, token: str) -> None:
    """What a model says after it is a turn that nobody asked for."""
    said = f"{token}a{token}{token}你b{token}\nc"
    goes_on = token == "<｜begin▁of▁sentence｜>"
    for read in reads(console, b"hi", said.encode()):
        events = hear(console.asked(b"hi"), read)
        assert text_of(events) == ("a你b\nc" if goes_on else "a")
        assert events.count(Overrun()) == (0 if goes_on else 1)
        assert events[-1] == Done()


@EVERY_CONSOLE
@pytest.mark.parametrize("colour", ["\x1b[m", "\x1b[K", "\x1b[0m", "\x1b[38;2;0;128;255m", "\x1b[1;31m\x1b[K"])
def test_colours_leave_the_answer(console: Console, colour: str) -> None:
    said = f"{colour}a".encode() + "你".encode()[:1] + colour.encode() + "你".encode()[1:] + colour.encode()
    for read in reads(console, b"hi", said):
        assert text_of(hear(console.asked(b"hi"), read)) == "a你"


@EVERY_CONSOLE
@pytest.mark.parametrize("log", [LOG, MONITOR])
def test_log_lines_between_pieces_leave_the_answer(console: Console, log: str) -> None:
    line = log.encode() + b"\n"
    said = line + b"a " + "你".encode()[:2] + line + "你".encode()[2:] + b"\n" + line + b"b" + line
    for read in reads(console, b"hi", said):
        events = hear(console.asked(b"hi"), read)
        assert text_of(events) == "a 你\nb"
        assert [event for event in events if isinstance(event, Log)] == [Log(log)] * 4
        assert events[-1] == Done()


@EVERY_CONSOLE
@pytest.mark.parametrize("error", ["run error", "mKrun error", "\x1b[31mrun error\x1b[0m", "\x1b[m\x1b[Krun error"])
@pytest.mark.parametrize("flushed", ["", "\n"])
@pytest.mark.parametrize("said", [None, "", "Once\n"])
def test_run_error_ends_the_turn_when_nothing_follows(
    console: Console, error: str, flushed: str, said: str | None
) -> None:
    """Instead of the marker (None), as the first thing after it, or after a piece of answer."""
    output = console.output(b"hi", (said or "").encode())
    end = len(console.end.encode()) + (len(console.start.lstrip("\n").encode()) if said is None else 0)
    for size in (1, 7, 9999):
        data = output[:-end] + (error + flushed).encode()
        events = hear(console.asked(b"hi"), [data[at : at + size] for at in range(0, len(data), size)])
        words = "mKrun error" if error.startswith("mK") else "run error"
        assert events[-1] == RunError(words)
        assert text_of(events) == (said or "").removesuffix("\n")


@EVERY_CONSOLE
def test_statistics_of_two_kinds_are_never_both_the_consoles(console: Console) -> None:
    """What the model repeats of an earlier turn stands right before the console's own."""
    for said in (PERFORMANCE, BRACKETS, PREFILL + DECODE, DECODE, BRACKETS + BRACKETS, "[Performance]\n"):
        if not console.says_when_it_ends:
            continue
        for last in (said, said[:-1]):
            for read in reads(console, b"hi", last.encode()):
                assert text_of(hear(console.asked(b"hi"), read)) == last
