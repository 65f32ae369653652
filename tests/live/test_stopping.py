"""The end of a gateway: answers are finished within the time allowed, idle connections are not waited for."""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.gateway import Gateway, sim
from tests.support.waits import until

Start = Callable[..., Gateway]


def test_sigterm_lets_a_running_answer_finish_and_idle_connections_go(start: Start) -> None:
    gateway = start(env={"BPU_GRACEFUL_S": "30"})
    idle = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    idle.request("GET", "/health")
    idle.getresponse().read()
    running = gateway.stream(sim(tokens=40, rate=40, nonce="WHOLE")).until_text()
    gateway.send_signal(signal.SIGTERM)
    answer = running.read_to_end()
    assert (answer.finish, answer.error) == ("stop", None)
    began = time.monotonic()
    gateway.process.wait(20)
    print(f"\nended {time.monotonic() - began:.2f} s after its last answer")
    gateway.wait_nothing_left()
    idle.close()


def test_an_answer_that_is_too_long_for_the_graceful_time_ends_with_an_error(start: Start) -> None:
    gateway = start(env={"BPU_GRACEFUL_S": "1"})
    running = gateway.stream(sim(tokens=4000, rate=40)).until_text()
    waiting = gateway.stream(sim(tokens=20))
    until(lambda: gateway.slots()["waiting"])
    gateway.send_signal(signal.SIGTERM)
    for stream in (running, waiting):
        answer = stream.read_to_end()
        assert answer.finish is None
        assert answer.error is not None
        assert "stopping" in answer.error["message"]
    gateway.process.wait(20)
    gateway.wait_nothing_left()


def test_a_running_answer_is_cut_after_the_graceful_time_and_no_load_begins_for_it(start: Start) -> None:
    """The answer takes longer than the graceful time and less than what the master allows its workers in all."""
    gateway = start(env={"BPU_GRACEFUL_S": "1"}, workers=2)
    running = gateway.stream(sim(tokens=60, rate=20)).until_text()
    gateway.send_signal(signal.SIGTERM)
    answer = running.read_to_end()
    assert answer.error is not None, answer
    assert "stopping" in answer.error["message"]
    gateway.process.wait(20)
    gateway.wait_nothing_left()
    assert gateway.log.count("move=load") == 1, gateway.log


def test_an_open_event_stream_does_not_delay_the_end(start: Start) -> None:
    gateway = start(env={"BPU_GRACEFUL_S": "30"})
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request("GET", "/v1/events")
    response = connection.getresponse()
    assert response.read(6) == b"data: "
    gateway.send_signal(signal.SIGTERM)
    gateway.process.wait(15)
    response.read()
    connection.close()


@pytest.mark.parametrize("victims", ["master", "keeper", "all"])
def test_sigkill_leaves_no_console_and_the_next_start_begins_clean(tmp_path: Path, victims: str) -> None:
    first = Gateway(tmp_path, workers=2)
    second = None
    try:
        first.wait_for("ready")
        stream = first.stream(sim(tokens=4000, rate=40)).until_text()
        consoles = {console.pid for console in first.consoles()}
        workers, keepers = first.workers(), first.keepers()
        if victims in ("master", "all"):
            os.kill(first.process.pid, signal.SIGKILL)
        if victims in ("keeper", "all"):
            keepers[0].kill()
        if victims == "all":
            for worker in workers:
                worker.kill()
        until(lambda: not consoles & {console.pid for console in first.consoles()}, seconds=12, what="console gone")
        stream.close()
        if victims == "keeper":
            assert first.ask("1+1=?")["choices"]
            return
        first.process.wait(10)
        until(lambda: not first.workers(), seconds=12, what="orphaned workers gone")
        folder = tmp_path / "second"
        folder.mkdir()
        env = {"BPU_STATE_DIR": str(first.state_dir), "HOME": str(first.state_dir)}
        second = Gateway(folder, env=env).wait_for("ready")
        assert second.ask("1+1=?")["choices"]
    finally:
        for gateway in (first, second):
            if gateway is not None:
                gateway.kill_all()


@pytest.mark.parametrize("name", ["engine.sock", "slot.lock", "start.lock", "simulator.lock"])
def test_stale_files_are_no_obstacle(tmp_path: Path, name: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / name).write_text("left behind by a crash\n")
    gateway = Gateway(tmp_path)
    try:
        assert gateway.wait_for("ready").ask("1+1=?")["choices"]
        gateway.stop()
    finally:
        gateway.kill_all()
