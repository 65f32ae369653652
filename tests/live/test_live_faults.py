"""Faults of the console as clients meet them: typed errors with its last lines, and the next request works.

The whole table, phase by fault, is in `tests/unit/engine/test_faults.py`; here stands what goes over the wire.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.live.chats import MODEL, ConsoleInput
from tests.live.gateway import FAST, Gateway, running, sim
from tests.live.scripted import scripted
from tests.live.test_sharing import worker_of
from tests.support.waits import until

pytestmark = pytest.mark.long  # minutes of processor time

Start = Callable[..., Gateway]
#: Limits that end silence soon. The library's own log comes between the words of every answer.
SHORT = {
    "BPU_FIRST_TOKEN_TIMEOUT_S": "1",
    "BPU_STALL_TIMEOUT_S": "1",
    "BPU_CONSOLE_ARGS": f"{FAST} --chatter stdout:2",
}
#: Words of the prompt: they must never be in an error.
WORDS = "confidential zanzibar"
CRASH, TIMEOUT, PERSON = (502, "engine_crashed"), (504, "engine_timeout"), (424, "engine_unavailable")

#: Fault, after how many tokens (None: the fault's own phase), status and code, what the message tells.
CELLS = [
    ("exit=3@prefill", None, CRASH, "exit code 3"),
    ("exit=3", 3, CRASH, "exit code 3"),
    ("exit=0", 3, CRASH, "exit code 0"),
    ("signal=SEGV", 3, CRASH, "SIGSEGV"),
    ("signal=KILL", 3, CRASH, "SIGKILL"),
    ("overflow", None, CRASH, "SIGABRT"),
    ("no-memory-later", None, CRASH, "Allocate memory failed"),
    ("no-answer", None, CRASH, "exit code 0"),
    ("run-error", None, CRASH, "run error"),
    ("mkrun-error", None, CRASH, "run error"),
    ("silent-error", None, TIMEOUT, "1 second"),
    ("hang@prefill", None, TIMEOUT, "1 second"),
    ("hang", 3, TIMEOUT, "1 second"),
    ("spin", 3, TIMEOUT, "1 second"),
    ("endless", 3, CRASH, "does not end"),
]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("short"), workers=2, reuse_port=True, env=SHORT) as started:
        yield started


def chat(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


def refused(gateway: Gateway, text: str) -> tuple[tuple[int, str], str]:
    """((status, code), message) of a request that is not streamed and fails."""
    status, headers, data = gateway.request("POST", "/v1/chat/completions", chat(text))
    error = json.loads(data)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert headers["x-request-id"].startswith("chatcmpl-")
    return (status, error["code"]), error["message"]


def family(gateway: Gateway) -> list[str]:
    """The state of every process that descends from the gateway or its keeper, the workers left out.

    Empty when one of them has ended meanwhile: look again.
    """
    parents = [*gateway.keepers(), gateway.process]
    workers = {worker.pid for worker in gateway.workers()}
    try:
        children = [child for parent in parents for child in psutil.Process(parent.pid).children(recursive=True)]
        return [child.status() for child in children if child.pid not in workers]
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("fault", "after", "error", "told"), CELLS, ids=[f"{cell[0]}-{cell[1]}" for cell in CELLS])
def test_a_fault_is_a_typed_error_and_nobody_else_notices(
    short: Gateway, fault: str, after: int | None, error: tuple[int, str], told: str, streamed: bool
) -> None:
    directives = {"fault": fault, "tokens": 12} | ({} if after is None else {"after": after})
    text = sim(WORDS, **directives)
    with ThreadPoolExecutor(2) as pool:
        if streamed:
            victim = short.stream(text)
            waiting = pool.submit(short.ask, "1+1=?")
            answer = victim.read_to_end()
            assert answer.finish is None
            assert answer.error is not None
            code, message = answer.error["code"], answer.error["message"]
        else:
            asked = pool.submit(refused, short, text)
            until(lambda: short.slots()["slots"][0]["job"] or asked.done())
            waiting = pool.submit(short.ask, "1+1=?")
            (status, code), message = asked.result(60)
            assert status == error[0]
        assert code == error[1]
        assert told in message
        assert "The console's last lines: " in message
        assert not any(word in message for word in WORDS.split())
        assert "2" in waiting.result(60)["choices"][0]["message"]["content"]
    short.wait_for("ready")
    assert len(short.consoles()) == 1
    assert psutil.STATUS_ZOMBIE not in until(lambda: family(short))


def test_a_console_that_dies_between_jobs_is_replaced_before_anybody_asks(short: Gateway) -> None:
    loads = short.engine()["loads"]
    [console] = short.consoles()
    console.kill()
    until(lambda: short.engine()["loads"] > loads)
    short.wait_for("ready")
    assert not console.is_running()
    assert "2" in short.ask("1+1=?")["choices"][0]["message"]["content"]


# Loading


#: A load that only a person can mend, and the console's own words for it.
FOR_A_PERSON = [
    ("no-memory", "Cannot malloc bpu memory"),
    ("load-failed", "Load hbm failed"),
    ("missing-library", "error while loading shared libraries"),
    ("template", ".jinja failed"),
]


@pytest.mark.parametrize(("fault", "words"), FOR_A_PERSON)
def test_what_a_person_must_mend_is_a_424_with_the_consoles_words(start: Start, fault: str, words: str) -> None:
    gateway = start(ready="failed", env={"BPU_CONSOLE_ARGS": f"{FAST} --fault {fault}"})
    for streamed in (False, True):
        status, headers, data = gateway.request("POST", "/v1/chat/completions", chat("hello", stream=streamed))
        assert (status, json.loads(data)["error"]["code"]) == PERSON
        assert words in json.loads(data)["error"]["message"]
        assert "Retry-After" not in headers
    assert gateway.consoles() == []


def test_a_load_that_takes_too_long_is_a_504_for_whoever_waits(start: Start) -> None:
    env = {"BPU_PRELOAD": "0", "BPU_LOAD_TIMEOUT_S": "1", "BPU_CONSOLE_ARGS": f"{FAST} --fault no-banner"}
    gateway = start(ready="stopped", env=env)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(refused, gateway, "hello") for _ in range(2)]
        for one in asked:
            error, message = one.result(60)
            assert error == TIMEOUT
            assert "not loaded within 1 second" in message


def test_a_crash_loop_is_told_at_once_by_every_worker_and_ends_by_itself(start: Start, tmp_path: Path) -> None:
    gateway = start(workers=4, reuse_port=True, env=scripted(tmp_path))
    (tmp_path / "broken").touch()
    [console] = gateway.consoles()
    console.kill()
    until(lambda: (gateway.engine().get("retry_after_s") or 0) > 3, what="the pause between tries is long by now")
    served = set()
    for _ in range(12):
        stream = gateway.stream("hello")
        served.add(worker_of(gateway, stream))
        assert stream.status == 503
        assert 1 <= int(stream.headers["retry-after"]) <= 60
        stream.close()
    assert len(served) >= 2
    assert refused(gateway, "hello")[0] == (503, "engine_unavailable")
    status, headers, body = gateway.request("GET", "/ready")
    assert (status, json.loads(body)["ready"], 1 <= int(headers["Retry-After"]) <= 60) == (503, False, True)
    assert gateway.request("GET", "/health")[0] == 200
    loads = gateway.engine()["loads"]
    (tmp_path / "broken").unlink()
    gateway.wait_for("ready", seconds=60)
    assert "2" in gateway.ask("1+1=?")["choices"][0]["message"]["content"]
    assert gateway.engine()["loads"] == loads + 1
    assert len(gateway.consoles()) == 1


# Limits


def test_the_total_time_of_a_job_cuts_its_answer_and_is_no_error(start: Start) -> None:
    gateway = start(env={"BPU_JOB_TIMEOUT_S": "1"})
    text = sim(tokens=4000, think=2, rate=40)
    answer = gateway.stream(text).read_to_end()
    assert (answer.finish, answer.error) == ("length", None)
    whole = gateway.ask(text)["choices"][0]
    assert whole["finish_reason"] == "length"
    assert whole["message"]["content"]
    assert "2" in gateway.ask("1+1=?")["choices"][0]["message"]["content"]


WIDE = {"BPU_CONSOLE_PROFILE": "oellm_multichat", "BPU_CONTEXT_SIZE": "1000000"}


def test_a_long_line_reaches_the_console_whole(start: Start, tmp_path: Path) -> None:
    read = ConsoleInput(tmp_path / "lines")
    gateway = start(env={**WIDE, "BPU_CONSOLE_ARGS": read.options})
    text = "word " * 40_000 + "1+1=?"
    assert gateway.ask(text)["choices"][0]["finish_reason"] == "stop"
    assert [line for _, line in read.lines() if line != "reset"] == [text]


def test_a_long_line_to_a_console_that_does_not_read_is_a_504(start: Start) -> None:
    gateway = start(env={**WIDE, "BPU_STALL_TIMEOUT_S": "1", "BPU_CONSOLE_ARGS": f"{FAST} --fault deaf"})
    error, message = refused(gateway, "word " * 40_000)
    assert error == TIMEOUT
    assert "does not read" in message
    assert "word" not in message
    assert gateway.health()["status"] == "ok"


def test_gunicorn_kills_no_worker_because_an_answer_takes_long(start: Start) -> None:
    gateway = start(arguments=["--timeout", "2"])
    [worker] = gateway.workers()
    with ThreadPoolExecutor(1) as pool:
        streamed = pool.submit(lambda: gateway.stream(sim(tokens=20, prefill=3, pause=1)).read_to_end())
        whole = gateway.ask(sim(tokens=20))
    assert (streamed.result(60).finish, whole["choices"][0]["finish_reason"]) == ("stop", "stop")
    assert [one.pid for one in gateway.workers()] == [worker.pid]
    assert "TIMEOUT" not in gateway.log
