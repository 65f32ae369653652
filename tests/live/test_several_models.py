"""Three models of two profiles on four sharing workers: each request is served by its model, one model at a time."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import openai
import psutil
import pytest

from tests.live.chats import Chat, ConsoleInput, cached_tokens
from tests.live.gateway import ROOT, Gateway, sim
from tests.live.several import (
    CPM,
    MODELS,
    QWEN,
    R1,
    environment,
    loaded_model,
    process_count,
    read_order,
    status,
    table,
)
from tests.live.stream import Stream
from tests.support.waits import until

pytestmark = pytest.mark.long  # minutes of processor time

Start = Callable[..., Gateway]
#: Switches and cancels of the mixed run; a longer one is run by hand with the variable set.
MIXED = int(os.environ.get("TEST_SWITCHES", "40"))


@contextmanager
def one_console(gateway: Gateway) -> Iterator[None]:
    """Watch that the gateway never has two consoles."""
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.is_set():
            most[0] = max(most[0], len([one for one in gateway.consoles() if is_alive(one)]))
            over.wait(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert most[0] == 1, f"{most[0]} consoles at a time"


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def text_of(completion: dict) -> str:  # type: ignore[type-arg]
    assert "choices" in completion, completion
    message = completion["choices"][0]["message"]
    return (message.get("reasoning_content") or "") + (message["content"] or "")


def nonces(text: str) -> set[str]:
    return set(re.findall(r"N\d+E", text))


def test_a_request_is_served_by_the_model_that_it_names(start: Start, tmp_path: Path) -> None:
    table(tmp_path)
    gateway = start(env=environment(tmp_path))
    for model in (QWEN, CPM, "qwen", R1):
        answer = gateway.ask(sim(nonce="N1E", tokens=20), model=model)
        assert answer["model"] == model
        assert nonces(text_of(answer)) == {"N1E"}
        assert loaded_model(gateway) == {"qwen": QWEN}.get(model, model)
    assert process_count(tmp_path) == 4
    assert gateway.engine()["loads"] == 5, "the default one was loaded first"


def test_the_list_has_all_models_with_status_context_and_capabilities(start: Start, tmp_path: Path) -> None:
    table(tmp_path, entries={QWEN: "context = 2048\n"})
    gateway = start(env=environment(tmp_path))
    data = {one["id"]: one for one in gateway.json("GET", "/v1/models")["data"]}
    assert set(data) == {name for model in MODELS for name in (model, f"{model}-think")}
    assert {model: data[model]["status"]["value"] for model in MODELS} == {
        R1: "loaded",
        QWEN: "unloaded",
        CPM: "unloaded",
    }
    assert (data[QWEN]["context_length"], data[QWEN]["meta"]["n_ctx"]) == (2048, 2048)
    assert data[QWEN]["aliases"] == ["qwen"]
    assert "completion" in data[QWEN]["capabilities"]
    assert data[QWEN]["architecture"]["input_modalities"] == ["text"]
    assert gateway.json("GET", "/v1/models/qwen")["context_length"] == 2048
    assert gateway.request("GET", "/v1/models/none")[0] == 404


def test_the_official_package_lists_and_asks_each_of_them(start: Start, tmp_path: Path) -> None:
    table(tmp_path)
    gateway = start(env=environment(tmp_path))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any")
    with client:
        assert {one.id for one in client.models.list()} >= set(MODELS)
        for model in MODELS:
            question = sim(nonce="N5E", tokens=20)
            answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}])
            assert "N5E" in str(answer.choices[0].message)


def test_jobs_of_the_loaded_model_go_first_and_the_other_ones_in_their_order(start: Start, tmp_path: Path) -> None:
    # On a busy machine the end of an answer may be unproven, and its console is ended. The oldest job of all is next
    # then, so the order of such a try says nothing of the rule.
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        order = _order_of_seven_jobs(start, folder)
        if process_count(folder) == 3:
            break
    assert process_count(folder) == 3, "no try without a lost console"
    assert order == ["FIRST", "B1", "B2", "A1", "A2", "A3", "C1"]


def _order_of_seven_jobs(start: Start, folder: Path) -> list[str]:
    table(folder)
    gateway = start(workers=4, reuse_port=True, env=environment(folder, BPU_SWAP_AFTER_S=600))
    first = gateway.stream(sim(nonce="FIRST", tokens=480, rate=40)).until_text()
    wanted = [(QWEN, "A1"), (R1, "B1"), (QWEN, "A2"), (CPM, "C1"), (R1, "B2"), (QWEN, "A3")]
    streams: list[Stream] = []
    for model, nonce in wanted:
        streams.append(gateway.stream(sim(nonce=nonce, tokens=5), model=model))
        until(lambda: len(gateway.slots()["waiting"]) == len(streams), what="it waits")
    with one_console(gateway):
        first.read_to_end()
        assert [stream.read_to_end().finish for stream in streams] == ["stop"] * len(streams)
    gateway.stop()
    return read_order(folder)


def test_both_models_are_served_within_a_bounded_time_under_a_mixed_load(start: Start, tmp_path: Path) -> None:
    """More jobs come than can be answered at once; without the rule one of the models would never be left."""
    table(tmp_path)
    gateway = start(workers=4, reuse_port=True, env=environment(tmp_path, BPU_SWAP_AFTER_S=1))
    assert gateway.slots()["swap_after_s"] == 1
    over, served, began = threading.Event(), {R1: 0, QWEN: 0}, time.monotonic()

    def keep_asking(model: str) -> None:
        while not over.is_set():
            assert gateway.ask(sim(tokens=6, rate=40), model=model)["choices"]
            served[model] += 1

    threads = [threading.Thread(target=keep_asking, args=(model,)) for model in (R1, R1, R1, QWEN, QWEN, QWEN)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: min(served.values()) >= 6, seconds=60, what="both models answer again and again")
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    # A model with waiting jobs is given up once a second at most; the last jobs of the clients add a change or two.
    assert process_count(tmp_path) <= time.monotonic() - began + 4, "it thrashes"


def test_no_word_of_one_request_reaches_another_over_switches_and_cancels(start: Start, tmp_path: Path) -> None:
    table(tmp_path)
    gateway = start(workers=4, reuse_port=True, env=environment(tmp_path, BPU_SWAP_AFTER_S=0.2))
    chance = random.Random(16)
    plan = [(number, chance.choice(MODELS), chance.random() < 0.25, chance.random()) for number in range(MIXED)]

    def ask(job: tuple[int, str, bool, float]) -> tuple[int, str, str | None]:
        number, model, leaves, when = job
        stream = gateway.stream(sim(f"question {number}", nonce=f"N{number}E", tokens=20), model=model)
        if leaves:
            if when < 0.5:
                stream.until_text()
            stream.close()
            return number, "", None
        answer = stream.read_to_end()
        return number, answer.text, answer.finish

    with one_console(gateway), ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, plan))
    for number, text, finish in answers:
        assert nonces(text) <= {f"N{number}E"}
        assert finish in (None, "stop"), number
    assert sum(finish == "stop" for _, _, finish in answers) == sum(not leaves for _, _, leaves, _ in plan)
    assert process_count(tmp_path) >= 3


# Orders


def test_an_operator_loads_and_unloads_any_model(start: Start, tmp_path: Path) -> None:
    table(tmp_path)
    gateway = start(env=environment(tmp_path))
    assert gateway.request("POST", "/v1/engine/load", {"model": "qwen"})[0] == 202
    until(lambda: loaded_model(gateway) == QWEN, what="it is loaded")
    assert gateway.health()["model"] == QWEN
    assert gateway.request("POST", "/v1/engine/unload", {})[0] == 202
    until(lambda: set(status(gateway).values()) == {"unloaded"}, what="none is loaded")
    assert gateway.request("POST", "/v1/engine/load", {"model": "none"})[0] == 404
    assert gateway.request("POST", "/v1/engine/load", {"model": 7})[0] == 400
    assert gateway.request("POST", "/v1/engine/load")[0] == 202
    until(lambda: loaded_model(gateway) == QWEN, what="the last one is loaded again")


def test_each_model_is_unloaded_after_its_own_idle_time(start: Start, tmp_path: Path) -> None:
    table(tmp_path, entries={QWEN: "idle_unload_s = 0.5\n"})
    gateway = start(env=environment(tmp_path))
    assert gateway.ask(sim(tokens=5), model=QWEN)["choices"]
    until(lambda: status(gateway)[QWEN] == "unloaded", what="it has idled long enough")
    assert gateway.ask(sim(tokens=5), model=R1)["choices"]
    assert loaded_model(gateway) == R1


# Memory


def test_a_model_without_memory_is_refused_with_figures_and_the_loaded_one_stays(start: Start, tmp_path: Path) -> None:
    table(tmp_path, entries={QWEN: "memory_mb = 7000\n"})
    gateway = start(env=environment(tmp_path, TEST_SYSFS=tmp_path / "board"), application="tests.live.small_board:app")
    pid = gateway.engine()["console_pid"]
    for path, body in (
        ("/v1/chat/completions", {"model": QWEN, "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/engine/load", {"model": QWEN}),
    ):
        code, _, data = gateway.request("POST", path, body)
        error = json.loads(data)["error"]
        assert (code, error["code"]) == (424, "engine_unavailable")
        assert "6.84 GiB" in error["message"], "what it needs"
        assert "4.00 GiB" in error["message"], "what the pools hold"
    assert (gateway.engine()["console_pid"], gateway.state()) == (pid, "ready")
    assert gateway.ask(sim(tokens=5), model=CPM)["choices"], "one that fits is loaded as before"


def test_a_model_that_cannot_be_loaded_fails_alone(start: Start, tmp_path: Path) -> None:
    table(tmp_path, options={QWEN: "--fault no-memory"})
    gateway = start(env=environment(tmp_path))
    code, _, data = gateway.request(
        "POST", "/v1/chat/completions", {"model": QWEN, "messages": [{"role": "user", "content": "hi"}]}
    )
    assert code in (424, 503), data
    path = f"/v1/models/{QWEN}"
    until(lambda: gateway.json("GET", path)["status"].get("reason"), what="it says why, between two attempts")
    assert gateway.ask(sim(tokens=5), model=R1)["choices"]
    assert gateway.ask(sim(tokens=5), model=CPM)["choices"]
    assert gateway.request("GET", "/ready")[0] == 200


# What is known of a console


def test_each_console_is_examined_once_and_a_conversation_goes_on_with_its_own_model(
    start: Start, tmp_path: Path
) -> None:
    table(tmp_path, options=dict.fromkeys(MODELS, "--prefill-rate 20000"))
    gateway = start(env={**environment(tmp_path), "BPU_RESET": "auto", "BPU_CONTINUE": "auto"})
    for _ in range(2):
        for model in (R1, CPM):
            chat = Chat(gateway)
            first = chat.say("Tell me about the number 7.", model=model)
            again = chat.say("And about 8?", model=model)
            assert (cached_tokens(first), cached_tokens(again) > 0) == (0, True)
    asked = [line for _, line in ConsoleInput(tmp_path / "lines").lines() if "first secret word" in line]
    assert len(asked) == 2, "one examination for each of the two consoles"
    figures = gateway.request("GET", "/metrics")[2].decode()
    for model in (R1, CPM):
        assert f'bpu_model_jobs_total{{model="{model}"}} 4.0' in figures
        assert f'bpu_model_loads_total{{model="{model}"}} 2.0' in figures
    assert f'bpu_model_loaded{{model="{CPM}"}} 1.0' in figures
    assert re.search(rf"state=stopping before=ready move=end model={R1}$", gateway.log, re.M)


# Signs of life


def test_keep_alives_name_the_model_and_the_time_that_earlier_loads_took(start: Start, tmp_path: Path) -> None:
    table(tmp_path, options={QWEN: "--load-seconds 2"})
    gateway = start(env=environment(tmp_path, BPU_KEEPALIVE_S=0.2))

    def comments() -> list[str]:
        stream = gateway.stream(sim(tokens=5), model=QWEN)
        lines = list(iter(stream.raw_line, b"data: [DONE]\n"))
        stream.close()
        return [line.decode().strip() for line in lines if line.startswith(b":")]

    first = comments()
    assert f": keep-alive, loading {QWEN}" in first
    assert gateway.ask(sim(tokens=5), model=R1)["choices"]
    again = comments()
    assert any(re.fullmatch(rf": keep-alive, loading {QWEN}, [1-3] s", line) for line in again), again
    assert not any(line.startswith(": ping") for line in first + again)


# Kills


def phase_of(gateway: Gateway, phase: str) -> Stream:
    """A request for another model, once its swap is in `phase`."""
    running = gateway.stream(sim(nonce="FIRST", tokens=60, rate=40)).until_text() if phase == "waiting" else None
    stream = gateway.stream(sim(nonce="N2E", tokens=40, rate=40), model=CPM if phase == "checking" else QWEN)
    if phase == "waiting":
        until(lambda: gateway.slots()["waiting"], what="it waits for the running one")
        assert running is not None
        running.close()
    elif phase == "ending":
        until(lambda: gateway.state() in ("stopping", "starting", "busy"), what="the old console ends")
    elif phase == "loading":
        until(lambda: status(gateway)[QWEN] == "loading", what="it is being loaded")
    elif phase == "checking":
        until(lambda: gateway.state() == "checking", what="its console is being examined")
    else:
        stream.until_text()
    return stream


@pytest.mark.parametrize("phase", ["waiting", "ending", "loading", "checking", "answering"])
@pytest.mark.parametrize("victim", ["keeper", "console", "worker"])
def test_a_kill_in_any_phase_of_a_swap_leaves_a_gateway_that_serves_all_models(
    start: Start, tmp_path: Path, phase: str, victim: str
) -> None:
    table(tmp_path, options={QWEN: "--load-seconds 0.5"})
    unset = {"BPU_RESET": "auto", "BPU_CONTINUE": "auto"} if phase == "checking" else {}
    gateway = start(workers=2, env={**environment(tmp_path), **unset})
    with one_console(gateway):
        stream = phase_of(gateway, phase)
        targets = {"keeper": gateway.keepers, "console": gateway.consoles, "worker": gateway.workers}[victim]()
        for process in targets[:1]:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has just ended by itself
        answer = stream.read_to_end()
        assert answer.finish == "stop" or answer.error is not None or victim == "worker", answer
        assert nonces(answer.text) <= {"N2E"}
        for model in MODELS:
            nonce = f"N{MODELS.index(model) + 10}E"
            assert nonces(text_of(until_answered(gateway, model, nonce))) == {nonce}


def until_answered(gateway: Gateway, model: str, nonce: str) -> dict:  # type: ignore[type-arg]
    """An answer of `model`; a request that meets the end of a worker or keeper is sent again."""

    def ask() -> dict | None:  # type: ignore[type-arg]
        try:
            answer = gateway.ask(sim(nonce=nonce, tokens=20), model=model)
        except OSError:
            return None
        return answer if "choices" in answer else None

    return until(ask, seconds=60, what=f"{model} answers")  # type: ignore[no-any-return]


# Reloads


def test_after_a_reload_a_changed_entry_counts_from_its_next_load(start: Start, tmp_path: Path) -> None:
    table(tmp_path)
    gateway = start(workers=2, env=environment(tmp_path))
    [keeper], pid = gateway.keepers(), gateway.engine()["console_pid"]
    before = {worker.pid for worker in gateway.workers()}
    table(tmp_path, options={QWEN: "--tokens 7"}, entries={CPM: "context = 1024\n"})
    # An answer under way keeps its old worker, so that the keeper is needed however slowly the new ones start.
    running = gateway.stream(sim(tokens=300, rate=40), model=R1).until_text()
    gateway.send_signal(signal.SIGHUP)
    until(lambda: len({worker.pid for worker in gateway.workers()} - before) == 2, what="the new workers are there")
    assert running.read_to_end().finish == "stop"
    until(lambda: not before & {worker.pid for worker in gateway.workers()}, what="the old workers have left")
    assert gateway.keepers() == [keeper]
    assert gateway.ask(sim(tokens=5), model=R1)["choices"]
    assert gateway.engine()["console_pid"] == pid, "an entry that stayed as it was is not loaded again"
    assert gateway.ask("go on", model=QWEN)["usage"]["completion_tokens"] <= 8
    contexts = {one["id"]: one["context_length"] for one in gateway.json("GET", "/v1/models")["data"]}
    assert contexts[CPM] == 1024
    assert gateway.ask(sim(tokens=5), model=CPM)["choices"]
    assert gateway.keepers() == [keeper]


def test_another_table_with_the_same_state_folder_is_refused(start: Start, tmp_path: Path) -> None:
    table(tmp_path)
    first = start(env=environment(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    table(elsewhere)
    shared = {"BPU_STATE_DIR": str(first.state_dir), "HOME": str(first.state_dir)}
    second = start(env={**environment(elsewhere), **shared}, ready="failed")
    code, _, data = second.request(
        "POST", "/v1/chat/completions", {"model": R1, "messages": [{"role": "user", "content": "hi"}]}
    )
    [keeper] = first.keepers()
    assert (code, str(keeper.pid) in json.loads(data)["error"]["message"]) == (424, True)
    assert first.ask(sim(tokens=5), model=QWEN)["choices"]


# The command line


def bpu(gateway: Gateway, *words: str, table: Path) -> str:
    """The output of a command on the board of `gateway`."""
    env = {**os.environ, "BPU_MODELS_FILE": str(table), "BPU_STATE_DIR": str(gateway.state_dir), "LANG": "C"}
    env.update(BPU_ENGINE="simulator", HOME=str(gateway.state_dir), BPU_DATA_DIR=str(gateway.state_dir / "data"))
    env.update(BPU_RESET="command", BPU_CONTINUE="never")
    command = [sys.executable, "-m", "bpu", *words]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_commands_take_a_model_by_id_or_alias(start: Start, tmp_path: Path) -> None:
    file = table(tmp_path)
    gateway = start(env=environment(tmp_path))
    assert QWEN in bpu(gateway, "load", "--model", "qwen", table=file)
    assert loaded_model(gateway) == QWEN
    assert CPM in bpu(gateway, "load", "--model", CPM, "--url", gateway.url, table=file)
    assert loaded_model(gateway) == CPM
    pid = gateway.engine()["keeper_pid"]
    assert "N7E" in bpu(gateway, "chat", "--model", "qwen", sim(nonce="N7E", tokens=20), table=file)
    assert (loaded_model(gateway), gateway.engine()["keeper_pid"]) == (QWEN, pid), "they share one engine"
