"""One turn of the simulator: echo, answer, statistics and prompt as each console prints them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.simulator.program import Program, llm, say


def test_one_turn_of_the_default_profile_byte_for_byte() -> None:
    with Program() as program:
        program.ready()
        question = say("Hm.\n</think>\n\nYes.")
        text = program.ask(question)
    echo = f"<｜begin▁of▁sentence｜><｜User｜>{question}<｜Assistant｜><think>\n\n[Assistant] >>> "
    figures = r"\nPerformance prefill: \d+\.\d\dtokens/s    decode: \d+\.\d\dtokens/s\n\n\[User\] <<< "
    assert text.startswith(echo)
    assert re.fullmatch(r"Hm\.\n</think>\n\nYes\." + figures, text.removeprefix(echo))


@pytest.mark.parametrize(
    ("profile", "before", "after"),
    [
        ("oellm_run", "[Assistant] >>> ", r"\nPerformance .*\n\n\[User\] <<< "),
        ("oellm_multichat", "[Assistant] >>> ", r"\nPerformance .*\n\n\[User\] <<< "),
        ("node", "[Assistant] >>> ", r"\n\[User\] <<< "),
        ("vlm", "\n[Assistant] >>> ", r"\n\n\x1b\[38;2;0;128;255m===== prefill token num: \d+ prefill cost: .*\n"
                                      r"===== decode .* =====\n\x1b\[0m\n\[User\] <<< "),
    ],
)  # fmt: skip
def test_one_turn_of_the_other_profiles(profile: str, before: str, after: str) -> None:
    with Program("--profile", profile) as program:
        program.ready()
        text = program.ask(say("好的 Yes"))
    assert re.fullmatch(re.escape(before) + "好的 Yes" + after, text)


def test_the_statistics_of_the_s600_console() -> None:
    with Program("--profile", "oellm_multichat", "--stats", "tps") as program:
        program.ready()
        text = program.ask(say("Yes"))
    figures = r"\n\[Performance\] prefill TPS: \d+ tokens/s  decode TPS: \d+\.\d tokens/s\n\n\[User\] <<< "
    assert re.fullmatch(r"\[Assistant\] >>> Yes" + figures, text)


@pytest.mark.parametrize(("keeps", "known"), [(True, True), (False, False)])
def test_the_file_says_whether_the_chat_is_kept(tmp_path: Path, keeps: bool, known: bool) -> None:
    with llm(tmp_path, enable_multi_turn=keeps, enable_thinking=False) as program:
        program.ready()
        program.ask("My name is Zo.")
        assert ("Zo" in program.ask("What is my name?")) is known


@pytest.mark.parametrize(
    ("l2m", "cores", "said"),
    [
        ("6:6:6:6", [0], "given: 1, compiled model bpu core num: 4"),
        ("", [0, 1, 2, 3], "L2 memory not enough"),
        ("6:6", [0, 1, 2, 3], "L2 memory not enough"),
        ("7:7:7:7", [0, 1, 2, 3], "Allocate l2M memory failed, size: 7340032"),
    ],
)
def test_cores_that_do_not_fit_fail_at_the_first_prompt(tmp_path: Path, l2m: str, cores: list[int], said: str) -> None:
    with llm(tmp_path, l2m, bpu_core=cores) as program:
        program.ready()
        program.send("hello")
        program.until(b"run error\n")
        assert program.wait(lambda: said.encode() in program.err, 20)


def test_a_prompt_beyond_the_cache_of_the_files_name_ends_the_program(tmp_path: Path) -> None:
    with llm(tmp_path) as program:
        program.ready()
        program.send("word " * 400)
        assert program.end() == -6
        assert b"corrupted size vs. prev_size" in program.err


def test_an_empty_line_is_an_empty_prompt() -> None:
    with Program() as program:
        program.ready()
        assert "<｜User｜><｜Assistant｜>" in program.ask("")


def test_newlines_in_the_echo_stay_as_written_unless_asked() -> None:
    with Program() as program:
        program.ready()
        assert "a\\nb<｜Assistant｜>" in program.ask("a\\nb")
    with Program("--newline", "unescape") as program:
        program.ready()
        assert "a\nb<｜Assistant｜>" in program.ask("a\\nb")


def test_stamps_tell_when_the_line_the_pieces_and_the_prompt_came(tmp_path: Path) -> None:
    with Program("--stamp", str(tmp_path / "stamps")) as program:
        program.ready()
        assert program.answer(say("one two")) == "one two"
        program.ask("more")
    rows = [line.split() for line in (tmp_path / "stamps").read_text().splitlines()]
    first = [row for row in rows if row[0] == "1"]
    assert [row[1] for row in first] == ["line", *["piece"] * (len(first) - 2), "prompt"]
    assert [int(row[2]) for row in (first[0], first[-1])] == [0, len("one two")]
    times = [int(row[3]) for row in rows]
    assert times == sorted(times)
    assert [row[1] for row in rows if row[0] == "2"][-1] == "prompt"
