"""The simulator prints what console-protocol says, profile by profile, and reads as each console reads."""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.unit.simulator.program import PROMPT, Program, llm

START_UP = """\
[UCP]: log level = 3
[UCP]: UCP version = 3.7.3
[VP]: log level = 3
[DNN]: log level = 3
[HPL]: log level = 3
[UCPT]: log level = 6
"""


def test_start_up_and_banner_of_the_default_profile() -> None:
    with Program("--hbm_path", "/root/llm/X.hbm") as program:
        out = program.ready().decode()
        program.exit()
        err = program.err.decode()
    assert out.startswith("hbm_path: /root/llm/X.hbm\ntokenizer_dir: ")
    assert out.endswith(
        "model_type: 3\n板端大模型多轮对话交互demo，请输入你的问题并按下回车 \n"
        "- 退出请输入exit\n- 清除缓存请输入reset\n[User] <<< "
    )
    assert err.startswith(START_UP)
    assert "[BPU][[BPU_MONITOR]][281473285378048][INFO]BPULib verison(2, 1, 2)[0d3f195]!\n" in err
    assert "simulator" in err


@pytest.mark.parametrize("profile", ["oellm_run", "oellm_multichat", "xlm_demo"])
def test_exit_says_goodbye_and_succeeds(profile: str) -> None:
    with Program("--profile", profile) as program:
        program.ready()
        assert program.exit() == 0
        assert program.out.decode() == "[system out] >>> 好的，祝您生活愉快，再见~\n"


@pytest.mark.parametrize("profile", ["vlm", "llm"])
def test_the_programs_of_the_s600_leave_without_a_word(profile: str) -> None:
    with Program("--profile", profile) as program:
        program.ready()
        assert program.exit() == 0
        assert program.out == b""


def test_the_image_console_greets_as_its_source_does() -> None:
    with Program("--profile", "vlm") as program:
        out = program.ready().decode()
    assert "\033[32mVLM Demo XLM Engine is ready.\033[0m\n" in out
    assert out.endswith("- 清除缓存：reset\n- 退出程序：exit\n\n[User] <<< ")
    with Program("--profile", "vlm", "--config_path", "x") as program:
        assert program.end() == 1
        assert program.err.startswith(b"unknown option: --config_path\n")


@pytest.mark.parametrize(("thinks", "start"), [(True, "<think>\n"), (False, "")])
def test_the_switch_of_thinking_is_in_the_file_and_the_figures_are_verbatim(
    tmp_path: Path, thinks: bool, start: str
) -> None:
    with llm(tmp_path, enable_thinking=thinks) as program:
        assert program.ready().decode() == "[User] <<< "
        text = program.ask("hello")
    assert text.startswith(f"[Assistant] >>> {start}")
    assert ("</think>" in text) is thinks
    figures = r"\n\[Performance\] prefill TPS: \d+ tokens/s  decode TPS: \d+\.\d tokens/s\n\[User\] <<< "
    assert re.search(figures + r"\Z", text)


@pytest.mark.parametrize("key", ["hbm_path", "tokenizer_dir", "bpu_core", "model_type"])
def test_a_configuration_without_a_key_that_is_needed_is_refused(tmp_path: Path, key: str) -> None:
    missing: dict[str, Any] = {key: None}
    with llm(tmp_path, **missing) as program:
        assert program.end() == 1
        assert b"cannot read config file" in program.err


@pytest.mark.parametrize("profile", ["xlm_demo", "node"])
def test_what_was_read_is_recorded_line_by_line(profile: str, tmp_path: Path) -> None:
    with Program("--profile", profile, "--record", str(tmp_path / "lines")) as program:
        program.ready()
        program.ask("你好")
        program.ask("reset")
        pid = program.process.pid
    assert (tmp_path / "lines").read_text() == f"{pid} 你好\n{pid} reset\n"


def test_the_banner_tells_the_single_turn_console_and_the_one_without_exit() -> None:
    with Program("--profile", "oellm_run") as program:
        out = program.ready().decode()
        assert "板端大模型对话交互demo" in out
        assert out.startswith("xlm init success\n")  # it does not repeat its arguments
    with Program("--profile", "hobot_xlm") as program:
        assert "- 退出请 Ctrl C\n- 清除缓存请输入 reset\n" in program.ready().decode()
        assert "[Assistant]" in program.ask("exit")


def test_stdbuf_matters() -> None:
    tokens = "[[sim tokens=3000]]"
    with Program(stdbuf=False, packets=True) as program:
        program.ready()
        program.reads.clear()
        program.ask(tokens)
        assert len(program.reads) > 2
        assert set(program.reads[:-1]) == {4096}
    with Program(packets=True) as program:
        program.ready()
        program.reads.clear()
        program.ask(tokens)
        assert statistics.median(program.reads) < 16
        assert len(program.reads) > 1000


def test_a_profile_that_flushes_needs_no_stdbuf() -> None:
    with Program("--profile", "oellm_run", stdbuf=False, packets=True) as program:
        program.ready()
        program.reads.clear()
        program.ask("[[sim tokens=100]]")
        assert statistics.median(program.reads) < 16
        assert len(program.reads) > 100


def test_a_program_that_buffers_by_itself_defeats_stdbuf() -> None:
    with Program("--self-buffering", packets=True) as program:
        program.ready()
        program.reads.clear()
        program.ask("[[sim tokens=500]]")
        assert len(program.reads) == 1


def test_a_line_over_the_buffer_is_two_questions() -> None:
    with Program("--profile", "oellm_run", "--context", "20000") as program:
        program.ready()
        assert program.ask("a" * 10238).count("[Assistant] >>> ") == 1
        program.send("a" * 10239 + "b")
        assert program.wait(lambda: program.out.count(PROMPT) == 2, 20)


def test_getline_has_no_limit() -> None:
    with Program("--profile", "oellm_multichat", "--context", "200000") as program:
        program.ready()
        assert program.ask("a" * 100_000).count("[Assistant] >>> ") == 1


def test_nul_cuts_the_line_and_bad_utf8_where_the_console_says_so() -> None:
    with Program("--profile", "oellm_run", "--echo") as program:
        program.ready()
        assert "<｜User｜>ab<｜Assistant｜>" in program.ask(b"ab\0cd")
        assert "<｜User｜>ab<｜Assistant｜>" in program.ask(b"ab\xffcd")
    with Program("--profile", "oellm_multichat", "--echo") as program:
        program.ready()
        program.send(b"ab\xffcd")
        assert b"ab\xffcd<" in program.until(PROMPT)


def test_a_console_that_reads_ahead_obeys_in_the_midst_of_an_answer() -> None:
    with Program("--profile", "oellm_run", "--decode-rate", "100", fast=False) as program:
        program.ready()
        program.send("[[sim tokens=1000]]")
        assert program.wait(lambda: len(program.out) > 40, 20)
        program.send("reset")
        assert program.wait(lambda: PROMPT in program.out, 5)
        assert program.exit() == 0


def test_the_end_of_the_input_ends_it() -> None:
    with Program() as program:
        program.ready()
        program.stdin.close()
        assert program.end() == 0
