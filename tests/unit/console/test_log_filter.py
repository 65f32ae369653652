"""Colours and log lines leave the stream; nothing else does."""

from __future__ import annotations

import pytest

from bpu.console.events import Log
from bpu.console.log_filter import LONGEST_LOG, LogFilter, log_event

HEAD = b"[E][29163][02-26][22:02:19:008][configuration.cpp:188][xlm_demo]"


def clean(*pieces: bytes, log_filter: LogFilter | None = None) -> list[bytes | Log]:
    log_filter = log_filter or LogFilter()
    return [*(item for piece in pieces for item in log_filter.feed(piece)), *log_filter.end()]


def test_a_log_line_in_the_middle_of_a_character() -> None:
    first, second = "你".encode()[:1], "你".encode()[1:]
    assert clean(first + HEAD + b"[DNN] text\n" + second) == [first, Log(HEAD.decode() + "[DNN] text"), second]


def test_the_monitor_of_the_bpu_is_a_log_line() -> None:
    line = "[BPU][[BPU_MONITOR]][281473285378048][INFO]BPULib verison(2, 1, 2)[0d3f195]!"
    assert clean(b"a" + line.encode() + b"\nb") == [b"a", Log(line), b"b"]


@pytest.mark.parametrize(
    "text", [b"[E]", b"[E][12]", b"[DNN] x\n", HEAD[:-1] + b"\n", b"[BPU] x\n", b"\x1b[2J", b"\x1bm"]
)
def test_what_only_looks_like_it_is_text(text: bytes) -> None:
    assert b"".join(piece for piece in clean(text) if isinstance(piece, bytes)) == text


def test_colours_are_taken_out_of_text_and_logs() -> None:
    assert clean(b"a\x1b[38;2;0;128;255mb\x1b[Kc") == [b"a", b"b", b"c"]
    assert clean(b"\x1b[31m" + HEAD + b"\x1b[1mbad\x1b[0m\n") == [Log(HEAD.decode() + "bad")]


def test_a_head_that_stood_in_a_prompt_is_text() -> None:
    log_filter = LogFilter()
    log_filter.remember_log_prefixes(b"what is " + HEAD + b"?")
    other = HEAD.replace(b"008", b"009")
    assert clean(HEAD + b" x\n" + other + b" y\n", log_filter=log_filter) == [HEAD, b" x\n", Log(other.decode() + " y")]


def test_only_so_many_heads_are_remembered() -> None:
    log_filter = LogFilter()
    log_filter.remember_log_prefixes(HEAD)
    for thread in range(0, 6000, 1000):
        log_filter.remember_log_prefixes(b"".join(HEAD.replace(b"29163", b"%d" % (thread + i)) for i in range(1000)))
    assert clean(HEAD + b" x\n", log_filter=log_filter) == [Log(HEAD.decode() + " x")]


def test_a_log_line_without_end_was_none() -> None:
    data = HEAD + b"x" * (2 * LONGEST_LOG)
    for pieces in ([data], [data[i : i + 7] for i in range(0, len(data), 7)]):
        found = clean(*pieces)
        assert not any(isinstance(piece, Log) for piece in found)
        assert b"".join(found) == data  # type: ignore[arg-type]


def test_held_text_is_known() -> None:
    log_filter = LogFilter()
    list(log_filter.feed(b"a["))
    assert log_filter.holds_text
    list(log_filter.feed(HEAD[1:] + b"x"))
    assert not log_filter.holds_text
    assert list(log_filter.end()) == [Log(HEAD.decode() + "x")]


def test_a_log_event_has_no_line_break_and_no_colour() -> None:
    assert log_event(b"\x1b[1mabc\xff\x1b[0m\r\n") == Log("abc\ufffd")
