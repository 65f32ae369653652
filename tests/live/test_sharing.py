"""One engine for all workers and gateways: what is recycled, reloaded or killed costs the others nothing."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.live.chats import MODEL
from tests.live.gateway import Gateway, running, sim
from tests.live.scripted import scripted
from tests.live.stream import Answer, Stream
from tests.support.waits import until

Start = Callable[..., Gateway]


def serving(gateway: Gateway) -> dict[int, int]:
    """Connections that each worker has open, by pid."""
    return {
        worker.pid: sum(1 for link in worker.net_connections("tcp") if link.status == psutil.CONN_ESTABLISHED)
        for worker in gateway.workers()
    }


def worker_of(gateway: Gateway, stream: Stream) -> int:
    """The pid of the worker that serves `stream`."""
    port = stream.sock.getsockname()[1]
    for worker in gateway.workers():
        if any(link.raddr and link.raddr.port == port for link in worker.net_connections("tcp")):
            return int(worker.pid)
    raise AssertionError("no worker holds the stream")


def two_streams(gateway: Gateway) -> tuple[Stream, Stream]:
    """A running stream, and one in another worker that waits behind it."""
    first = gateway.stream(sim(tokens=60, rate=40, nonce="FIRST")).until_text()
    while True:
        second = gateway.stream(sim(tokens=30, nonce="SECOND"))
        if worker_of(gateway, second) != worker_of(gateway, first):
            return first, second
        second.close()


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("four"), workers=4, reuse_port=True) as started:
        yield started


@pytest.mark.parametrize("at_once", [1, 3, 10, 40])
def test_four_workers_load_one_model_for_forty_requests(four: Gateway, at_once: int) -> None:
    served: set[int] = set()

    def ask(number: int) -> str:
        stream = four.stream(sim(f"question {number}", tokens=20, nonce=f"N{number}E"))
        served.add(worker_of(four, stream))
        return stream.read_to_end().text

    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(ask, range(40)))
    for number, answer in enumerate(answers):
        assert set(re.findall(r"N\d+E", answer)) == {f"N{number}E"}
    assert len(served) >= 2, "one worker served everything: nothing was shared"
    engine = four.engine()
    assert (engine["loads"], engine["restarts"]) == (1, {})
    assert len(four.consoles()) == 1


def test_a_killed_worker_costs_the_others_nothing_and_no_reload(start: Start) -> None:
    gateway = start(workers=2, reuse_port=True)
    running, waiting = two_streams(gateway)
    os.kill(worker_of(gateway, waiting), signal.SIGKILL)
    answer = running.read_to_end()
    assert answer.finish == "stop"
    assert "FIRST" in answer.text
    waiting.close()
    assert gateway.ask("1+1=?")["choices"]
    assert gateway.loads() == (1, {})


def test_the_job_in_a_killed_worker_is_the_only_one_lost(start: Start) -> None:
    gateway = start(workers=2, reuse_port=True)
    running, waiting = two_streams(gateway)
    os.kill(worker_of(gateway, running), signal.SIGKILL)
    answer = waiting.read_to_end()
    assert answer.finish == "stop"
    assert "SECOND" in answer.text
    assert "FIRST" not in answer.text
    running.close()


def test_reloading_the_gateway_keeps_model_and_running_stream(start: Start) -> None:
    gateway = start(workers=2)
    before = {worker.pid for worker in gateway.workers()}
    running = gateway.stream(sim(tokens=80, rate=40, nonce="FIRST")).until_text()
    gateway.send_signal(signal.SIGHUP)
    until(lambda: not before & {worker.pid for worker in gateway.workers()} or running_alone(gateway, before))
    answer = running.read_to_end()
    assert (answer.finish, answer.error) == ("stop", None)
    until(lambda: not before & {worker.pid for worker in gateway.workers()}, what="the old workers have left")
    assert gateway.ask("1+1=?")["choices"]
    assert gateway.loads() == (1, {})


def running_alone(gateway: Gateway, before: set[int]) -> bool:
    """Whether of the old workers only the one that streams is left."""
    return len(before & {worker.pid for worker in gateway.workers()}) <= 1


def test_recycled_workers_keep_the_model(start: Start) -> None:
    gateway = start(workers=2, arguments=["--max-requests", "3"])
    first = {worker.pid for worker in gateway.workers()}
    for number in range(20):
        assert gateway.ask(f"1+{number}=?")["choices"][0]["finish_reason"] == "stop"
    until(lambda: not first & {worker.pid for worker in gateway.workers()}, what="all workers were replaced")
    assert gateway.loads() == (1, {})


def test_two_gateways_with_one_state_folder_share_the_model(start: Start, tmp_path: Path) -> None:
    first = start()
    second = start(env={"BPU_STATE_DIR": str(first.state_dir), "HOME": str(first.state_dir)})
    assert second.ask("1+1=?")["choices"]
    assert second.engine()["console_pid"] == first.engine()["console_pid"]
    assert second.engine()["loads"] == 1


def test_a_second_gateway_with_another_state_folder_is_refused_with_the_name_of_who_holds_the_model(
    start: Start, tmp_path: Path
) -> None:
    program = scripted(tmp_path)
    first = start(env=program)
    second = start(env=program, ready="failed")
    assert first.state_dir != second.state_dir
    assert_refused(second, first)
    first.stop()
    assert second.wait_for("ready").ask("1+1=?")["choices"], "it takes over once the model is free"


@pytest.mark.system
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a gateway as another user")
def test_a_second_gateway_of_another_user_is_refused_with_the_name_of_who_holds_the_model(
    start: Start, tmp_path: Path
) -> None:
    program = scripted(tmp_path)
    first = start(env=program)
    stranger = pwd.getpwnam("nobody")
    state = tmp_path / "of-another-user"
    state.mkdir()
    os.chown(state, stranger.pw_uid, stranger.pw_gid)
    second = start(
        env={**program, "BPU_STATE_DIR": str(state), "HOME": str(state)}, ready="failed", wrapper=as_user(stranger)
    )
    assert {worker.username() for worker in second.workers()} == {"nobody"}
    assert_refused(second, first)
    [keeper] = first.keepers()
    keeper.kill()
    until(
        lambda: len(first.consoles() + second.consoles()) == 1 and keeper not in first.keepers(),
        what="one of them has the model now",
    )
    until(lambda: {first.state(), second.state()} == {"ready", "failed"}, what="the other one has not")


def as_user(user: pwd.struct_passwd) -> list[str]:
    """What starts a program as `user`, who may read this checkout wherever it lies (and whatever `access` is asked)."""
    who = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    caps = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--securebits=+no_setuid_fixup"]
    return ["setpriv", *who, *caps, "--"]


def assert_refused(second: Gateway, first: Gateway) -> None:
    """The model stays with `first`; whoever asks `second` hears by whom it is held."""
    [keeper] = first.keepers()
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
    status, _, data = second.request("POST", "/v1/chat/completions", body)
    error = json.loads(data)["error"]
    assert (status, error["code"]) == (424, "engine_unavailable")
    assert f"pid {keeper.pid} of user {keeper.username()}" in error["message"]
    assert str(first.state_dir) in error["message"]
    assert second.consoles() == []
    assert first.ask("1+1=?")["choices"]


def test_a_killed_keeper_is_replaced_and_waiting_jobs_are_served(start: Start) -> None:
    gateway = start(workers=2)
    running = gateway.stream(sim(tokens=400, rate=40)).until_text()
    results: list[Answer] = []
    waiter = threading.Thread(
        target=lambda: results.append(gateway.stream(sim(tokens=20, nonce="LATER")).read_to_end())
    )
    waiter.start()
    until(lambda: gateway.slots().get("waiting"), what="one job waits")
    [keeper] = gateway.keepers()
    keeper.kill()
    answer = running.read_to_end()
    assert answer.error is not None
    assert answer.error["code"] == "engine_crashed"
    waiter.join(30)
    assert len(results) == 1
    assert "LATER" in results[0].text, results[0]
    assert len(gateway.consoles()) == 1


def test_everything_killed_leaves_no_console_and_the_next_start_is_clean(start: Start, tmp_path: Path) -> None:
    first = start(workers=2)
    first.stream(sim(tokens=4000, rate=40)).until_text().close()
    master = first.process.pid
    for pid in [master, *(worker.pid for worker in first.workers())]:
        os.kill(pid, signal.SIGKILL)
    first.process.wait(10)
    first.wait_nothing_left()
    second = start(env={"BPU_STATE_DIR": str(first.state_dir), "HOME": str(first.state_dir)})
    assert second.ask("1+1=?")["choices"]
