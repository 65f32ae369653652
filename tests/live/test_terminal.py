"""The command line beside a running gateway: one model in memory, one queue, and Ctrl-C on a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpu.board import tools
from tests.live.gateway import FAST, ROOT, Gateway, environment, running, sim
from tests.support.waits import until

SLOW = sim("tell me a story", rate=20, tokens=400)


def bpu(gateway: Gateway, *words: str) -> tools.Result:
    """`python -m bpu` with the settings of `gateway`."""
    settings = environment(gateway.port, gateway.state_dir, 1, {"BPU_BIND": f"127.0.0.1:{gateway.port}"})
    return tools.run([sys.executable, "-m", "bpu", *words], timeout=60, cwd=ROOT, env=settings)


def test_a_chat_joins_the_gateway_s_keeper(gateway: Gateway) -> None:
    before = gateway.engine()["loads"]
    result = bpu(gateway, "chat", "hello there")
    assert result.ok, result.err
    assert "simulator" in result.out
    assert "The user" not in result.out, "thinking is no part of a pipe"
    assert gateway.engine()["loads"] == before
    assert len(gateway.keepers()) == 1
    assert len(gateway.consoles()) == 1


def test_a_chat_with_another_environment_shares_the_model_too(gateway: Gateway) -> None:
    settings = environment(gateway.port, gateway.state_dir, 1, {"TZ": "Asia/Shanghai", "BPU_QUEUE_LIMIT": "3"})
    result = tools.run([sys.executable, "-m", "bpu", "chat", "hello"], timeout=60, cwd=ROOT, env=settings)
    assert result.ok, result.err


def test_a_chat_through_the_gateway_s_api(gateway: Gateway) -> None:
    result = bpu(gateway, "chat", "--url", f"127.0.0.1:{gateway.port}/v1", "hello there")
    assert result.ok, result.err
    assert "simulator" in result.out
    assert "tokens/s" in result.err


def test_an_error_of_the_gateway_is_a_sentence_and_an_exit_code(gateway: Gateway) -> None:
    result = bpu(gateway, "chat", "--url", gateway.url, "--model", "nobody", "hello")
    assert result.code == 3
    assert "does not exist" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("way", ["keeper", "api"])
def test_unload_and_load_do_what_they_say(gateway: Gateway, way: str) -> None:
    where = [] if way == "keeper" else ["--url", gateway.url]
    gone = bpu(gateway, "unload", *where)
    assert gone.ok, gone.err
    until(lambda: gateway.state() == "stopped", what="the gateway says so, too")
    assert gateway.consoles() == []
    back = bpu(gateway, "load", *where)
    assert back.ok, back.err
    assert "is loaded" in back.out
    until(lambda: gateway.state() == "ready", what="the gateway says so, too")
    assert len(gateway.consoles()) == 1


def test_a_load_that_fails_says_why(tmp_path: Path) -> None:
    with running(
        tmp_path, ready="stopped", env={"BPU_PRELOAD": "0", "BPU_CONSOLE_ARGS": f"{FAST} --fault no-memory"}
    ) as gateway:
        result = bpu(gateway, "load")
    assert result.code == 3
    assert "memory" in result.err


def test_without_a_gateway_load_and_unload_say_what_to_do(tmp_path: Path) -> None:
    for word in ("load", "unload"):
        settings = {"BPU_STATE_DIR": str(tmp_path), "BPU_ENGINE": "simulator"}
        result = tools.run([sys.executable, "-m", "bpu", word], timeout=60, cwd=ROOT, env=settings)
        assert result.code == 3
        assert "--url" in result.err


class Terminal:
    """A program on a terminal of its own; `said` is all it has written."""

    def __init__(self, words: list[str], env: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            words, cwd=ROOT, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=_own_terminal,
        )  # fmt: skip
        os.close(slave)
        self.said = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def read_until(self, pattern: str, *, after: int = 0, seconds: float = 20) -> int:
        """Wait until `pattern` is said beyond the position `after`; the position behind it."""
        deadline = time.monotonic() + seconds
        while True:
            if found := re.search(pattern, self.said[after:]):
                return after + found.end()
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} was not said: {self.said!r}"
            if select.select([self._master], [], [], left)[0]:
                try:
                    self.said += os.read(self._master, 4096).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"{pattern!r} was not said before the end: {self.said!r}") from None

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._master)


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Tests that run in the background of a shell inherit an ignored Ctrl-C; nobody's terminal begins like that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(params=["keeper", "api"])
def chat(request: pytest.FixtureRequest, gateway: Gateway) -> Iterator[Terminal]:
    where = [] if request.param == "keeper" else ["--url", gateway.url]
    env = {**environment(gateway.port, gateway.state_dir, 1, {}), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    terminal = Terminal([sys.executable, "-m", "bpu", "chat", *where], env)
    try:
        yield terminal
    finally:
        terminal.close()


def test_ctrl_c_stops_the_answer_and_not_the_program(chat: Terminal, gateway: Gateway) -> None:
    at = chat.read_until(r">>> ")
    chat.type(f"{SLOW}\n")
    at = chat.read_until(r"\x1b\[2m\w+", after=at)
    gateway.wait_for("busy")
    chat.type("\x03")
    at = chat.read_until(r"\(stopped\)", after=at)
    at = chat.read_until(r">>> ", after=at)
    until(lambda: gateway.state() == "ready", what="the BPU is free although the chat sits at its prompt")
    chat.type("\x03")
    at = chat.read_until(r"/exit leaves", after=at)
    at = chat.read_until(r">>> ", after=at)
    chat.type("what is 2+2?\n")
    at = chat.read_until(r"2 \+ 2 = ", after=at)
    at = chat.read_until(r"tokens/s\)", after=at)
    chat.type("/new\n")
    at = chat.read_until(r"a new conversation", after=at)
    at = chat.read_until(r">>> ", after=at)
    chat.type("\x04")
    assert chat.process.wait(20) == 0


def test_a_chat_at_its_prompt_outlives_the_keeper(chat: Terminal, gateway: Gateway) -> None:
    at = chat.read_until(r">>> ")
    chat.type("hello there\n")
    at = chat.read_until(r"tokens/s\)", after=at)
    at = chat.read_until(r">>> ", after=at)
    (keeper,) = gateway.keepers()
    keeper.kill()
    until(lambda: gateway.state() == "ready" and gateway.engine()["keeper_pid"] != keeper.pid, what="a new keeper")
    chat.type("what is 2+2?\n")
    at = chat.read_until(r"2 \+ 2 = ", after=at)
    chat.read_until(r"tokens/s\)", after=at)
    assert len(gateway.consoles()) == 1


def test_ctrl_c_is_heard_before_the_first_word_and_in_the_queue(chat: Terminal, gateway: Gateway) -> None:
    at = chat.read_until(r">>> ")
    chat.type(f"{sim('slow', prefill=60)}\n")
    at = chat.read_until(r"Reading the question", after=at)
    until(lambda: gateway.state() == "busy", what="the job runs")
    chat.type("\x03")
    at = chat.read_until(r"\(stopped\)[^>]*>>> ", after=at)
    until(lambda: gateway.state() == "ready", what="the BPU is free")
    other = gateway.stream(SLOW).until_text()
    chat.type("and now?\n")
    until(lambda: gateway.slots()["waiting"], what="the question waits")
    at = chat.read_until(r"1 before this one|Reading the question", after=at)
    chat.type("\x03")
    chat.read_until(r"\(stopped\)[^>]*>>> ", after=at)
    until(lambda: not gateway.slots()["waiting"], what="its place is given up")
    assert gateway.slots()["slots"][0]["job"]["id"] == other.id
    other.close()
