"""Each fault does what its name says in its phase, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from bpu.simulator import faults
from tests.support.waits import until
from tests.unit.simulator.program import ANSWER, PROMPT, Program

ENDS = {
    "exit": 1,
    "exit=7": 7,
    "exit=0": 0,
    "signal": -signal.SIGSEGV,
    "signal=ABRT": -signal.SIGABRT,
    "signal=KILL": -signal.SIGKILL,
    "overflow": -signal.SIGABRT,
    "no-answer": 0,
    "no-memory-later": -signal.SIGSEGV,
}


@pytest.mark.parametrize("phase", ["start", "load", "ready", "idle", "line", "prefill", "decode:2", "end"])
@pytest.mark.parametrize("fault", ENDS)
def test_it_ends_with_its_code_in_every_phase(fault: str, phase: str) -> None:
    with Program("--fault", f"{fault}@{phase}") as program:
        if phase not in ("start", "load"):
            program.ready()
        if phase not in ("start", "load", "ready", "idle"):
            program.send("hello")
        assert program.end() == ENDS[fault]
        assert (ANSWER in program.out) == (phase in ("decode:2", "end"))
        assert not program.out.endswith(PROMPT)


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("no-memory", 1, b"Cannot malloc bpu memory with length 2234994104 bytes"),
        ("load-failed", 1, b"[Model] Load hbm failed! error: HBRT4_STATUS_BAD_DATA"),
        ("missing-library", 127, b"error while loading shared libraries: libxlm.so"),
        ("template", 1, b""),
    ],
)
def test_a_failed_load(fault: str, code: int, words: bytes) -> None:
    with Program("--fault", fault) as program:
        assert program.end() == code
        assert words in program.err
        assert PROMPT not in program.out
        assert (b"xlm init failed\n" in program.out) == (code == 1)


def test_memory_failure_after_the_load_has_its_lines() -> None:
    with Program() as program:
        program.ready()
        program.send("[[sim fault=no-memory-later]]")
        assert program.end() == -signal.SIGSEGV
        assert b"AllocError { len: 2359296 }" in program.err
    with Program() as program:
        program.ready()
        program.send("[[sim fault=overflow]]")
        assert program.end() == -signal.SIGABRT
        assert b"corrupted size vs. prev_size" in program.err


@pytest.mark.parametrize("where", ["hang@prefill", "hang@decode:4", "hang@end", "spin@prefill"])
def test_silence_at_a_moment_of_its_own(where: str) -> None:
    with Program() as program:
        program.ready()
        program.send(f"[[sim tokens=30 fault={where}]]")
        program.wait(lambda: False, 0.6)
        assert not program.out.endswith(PROMPT)
        assert program.process.poll() is None
        assert (ANSWER in program.out) == (not where.endswith("prefill"))


def test_spinning_uses_a_processor() -> None:
    with Program() as program:
        program.ready()
        program.send("[[sim fault=spin@prefill]]")
        assert program.wait(lambda: b"<think>" in program.out, 20)
        before = processor_seconds(program.process.pid)
        until(lambda: processor_seconds(program.process.pid) >= before + 0.1, what="it has worked for 0.1 s")


def processor_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11]) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("profile", ["xlm_demo", "oellm_run"])
def test_run_error_comes_without_a_prompt_and_the_next_line_is_read(profile: str) -> None:
    with Program("--profile", profile) as program:
        program.ready()
        program.send("[[sim fault=run-error]]")
        assert program.wait(lambda: program.out.endswith(b"run error\n"), 20)
        program.wait(lambda: False, 0.3)
        assert program.out.endswith(b"run error\n")
        assert "Hello" in program.answer("hello")


def test_run_error_of_oellm_run_is_not_flushed() -> None:
    with Program("--profile", "oellm_run", stdbuf=False) as program:
        program.ready()
        program.send("[[sim fault=run-error]]")
        program.wait(lambda: False, 0.4)
        assert program.out == b""
        assert program.ask("hello").startswith("run error\n")


def test_run_error_with_colour_bytes() -> None:
    with Program() as program:
        program.ready()
        program.send("[[sim fault=mkrun-error]]")
        assert program.wait(lambda: program.out.endswith(b"\033[m\033[Krun error\n"), 20)


def test_an_error_that_prints_nothing() -> None:
    with Program() as program:
        program.ready()
        program.send("[[sim fault=silent-error]]")
        program.wait(lambda: False, 0.4)
        assert program.out == b""
        assert "Hello" in program.answer("hello")


def test_sigterm_is_ignored_only_on_demand() -> None:
    for arguments, survives in ([], False), (["--fault", "ignore-term"], True):
        with Program(*arguments) as program:
            program.ready()
            program.process.terminate()
            if survives:
                assert "Hello" in program.answer("hello")
            else:
                assert program.end() == -signal.SIGTERM


def test_a_flood_on_stderr_then_on_as_if_nothing_was() -> None:
    with Program() as program:
        program.ready()
        program.send("[[sim fault=stderr-flood=5]]")
        assert program.wait(lambda: program.out.endswith(PROMPT), 30)
        assert len(program.err) == 1_000_000  # the helper keeps the last megabyte


def test_endless_output() -> None:
    with Program() as program:
        program.ready()
        program.send("[[sim fault=endless]]")
        assert program.wait(lambda: len(program.out) > 50_000, 20)


@pytest.mark.parametrize("name", ["grandchild", "grandchild-session"])
def test_a_grandchild_holds_the_pipes(name: str) -> None:
    with Program("--fault", f"{name}=30") as program:
        program.ready()
        assert "Hello" in program.answer("hello")
        children = Path(f"/proc/{program.process.pid}/task/{program.process.pid}/children").read_text().split()
        grandchild = int(children[0])
        own_session = os.getsid(grandchild) == grandchild
        try:
            program.process.kill()
            program.process.wait()
            program.wait(lambda: False, 0.3)
            assert "bpu" not in Path(f"/proc/{grandchild}/cmdline").read_text()
            assert str(Path(f"/proc/{grandchild}/fd/1").readlink()).startswith("pipe:")
        finally:
            os.kill(grandchild, signal.SIGKILL)
        assert own_session == (name == "grandchild-session")


def test_banner_that_never_comes_and_stdin_that_is_never_read() -> None:
    with Program("--fault", "no-banner") as program:
        program.wait(lambda: False, 0.5)
        assert PROMPT not in program.out
        assert program.process.poll() is None
    with Program("--fault", "deaf") as program:
        program.ready()
        os.set_blocking(program.stdin.fileno(), False)
        written = 0
        for _ in range(10):
            try:
                written += os.write(program.stdin.fileno(), b"x" * 65536)
            except BlockingIOError:
                break
        assert written < 10 * 65536
        program.wait(lambda: False, 0.3)
        assert program.out == b""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stray", rb"something nobody asked for\n"),
        ("stray-part", rb"something nobody"),
        ("late-tokens", rb" and a few late tokens of the answer before"),
        (
            "stray-log",
            rb"\[W\]\[\d+\]\[\d\d-\d\d\]\[\d\d:\d\d:\d\d:\d{3}\]\[task_queue.cpp:73\]\[xlm_demo\]\[DNN\] .*\n",
        ),
    ],
)
def test_output_while_idle_after_the_turn_that_asked(name: str, words: bytes) -> None:
    import re

    with Program() as program:
        program.ready()
        program.send(f"[[sim fault={name}@idle:0.1]] hello")
        assert program.wait(lambda: re.search(re.escape(PROMPT) + words + rb"\Z", program.out), 20)
        program.out = b""
        program.ask("hello")
        program.wait(lambda: False, 0.3)
        assert program.out == b""


@pytest.mark.parametrize("profile", ["xlm_demo", "node"])
def test_a_reset_that_is_not_the_prompt(profile: str) -> None:
    with Program("--profile", profile, "--fault", "bad-reset") as program:
        program.ready()
        program.send("reset")
        assert program.wait(lambda: program.out == b"cache cleared\n", 20)
    with Program("--profile", profile) as program:
        program.ready()
        program.send("reset")
        assert program.until(PROMPT) == PROMPT


def test_prompt_in_the_midst_of_an_answer() -> None:
    with Program() as program:
        program.ready()
        program.send("[[sim tokens=30 fault=early-prompt after=5]]")
        assert program.wait(lambda: program.out.count(PROMPT) == 2, 20)


def test_once_over_processes(tmp_path: Path) -> None:
    arguments = ("--fault", "exit=3@decode:1", "--fault-once", str(tmp_path / "done"))
    with Program(*arguments) as program:
        program.ready()
        program.send("hello")
        assert program.end() == 3
    with Program(*arguments) as program:
        program.ready()
        assert "Hello" in program.answer("hello")


def test_every_nth_turn() -> None:
    with Program("--fault", "exit=3@prefill", "--fault-every", "3") as program:
        program.ready()
        program.ask("hello")
        program.ask("hello")
        program.send("hello")
        assert program.end() == 3


def test_a_directive_in_an_earlier_turn_of_a_rendered_prompt_is_not_obeyed() -> None:
    with Program() as program:
        program.ready()
        assert "Hello" in program.answer("[[sim fault=exit]]<｜Assistant｜>Yes.<｜end▁of▁sentence｜><｜User｜>hello")


def test_what_is_no_fault_is_refused_with_the_list() -> None:
    with pytest.raises(ValueError, match="there are exit, signal"):
        faults.parse("explode")
    with pytest.raises(ValueError, match="there are start, load"):
        faults.parse("exit@nowhere")
    with Program("--fault", "explode") as program:
        assert program.end() == 1
        assert b"no fault is called 'explode'" in program.err


def test_no_core_file_is_left(tmp_path: Path) -> None:
    with Program("--fault", "signal=SEGV@ready", cwd=tmp_path) as program:
        assert program.end() == -signal.SIGSEGV
    assert list(tmp_path.iterdir()) == []
