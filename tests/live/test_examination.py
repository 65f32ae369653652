"""A gateway whose user set nothing: one examination in a console's life, then trust from the first question on."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.chats import Chat, ConsoleInput, cached_tokens
from tests.live.gateway import Gateway, running

UNSET = {"BPU_RESET": "auto", "BPU_CONTINUE": "auto"}


@pytest.fixture
def read(tmp_path: Path) -> ConsoleInput:
    return ConsoleInput(tmp_path / "lines")


@contextmanager
def started(
    folder: Path, read: ConsoleInput, *, name: str, data: Path, more: str = "", **env: str
) -> Iterator[Gateway]:
    """A gateway with a fresh state folder, as after a boot, and this data folder."""
    (folder / name).mkdir()
    options = {**UNSET, "BPU_DATA_DIR": str(data), "BPU_CONSOLE_ARGS": f"{read.options} --prefill-rate 20000 {more}"}
    with running(folder / name, env={**options, **env}) as gateway:
        yield gateway


def examinations(read: ConsoleInput) -> int:
    return sum("first secret word" in line for _, line in read.lines())


def asked(gateway: Gateway, text: str) -> None:
    assert Chat(gateway).say(text)["choices"][0]["finish_reason"] == "stop"


def test_forty_questions_straight_after_a_start_cost_one_load(tmp_path: Path, read: ConsoleInput) -> None:
    with started(tmp_path, read, name="state", data=tmp_path / "data") as gateway:
        for number in range(40):
            asked(gateway, f"What is {number} plus 1?")
        engine = gateway.engine()
        assert engine["trust_source"] == "examination"
        assert (engine["loads"], engine["restarts"]) == (1, {})
        assert examinations(read) == 1


def test_a_chat_of_twelve_turns_reuses_the_cache_from_the_second_on(tmp_path: Path, read: ConsoleInput) -> None:
    with started(tmp_path, read, name="state", data=tmp_path / "data") as gateway:
        chat = Chat(gateway)
        answers = [chat.say(f"Tell me about the number {number}.") for number in range(10, 22)]
        held = [cached_tokens(answer) for answer in answers]
        assert held[0] == 0, "what the examination has told is not in the chat's cache"
        assert all(tokens > 0 for tokens in held[1:])
        assert held == sorted(set(held))
        assert gateway.loads() == (1, {})


def test_a_console_is_examined_once_in_its_life(tmp_path: Path, read: ConsoleInput) -> None:
    data = tmp_path / "data"
    template = tmp_path / "template.jinja"
    model = Path(__file__).parents[2] / "bpu" / "simulator" / "model"
    shutil.copy(model / "DeepSeek_R1_Distill_Qwen_1.5B.jinja", template)
    hbm = tmp_path / "model_4096.hbm"
    hbm.write_bytes(b"a model")
    env = {"BPU_TEMPLATE_PATH": str(template), "BPU_HBM_PATH": str(hbm)}

    def boot(name: str, **options: Any) -> int:
        with started(tmp_path, read, name=name, data=data, **{**env, **options}) as gateway:
            asked(gateway, "Hello?")
        return examinations(read)

    assert boot("first") == 1
    assert boot("another boot, another state folder") == 1
    hbm.write_bytes(b"another model")
    assert boot("another model") == 2
    assert boot("and again") == 2
    template.write_text(template.read_text() + "\n")
    assert boot("another template") == 3
    assert boot("another argument", more="--decode-rate 90000") == 4


def test_while_it_is_examined_the_gateway_is_up_not_ready_and_says_how_far_it_is(
    tmp_path: Path, read: ConsoleInput
) -> None:
    """systemd hears READY=1 before, `/health` is 200, and a client that waits gets signs of life."""
    notify = tmp_path / "notify"
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(notify))
    heard.settimeout(20)
    (tmp_path / "state").mkdir()
    env = {
        **UNSET,
        "BPU_DATA_DIR": str(tmp_path / "data"),
        "BPU_CONSOLE_ARGS": "--load-seconds 0 --decode-rate 40 --prefill-rate 2000",
        "BPU_KEEPALIVE_S": "0.2",
        "NOTIFY_SOCKET": str(notify),
    }
    with heard, running(tmp_path / "state", ready="checking", env=env) as gateway:
        assert "READY=1" in heard.recv(4096).decode()
        assert gateway.request("GET", "/health")[0] == 200
        status, headers, _ = gateway.request("GET", "/ready")
        assert status == 503
        assert 1 <= int(headers["Retry-After"]) <= 60
        stream = gateway.stream("Hello?")
        shown = gateway.engine()["examination"]
        assert (shown["of"], shown["answers"] in range(5)) == (4, True)
        lines = [line.decode().strip() for line in iter(stream.raw_line, b"data: [DONE]\n")]
        stream.close()
        told = [line for line in lines if line.startswith(": keep-alive, checking the console, ")]
        assert any(re.fullmatch(r": keep-alive, .*, [0-3] of 4 answers, \d+ s", line) for line in told), told
        assert gateway.engine()["trust_source"] == "examination"
        assert "of 4 answers, about" in gateway.log
