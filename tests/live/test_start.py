"""What a person meets first: the start, the addresses, curl, a wrong setting, a console that cannot work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.gateway import ROOT, Gateway, environment, sim
from tests.support.ports import reserve_port
from tests.support.waits import until

Start = Callable[..., Gateway]
MODEL = {"model": "deepseek-r1:1.5b"}


def test_the_start_tells_who_answers_and_where(gateway: Gateway) -> None:
    until(lambda: "SIMULATOR" in gateway.log)
    assert f"http://127.0.0.1:{gateway.port}/v1" in gateway.log
    health = gateway.health()
    assert (health["status"], health["simulated"], health["engine"]["profile"]) == ("ok", True, "xlm_demo")


def test_gunicorn_s_log_level_holds_for_the_gateway_and_its_keeper(start: Start) -> None:
    gateway = start(arguments=["--log-level", "warning"])
    assert gateway.ask("hello")["choices"]
    gateway.stop()
    gateway.wait_nothing_left()
    assert "INFO" not in gateway.log
    assert "SIMULATOR" in gateway.log


def test_curl_shows_a_stream_as_it_comes(gateway: Gateway) -> None:
    body = {**MODEL, "stream": True, "messages": [{"role": "user", "content": "你好"}]}
    url, kind = f"{gateway.url}/v1/chat/completions", "content-type: application/json"
    done = subprocess.run(
        ["curl", "-sN", url, "-H", kind, "-d", json.dumps(body)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    events = [line.removeprefix("data: ") for line in done.stdout.splitlines() if line]
    assert events[-1] == "[DONE]"
    deltas = [choice["delta"] for event in events[:-1] for choice in json.loads(event)["choices"]]
    assert "模拟器" in "".join(delta.get("content") or "" for delta in deltas)
    assert "模拟器" in "".join(delta.get("reasoning_content") or "" for delta in deltas)


def test_system_words_and_earlier_turns_reach_the_model(start: Start, tmp_path: Path) -> None:
    """With no memory of its own, the console can know the earlier turns from the line alone."""
    gateway = start(env={"BPU_RESET": "restart"})
    messages = [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "My name is Zephyrine."},
        {"role": "assistant", "content": "Noted."},
        {"role": "user", "content": "What is my name?"},
    ]
    answer = gateway.json("POST", "/v1/chat/completions", {**MODEL, "messages": messages})
    assert "Zephyrine" in answer["choices"][0]["message"]["content"]


def test_wrong_values_and_missing_files_are_told_together(tmp_path: Path) -> None:
    wrong = {"BPU_WORKERS": "many", "BPU_ENGINE": "consol", "BPU_HBM_PATH": "/no/such.hbm", "BPU_QEUE_LIMIT": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        cwd=ROOT,
        env={**environment(reserve_port(), tmp_path, 1, {}), **wrong},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert all(name in done.stderr for name in wrong)
    assert "BPU_QUEUE_LIMIT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cause_that_needs_a_person_is_a_424_with_the_consoles_words(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, env={"BPU_CONSOLE_ARGS": "--speed max --load-seconds 0 --fault no-memory"})
    try:
        until(lambda: gateway.state() == "failed")
        status, _, body = gateway.request(
            "POST",
            "/v1/chat/completions",
            {**MODEL, "messages": [{"role": "user", "content": "hi"}]},
        )
        error = json.loads(body)["error"]
        assert (status, error["code"]) == (424, "engine_unavailable")
        assert "memory" in error["message"]
        assert "Cannot malloc bpu memory" in error["message"]
        status, _, body = gateway.request("GET", "/health")
        assert (status, json.loads(body)["status"]) == (200, "error")
        assert "memory" in json.loads(body)["error"]
        status, _, body = gateway.request("GET", "/ready")
        assert (status, "memory" in json.loads(body)["reason"]) == (503, True)
    finally:
        gateway.stop(signal.SIGINT)
        gateway.kill_all()


def test_an_address_in_use_is_told_at_once_with_its_remedy(gateway: Gateway, tmp_path: Path) -> None:
    second = Gateway(tmp_path, env={"BPU_BIND": f"127.0.0.1:{gateway.port}"})
    try:
        assert second.process.wait(20) == 1
        assert f"Another program listens on 127.0.0.1:{gateway.port} already" in second.log
        assert "BPU_BIND=" in second.log
        assert "Traceback" not in second.log
        assert gateway.state()
    finally:
        second.kill_all()


@pytest.mark.parametrize("mode", ["resident", "per-job"])
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path, mode: str) -> None:
    """A terminal's Ctrl-C goes to the whole group: master, workers, and whoever else is in it."""
    gateway = Gateway(tmp_path, workers=2, env={"BPU_ENGINE_MODE": mode}, own_session=True)
    try:
        until(lambda: gateway.state() in ("ready", "stopped"))
        streamed = gateway.stream(sim(tokens=500, rate=50)).until_text()
        os.killpg(gateway.process.pid, signal.SIGINT)
        answer = streamed.read_to_end()
        assert answer.error is not None
        assert "stopping" in answer.error["message"]
        gateway.process.wait(20)
        gateway.wait_nothing_left()
        assert "Traceback" not in gateway.log
    finally:
        gateway.kill_all()


def test_per_job_mode_answers_with_a_console_a_question(start: Start) -> None:
    gateway = start(env={"BPU_ENGINE_MODE": "per-job"}, ready="stopped")
    for text in ("1+1=?", "2+3=?"):
        assert gateway.ask(text)["choices"][0]["finish_reason"] == "stop"
    until(lambda: gateway.state() == "stopped")
    assert gateway.consoles() == []
    assert gateway.engine()["loads"] == 2
