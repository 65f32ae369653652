"""The console in C does what it says: profiles, scripts, echoes, the ways of writing, reading ahead, memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.waits import until
from tests.witness.script import burst, do, say, script, think

PROMPT = b"[User] <<< "
MARKER = "[Assistant] >>> "


class Console:
    """A console on pipes; `reads` are what each read gave, as a gateway would get it."""

    def __init__(self, program: Path, *options: str, buffered: bool = False) -> None:
        words = [str(program), "--hbm_path", str(program), *options]
        self.process = subprocess.Popen(
            words if buffered else ["stdbuf", "-o0", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in, self._out = self.process.stdin, self.process.stdout
        os.set_blocking(self._out.fileno(), False)
        self.reads: list[bytes] = []
        self.banner = self.until(PROMPT)

    def write(self, line: str) -> None:
        self._in.write(line.encode() + b"\n")

    def until(self, end: bytes, *, times: int = 1) -> str:
        """All that comes until `end` has come so many times."""
        self.reads = []
        until(lambda: b"".join(self._read()).count(end) >= times, what=f"{end!r}", every=0.001)
        return b"".join(self.reads).decode()

    def _read(self) -> list[bytes]:
        with suppress(BlockingIOError):
            if data := os.read(self._out.fileno(), 65536):
                self.reads.append(data)
        return self.reads

    def ask(self, line: str, *, prompts: int = 1) -> str:
        """The answer to a line, without its end, which is the last of `prompts`."""
        self.write(line)
        return self.until(PROMPT, times=prompts).removesuffix(PROMPT.decode())

    def answer(self, line: str, *, prompts: int = 1) -> str:
        """The same without the echo, the marker and the reasoning."""
        return self.ask(line, prompts=prompts).partition(MARKER)[2].partition("</think>\n\n")[2]

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self._in.close()
        self._out.close()


Start = Callable[..., Console]


@pytest.fixture
def start(compiled: Path, tmp_path: Path) -> Iterator[Start]:
    begun: list[Console] = []

    def begin(*options: str, program: str = "xlm_demo", buffered: bool = False) -> Console:
        copy = tmp_path / program
        if not copy.exists():
            shutil.copy(compiled, copy)
        begun.append(Console(copy, *options, buffered=buffered))
        return begun[-1]

    yield begin
    for console in begun:
        console.close()


def plain(*options: str) -> tuple[str, ...]:
    """A console without echo and statistics, so that its answer is all that it prints."""
    return ("--echo", "no", "--stats", "none", *options)


@pytest.mark.parametrize(
    ("program", "greeting", "statistics"),
    [
        ("xlm_demo", "板端大模型多轮对话交互demo", "\nPerformance prefill: "),
        ("oellm_run", "板端大模型对话交互demo", "\nPerformance prefill: "),
        ("oellm_multichat", "板端大模型多轮对话交互demo", "\nPerformance prefill: "),
        ("hobot_xlm", "板端大模型多轮对话交互demo", "\nPerformance prefill: "),
        ("vlm", "VLM Demo XLM Engine is ready.", "\n\n\033[38;2;0;128;255m===== prefill token num: "),
        ("llm", "", "\n[Performance] prefill TPS: "),
    ],
)
def test_each_program_greets_and_ends_its_answers_in_its_own_way(
    start: Start, program: str, greeting: str, statistics: str
) -> None:
    console = start(program=program)
    assert greeting in console.banner
    said = console.ask(script(say("three plain words")))
    assert ("<｜User｜>" in said) == (program == "xlm_demo")
    assert f"{MARKER}three plain words{statistics}" in said


@pytest.mark.parametrize(
    ("program", "lines_held"),
    [("xlm_demo", 2), ("oellm_run", 1), ("oellm_multichat", 2), ("hobot_xlm", 2), ("vlm", 2), ("llm", 1)],
)
def test_each_program_keeps_the_chat_or_not(start: Start, program: str, lines_held: int) -> None:
    console = start("--stats", "none", program=program)
    console.ask("first")
    assert f"I hold {lines_held} lines." in console.ask("second")


def test_an_option_overrides_what_the_program_does(start: Start) -> None:
    console = start("--banner", "multi", "--history", "keep", program="oellm_run")
    assert "多轮" in console.banner
    console.ask("first")
    assert console.answer("second").startswith("first | second")


@pytest.mark.parametrize("said", ["false", "true"])
def test_the_configuration_file_decides_whether_llm_keeps_the_chat(start: Start, tmp_path: Path, said: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(f'{{"hbm_path": "{tmp_path}/llm", "enable_multi_turn": {said}}}')
    console = start("-c", str(file), *plain(), program="llm")
    console.ask("first")
    assert console.answer("second").rstrip() == ("second" if said == "false" else "first | second")


@pytest.mark.parametrize("size", [0, 1, 3, 7])
def test_a_script_is_said_byte_for_byte(start: Start, size: int) -> None:
    text = "plain {{words}} 100% 你好👋\n[User] <<< \n[Assistant] >>> |and: more}}"
    line = script(think("ok"), do("size", size), say(text))
    assert start(*plain()).answer(line, prompts=1 + (line + text).count("[User] <<< ")) == text + "\n"


def test_only_the_last_script_of_a_line_counts(start: Start) -> None:
    line = f"<|im_start|>{script(say('earlier'))}<|im_end|> and {script(think('ok'), say('later'))}<|im_end|>"
    assert start(*plain()).answer(line) == "later\n"


def test_a_token_is_a_write_and_a_burst_is_one(start: Start) -> None:
    console = start(*plain("--rate", "50"))
    console.ask(script(do("size", 4), say("aaaabbbbcccc"), burst("dddddddddddd")))
    for token in (b"aaaa", b"bbbb", b"cccc", b"dddddddddddd"):
        assert token in console.reads


def test_tokens_of_one_step_come_together(start: Start) -> None:
    console = start(*plain("--rate", "20", "--step", "5"))
    console.ask(script(do("size", 1), say("abcdefghij")))
    assert len(console.reads) <= 8


def moments(trace: Path, *names: str) -> list[float]:
    lines = [line.split(" ", 2) for line in trace.read_text().splitlines()]
    return [float(at) for at, name, *_ in lines if name in names]


@pytest.mark.parametrize("kind", ["burn", "sleep"])
def test_steps_without_bytes_cost_the_processor_what_they_are_told_to(start: Start, kind: str) -> None:
    console = start(*plain("--rate", "20", "--silent", kind))
    program = psutil.Process(console.process.pid)
    before = program.cpu_times().user
    console.ask(script(do("silent", 10)))
    used = program.cpu_times().user - before
    assert (used > 0.03) == (kind == "burn")  # of the half second that a quiet machine gives


def test_an_end_is_printed_as_a_chain_writes_it(start: Start, tmp_path: Path) -> None:
    """Counted by the system calls, because reads may join what was written in one go."""

    def writes(kind: str) -> int:
        console = start("--echo", "no", "--end", kind)
        before = psutil.Process(console.process.pid).io_counters().write_count
        console.ask(script(burst("word")))
        return int(psutil.Process(console.process.pid).io_counters().write_count - before)

    assert writes("whole") == 4
    assert writes("chain") >= 6


def test_a_console_that_buffers_gives_blocks_and_its_prompt(start: Start) -> None:
    console = start(*plain("--buffer", "4096"))
    console.ask(script(do("fill", 20), burst("y" * 20), do("rate", 10), say("rest")))
    assert console.reads[0].endswith(b"x" + b"y" * 20)
    assert len(console.reads[0]) == 4096


@pytest.mark.parametrize(
    ("quirk", "line", "echoed"),
    [
        ("none", " two ", " two "),
        ("trim", " \ttwo \t", "two"),
        ("nfc", "cafe\u0301s", "caf\u00e9s"),
        ("cut", "a" * 10300, "a" * 10238),
        ("escapes", "one\\ntwo", "one\ntwo"),
        ("blank", "one", "one "),
    ],
)
def test_an_echo_can_change_the_line(start: Start, quirk: str, line: str, echoed: str) -> None:
    said = start("--echo", "line", "--quirk", quirk).ask(line)
    assert said.startswith(f"{echoed}\n{MARKER}")


@pytest.mark.parametrize("ahead", ["yes", "no"])
def test_the_next_line_is_read_while_an_answer_is_given_or_not(start: Start, tmp_path: Path, ahead: str) -> None:
    trace = tmp_path / "trace"
    console = start("--ahead", ahead, "--rate", "20", "--trace", str(trace))
    console.write(script(do("size", 1), say("abcdef")))
    console.write("next")
    console.until(PROMPT, times=2)
    [_, read], [ended, _] = moments(trace, "read"), moments(trace, "end")
    assert (read < ended) == (ahead == "yes")


def test_reset_is_answered_within_an_answer_where_lines_are_read_ahead(start: Start) -> None:
    console = start(*plain("--rate", "20"), program="oellm_run")
    console.write(script(do("size", 1), say("abcdef")))
    console.until(b"a")
    console.write("reset")
    said = console.until(PROMPT, times=2)
    assert PROMPT.decode() in said.partition("f")[0]
    assert said.endswith(f"f\n{PROMPT.decode()}")


@pytest.mark.parametrize(
    ("kind", "answer"), [("works", "two"), ("broken", "one | two"), ("question", "one | reset | two")]
)
def test_reset_works_or_does_not(start: Start, kind: str, answer: str) -> None:
    console = start(*plain("--reset", kind))
    console.ask("one")
    console.ask("reset")
    assert console.answer("two") == answer + "\n"


def test_a_line_longer_than_the_buffer_of_oellm_run_is_two_questions(start: Start) -> None:
    console = start(*plain(), program="oellm_run")
    console.write("a" * 10239 + "bcd")
    said = console.until(PROMPT, times=2)
    assert f"\n\n{'a' * 10239}\n" in said
    assert said.endswith(f"\n\nbcd\n{PROMPT.decode()}")


def test_it_stops_itself_until_it_is_let_go_on(start: Start) -> None:
    console = start(*plain())
    console.write(script(say("one"), do("stop"), say(" two")))
    program = psutil.Process(console.process.pid)
    until(lambda: program.status() == psutil.STATUS_STOPPED, what="the console has stopped itself")
    program.send_signal(signal.SIGCONT)
    assert console.until(PROMPT).startswith(f"{MARKER}one two")


def test_a_step_late_is_not_made_up_for(start: Start, tmp_path: Path) -> None:
    """A stopped console goes on at its pace: no model speaks faster because it was held."""
    trace = tmp_path / "trace"
    console = start(*plain("--rate", "10", "--trace", str(trace)))
    console.write(script(do("size", 1), say("a"), do("stop"), say("bcde")))
    program = psutil.Process(console.process.pid)
    until(lambda: program.status() == psutil.STATUS_STOPPED, what="the console has stopped itself")
    began = time.monotonic()
    until(lambda: time.monotonic() > began + 0.4)
    program.send_signal(signal.SIGCONT)
    console.until(PROMPT)
    [stopped], [ended] = moments(trace, "stop"), moments(trace, "end")
    assert ended - stopped >= 0.7


# Memory

TOLD = ("The secret word is K7Q2ZD. Answer only OK.", "A second secret word: HARBOUR9")


def told(console: Console) -> Console:
    for line in TOLD:
        assert console.answer(line).startswith("OK")
    return console


def test_secret_words_are_recalled_as_long_as_they_are_held(start: Start) -> None:
    console = told(start(*plain()))
    assert console.answer("Which secret word were you told?") == "K7Q2ZD, HARBOUR9\n"
    console.ask("reset")
    assert console.answer("Which secret word were you told?") == "I know of none.\n"


def test_a_secret_word_is_recalled_by_chance(start: Start) -> None:
    console = told(start(*plain("--recall", "0.5", "--seed", "7")))
    recalled = ["K7Q2ZD" in console.answer("The secret word?") for _ in range(60)]
    assert 10 < sum(recalled) < 50


@pytest.mark.parametrize("examinee", ["refuses", "ignores", "rambles"])
def test_a_model_can_be_of_no_use_in_an_examination(start: Start, examinee: str) -> None:
    console = start(*plain("--examinee", examinee))
    for line in (*TOLD, "Which secret word were you told?"):
        assert "K7Q2ZD" not in console.answer(line)


def test_a_model_reasons_before_it_recalls(start: Start) -> None:
    console = told(start(*plain("--think", "150")))
    said = console.ask("Which secret word were you told?")
    reasoning, _, answer = said.partition("</think>")
    assert len(reasoning.split()) >= 150
    assert "K7Q2ZD" in answer
