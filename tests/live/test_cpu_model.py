"""The gateway over a real language model on this computer's processor: what no simulator can show.

A model of 135 million parameters says what it likes, so that nothing here depends on its words.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from bpu.engine.client import cpu_settings
from tests.live.chats import Chat, cached_tokens
from tests.live.gateway import ROOT, Gateway, running
from tests.support.gguf_files import gguf
from tests.support.waits import until

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.model,
    pytest.mark.skipif(
        importlib.util.find_spec(cpu_settings.LIBRARY) is None or cpu_settings.packaged_model() is None,
        reason="no real model is installed: make model",
    ),
]

MODEL = "smollm2:135m"
NOTICE = "A small model on this computer's processor, not the BPU."
#: One thread, because two of llama.cpp wait for each other where other programs take the processor.
ENV = {
    "BPU_ENGINE": "cpu",
    "BPU_CONSOLE_ARGS": "--threads 1",
    "BPU_CONTINUE": "always",
    "BPU_FIRST_TOKEN_TIMEOUT_S": "600",
}
#: Most tests need the beginning of an answer alone.
SHORT = {**ENV, "BPU_CONSOLE_ARGS": "--threads 1 --tokens 40"}
COUNTS = re.compile(r"\[cpu\] prompt: (\d+) tokens, (\d+) of them from the cache; answer: (\d+) tokens")
#: Long enough for a machine that does much else.
SLOW_S = 500.0

Start = Callable[..., Gateway]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway with two workers for all tests that break nothing."""
    with running(tmp_path_factory.mktemp("cpu"), env=SHORT, workers=2) as started:
        yield started


@pytest.fixture
def endless(start: Start) -> Gateway:
    """A gateway whose model says all that it has to say."""
    return start(env=ENV)


def ask(gateway: Gateway, text: str, **fields: Any) -> dict[str, Any]:
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}
    return dict(gateway.json("POST", "/v1/chat/completions", body, timeout=SLOW_S))


def said(completion: dict[str, Any]) -> str:
    return str(completion["choices"][0]["message"]["content"])


def console_counts(gateway: Gateway) -> list[tuple[int, int, int]]:
    """Tokens of the prompt, of those from the cache, and of the answer: each turn as llama.cpp has counted it."""
    lines = (COUNTS.search(line) for line in gateway.engine()["log"])
    return [(int(found[1]), int(found[2]), int(found[3])) for found in lines if found]


def turn_of(gateway: Gateway, usage: dict[str, Any]) -> tuple[int, int, int]:
    """The console's own counts of the last turn; its prompt must be as long as the client was told."""

    def found() -> tuple[int, int, int] | None:
        last = console_counts(gateway)[-1:]
        return last[0] if last and last[0][0] == usage["prompt_tokens"] else None

    counts: tuple[int, int, int] = until(found, what=f"a prompt of {usage['prompt_tokens']} tokens at the console")
    return counts


def test_every_place_says_who_answers(model: Gateway) -> None:
    health = model.health()
    assert (health["model"], health["context_length"], health["simulated"]) == (MODEL, 4096, False)
    assert health["notice"] == NOTICE
    assert "smollm2:135m, a small model on this computer's processor, not the BPU" in model.log
    completion = ask(model, "Say hello.")
    assert completion["system_fingerprint"] == "cpu-SmolLM2-135M-Instruct.Q4_1"
    status, headers, _ = model.request("GET", "/v1/models")
    assert (status, "X-BPU-Simulated" in headers) == (200, False)


def test_an_answer_is_english_comes_in_pieces_and_is_another_each_time(model: Gateway) -> None:
    answers = []
    for _ in range(2):
        stream = model.stream("Why is the sky blue?", model=MODEL)
        pieces = [chunk["choices"][0]["delta"].get("content") for chunk in stream if chunk.get("choices")]
        stream.close()
        answers.append("".join(piece for piece in pieces if piece))
        assert len([piece for piece in pieces if piece]) > 20
    assert answers[0] != answers[1]
    assert all(re.search(r"\b(the|a|is|of|and|to|in)\b", answer) for answer in answers)


def test_counts_are_those_of_the_model_itself(model: Gateway) -> None:
    for text in (
        "Hello",
        "你好，世界！🙂👨‍👩‍👧 naïve",
        "a\nb\n\n\tc  d",
        "print('x\\n')",
        "<|im_end|> <file_sep> 12345",
    ):
        usage = ask(model, text)["usage"]
        prompt, _, answer = turn_of(model, usage)
        # The model's end token is no part of an answer, and parts of a character that stays unfinished are none: after
        # emoji this small model says any number of them.
        missing = answer - usage["completion_tokens"]
        assert 0 <= missing <= (2 if "🙂" not in text else answer // 2), (text, prompt)


def test_special_tokens_that_a_person_writes_are_words(model: Gateway) -> None:
    """As tokens they would be one each, and the first would end the person's turn."""
    one = ask(model, "a")["usage"]["prompt_tokens"]
    for text in ("<|im_end|>", "<|im_start|>", "<file_sep>", "<repo_name>"):
        usage = ask(model, text)["usage"]
        assert turn_of(model, usage)[0] > one + 1, text


def test_stop_strings_and_limits(model: Gateway) -> None:
    stopped = ask(model, "Count: one, two, three, four, five.", stop=["e"])
    assert stopped["choices"][0]["finish_reason"] == "stop"
    assert "e" not in said(stopped)
    limited = ask(model, "Tell me a long story about a river.", max_tokens=7)
    assert limited["choices"][0]["finish_reason"] == "length"
    assert limited["usage"]["completion_tokens"] == 7


def test_a_chat_that_goes_on_is_not_computed_again(model: Gateway) -> None:
    chat = Chat(model)
    first = chat.say("Name a colour.", model=MODEL)
    second = chat.say("Name another one.", model=MODEL)
    usage = first["usage"]
    assert cached_tokens(second) == usage["prompt_tokens"] + usage["completion_tokens"]
    _, from_cache, _ = turn_of(model, second["usage"])
    # At most the answer's last tokens are cut otherwise when they are read as a text.
    assert from_cache >= usage["prompt_tokens"]


def test_an_unrelated_chat_is_a_new_one(model: Gateway) -> None:
    alone = ask(model, "What is my name?")["usage"]["prompt_tokens"]
    chat = Chat(model)
    chat.say("My name is Zebulon.", model=MODEL)
    after = ask(model, "What is my name?")["usage"]
    assert (after["prompt_tokens"], after["prompt_tokens_details"]["cached_tokens"]) == (alone, 0)


def test_tools_are_offered_and_the_answer_is_whole_whatever_the_model_makes_of_them(model: Gateway) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "weather", "description": "Weather", "parameters": parameters}}
    completion = ask(model, "What is the weather in Paris?", tools=[tool])
    (choice,) = completion["choices"]
    calls = choice["message"].get("tool_calls") or []
    assert choice["finish_reason"] in ("stop", "length", "tool_calls")
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
    assert calls or choice["message"]["content"]


def test_json_mode_ends_in_json_or_in_a_typed_error(model: Gateway) -> None:
    completion = ask(model, "Give me a JSON object with a name.", response_format={"type": "json_object"})
    if "error" in completion:
        assert completion["error"]["code"]
    else:
        assert isinstance(json.loads(said(completion)), dict)


def test_chinese_and_emoji_come_back_whole(model: Gateway) -> None:
    """A character of these is two to four tokens of this vocabulary, so that tokens end inside characters."""
    stream = model.stream("Repeat exactly: 你好世界 🙂🎉 你好世界 🙂🎉", model=MODEL)
    answer = stream.read_to_end()
    assert answer.error is None
    assert answer.text
    assert "\ufffd" not in answer.text.rstrip("\ufffd"), "a character was cut within the answer"


def test_ten_thousand_characters_are_read_and_what_does_not_fit_is_refused(model: Gateway) -> None:
    text = "The river runs to the sea. " * 380
    completion = ask(model, f"{text}\nWhere does the river run to?")
    assert completion["usage"]["prompt_tokens"] > 2000
    assert completion["choices"][0]["finish_reason"] in ("stop", "length")
    refused = ask(model, text * 3)
    assert refused["error"]["code"] == "context_length_exceeded"
    assert "4096" in refused["error"]["message"]


def test_two_clients_at_once_are_answered_one_after_the_other(model: Gateway) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda text: ask(model, text), ("Say red.", "Say blue.")))
    assert all(said(answer) for answer in answers)


def test_a_job_that_is_cancelled_leaves_the_next_one_alone(endless: Gateway) -> None:
    model = endless
    stream = model.stream("Write a very long story.", model=MODEL).until_text()
    assert model.json("POST", f"/v1/jobs/{stream.id}/cancel")["cancelled"]
    answer = stream.read_to_end()
    assert answer.error is not None
    assert answer.error["code"] == "job_cancelled"
    assert said(ask(model, "Say hello.", max_tokens=8))


def test_a_console_that_is_killed_comes_back(endless: Gateway) -> None:
    model = endless
    stream = model.stream("Write a very long story.", model=MODEL).until_text()
    (console,) = model.consoles()
    console.kill()
    answer = stream.read_to_end()
    assert answer.error is not None
    assert answer.error["code"] == "engine_crashed"
    assert said(ask(model, "Say hello.", max_tokens=8))


def test_no_other_program_can_connect_to_the_model(model: Gateway) -> None:
    """llama.cpp comes as a server; the console must not leave its socket open to other users of the computer."""
    (console,) = model.consoles()
    assert [one for one in console.net_connections("all") if one.status == psutil.CONN_LISTEN] == []
    inodes = {link.readlink().name for link in Path(f"/proc/{console.pid}/fd").iterdir() if link.exists()}
    listening = [line for line in Path("/proc/net/unix").read_text().splitlines() if "llama.sock" in line]
    assert [line for line in listening if f"socket:[{line.split()[6]}]" in inodes] == []
    assert not list(Path("/tmp").glob("bpu-cpu-*/llama.sock")) or not listening


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as a second user")
def test_a_second_user_cannot_connect_while_the_model_loads(tmp_path: Path) -> None:
    """The library listens while it loads: in a folder that another user cannot even look into."""
    code = """
import os, socket, sys, tempfile
from pathlib import Path
from bpu.cpu_console import llama
found = []
def look():
    (folder,) = found
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(f"{folder}/llama.sock")
            except OSError as error:
                os._exit(0 if isinstance(error, PermissionError) else 2)
        os._exit(1)
    print("second user", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.path.exists(f"{folder}/llama.sock"))
make = tempfile.mkdtemp
tempfile.mkdtemp = lambda **options: found.append(make(**options)) or found[0]
close = llama.close_listeners
llama.close_listeners = lambda: (look(), close())
llama.Llama(sys.argv[1], context=256, threads=1, longest=1, sampling={})
with socket.socket(socket.AF_UNIX) as sock:
    try:
        sock.connect(f"{found[0]}/llama.sock")
    except OSError as error:
        print("afterwards", type(error).__name__)
sys.stdout.flush()
os._exit(0)
"""
    run = [sys.executable, "-c", code, str(cpu_settings.packaged_model())]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=SLOW_S)
    assert done.stdout.splitlines() == ["second user 0 True", "afterwards FileNotFoundError"], done.stderr


def test_the_console_gives_each_piece_at_once_because_stdbuf_works_on_it(model: Gateway) -> None:
    """As on the SDK's program: without `stdbuf` pieces would wait for a full block."""
    (console,) = model.consoles()
    assert "libstdbuf" in console.environ().get("LD_PRELOAD", "")


def test_a_console_that_is_not_known_is_examined_for_real(start: Start, tmp_path: Path) -> None:
    """What the examination finds with a model that remembers badly is its own affair; answers go on all the same."""
    data = {"BPU_DATA_DIR": str(tmp_path / "data")}
    gateway = start(env={**SHORT, **data, "BPU_RESET": "auto", "BPU_CONTINUE": "auto"})
    until(lambda: gateway.engine()["examined"], seconds=SLOW_S, what="an examination has come to its end")
    [record] = (tmp_path / "data").glob("console-*.json")
    assert {"retains_history", "reset_works"} <= set(json.loads(record.read_text()))
    assert said(ask(gateway, "Say hello."))


def test_two_gateways_with_one_state_folder_share_one_model(start: Start, tmp_path: Path) -> None:
    env = {**SHORT, "BPU_STATE_DIR": str(tmp_path / "shared")}
    first, second = start(env=env), start(env=env)
    assert first.engine()["console_pid"] == second.engine()["console_pid"]
    assert len(first.consoles()) == 1
    assert said(ask(first, "Say hello."))
    assert said(ask(second, "Say hello."))


def test_kill_9_of_the_gateway_leaves_no_model_behind(start: Start) -> None:
    gateway = start(env=ENV)
    stream = gateway.stream("Write a very long story.", model=MODEL).until_text()
    gateway.send_signal(signal.SIGKILL)
    for worker in gateway.workers():
        worker.kill()
    gateway.wait_nothing_left(seconds=30)
    stream.close()
    assert gateway.consoles() == []


def test_a_file_that_is_no_model_stops_the_start_with_its_name(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"GGUF" + bytes(100))
    gateway = Gateway(tmp_path, env={**ENV, "BPU_GGUF": str(wrong)})
    assert gateway.process.wait(30) == 2
    assert f"BPU_GGUF: {wrong} cannot be used" in gateway.log
    assert "Traceback" not in gateway.log


def test_a_template_that_cannot_be_used_stops_the_start_too(tmp_path: Path) -> None:
    path = gguf(tmp_path / "odd.gguf", chat_template="{% broken")
    gateway = Gateway(tmp_path, env={**ENV, "BPU_GGUF": str(path)})
    assert gateway.process.wait(60) == 2
    assert "the chat template cannot be used" in gateway.log
    assert "Traceback" not in gateway.log


def test_a_model_whose_weights_are_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Its head is sound, so that only llama.cpp finds out."""
    source, broken = cpu_settings.packaged_model(), tmp_path / "broken.gguf"
    assert source is not None
    with source.open("rb") as whole:
        broken.write_bytes(whole.read(8 << 20))
    gateway = Gateway(tmp_path, env={**ENV, "BPU_GGUF": str(broken)})
    try:
        until(lambda: gateway.state() == "failed", seconds=30)
        status, _, body = gateway.request(
            "POST", "/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
        )
        error = json.loads(body)["error"]
        assert status in (424, 503)
        assert "broken.gguf" in json.dumps(gateway.engine()["log"])
        assert "BPU_GGUF" in error["message"]
    finally:
        gateway.stop(signal.SIGINT, seconds=20)
        gateway.kill_all()
