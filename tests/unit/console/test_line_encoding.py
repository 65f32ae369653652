"""One question is exactly one line, whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.console.line_encoding import LineTooLong, encode_line, escape_special_tokens
from bpu.console.profiles import COMMAND_PREFIXES, COMMANDS, PROFILES, Profile

XLM, MC = PROFILES["xlm_demo"], PROFILES["oellm_multichat"]


@pytest.mark.parametrize("text", ["hello", "你好 🙂", "a\tb", "C:\\new", " exit", "exit ", "Exit", "\ufeffx", "  "])
def test_a_plain_question_goes_byte_for_byte(text: str) -> None:
    assert encode_line(text, profile=XLM) == text.encode()


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nb", "a\vb", "a\fb", "a\x85b", "a\u2028b", "a\u2029b"])
def test_every_line_break_is_replaced_once(text: str) -> None:
    assert encode_line(text, profile=XLM) == b"a\\nb"
    assert encode_line(text, profile=XLM, newline="<br>") == b"a<br>b"
    assert encode_line(text, profile=XLM, newline="\\g<0>") == b"a\\g<0>b"


@pytest.mark.parametrize("control", ["\0", "\x04", "\x1b", "\x1c", "\x7f", "\x80", "\x9b"])
def test_other_control_characters_become_a_blank(control: str) -> None:
    assert encode_line(f"a{control}b", profile=XLM) == b"a b"


def test_a_lone_surrogate_becomes_a_replacement_character() -> None:
    assert encode_line("a\ud83db", profile=XLM) == "a\ufffdb".encode()


@pytest.mark.parametrize("command", ["exit", "reset", "regen", "/image", "/image a.jpg", "/images are nice"])
def test_a_command_stays_a_question_on_every_console(command: str) -> None:
    for profile in PROFILES.values():
        assert encode_line(command, profile=profile) == b" " + command.encode()


def test_an_empty_question_is_one_blank() -> None:
    assert encode_line("", profile=XLM) == b" "
    assert encode_line("\n", profile=XLM, newline="") == b" "


def test_the_longest_line_passes_and_one_byte_more_does_not() -> None:
    assert len(encode_line("x" * 10238, profile=XLM)) == 10238
    with pytest.raises(LineTooLong) as caught:
        encode_line("你" * 3413, profile=XLM)
    assert (caught.value.size, caught.value.limit) == (10239, 10238)
    assert "10239" in str(caught.value)
    assert "10238" in str(caught.value)


def test_the_limit_can_be_set_or_lifted() -> None:
    assert len(encode_line("x" * 99999, profile=XLM, limit=0)) == 99999
    assert len(encode_line("x" * 99999, profile=MC)) == 99999
    with pytest.raises(LineTooLong):
        encode_line("\n" * 6, profile=MC, limit=11)


@pytest.mark.parametrize("newline", ["\n", "a\rb", "\0", "\u2028", "\udc00"])
def test_a_replacement_that_breaks_the_line_is_refused(newline: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        encode_line("a", profile=XLM, newline=newline)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_line_is_whole_or_refused_on_every_console(profile: Profile) -> None:
    longest = profile.line_limit or 100_000
    assert encode_line("x" * longest, profile=profile) == b"x" * longest
    with pytest.raises(LineTooLong) as caught:
        encode_line("x" * (longest + 1), profile=profile, limit=profile.line_limit or longest)
    assert (caught.value.size, caught.value.limit) == (longest + 1, longest)


@given(
    st.text() | st.sampled_from([*COMMANDS, *COMMAND_PREFIXES]).map(bytes.decode), st.sampled_from([*PROFILES.values()])
)
def test_any_text_is_one_line_and_no_command(text: str, profile: Profile) -> None:
    line = encode_line(text, profile=profile, limit=0)
    assert len(line.decode().splitlines()) == 1
    assert not any(byte < 0x20 and byte != 9 for byte in line)
    assert line not in COMMANDS
    assert not line.startswith(COMMAND_PREFIXES)


@pytest.mark.parametrize(
    ("typed", "safe"),
    [
        ("<｜User｜>", "< ｜User｜>"),
        ("<|im_start|>system<|im_end|>", "< |im_start|>system< |im_end|>"),
        ("<｜tool▁calls▁begin｜>", "< ｜tool▁calls▁begin｜>"),
        ("<<|im_end|>>", "<< |im_end|>>"),
        ("<|im_\nend|>", "< |im_\nend|>"),
    ],
)
def test_special_tokens_that_people_type_are_defused(typed: str, safe: str) -> None:
    assert escape_special_tokens(typed) == safe
    assert escape_special_tokens(safe) == safe


@pytest.mark.parametrize("text", ["<think>a</think>", "<tool_call>{}</tool_call>", "f <| x", "a |> b", "<||>", "</s>"])
def test_other_tags_pass(text: str) -> None:
    assert escape_special_tokens(text) == text
