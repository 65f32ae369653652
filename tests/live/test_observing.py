"""Health, readiness, slots, metrics and logs never wait for the engine, and are right across workers."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bpu.web.metrics_dir import SHARED_MEMORY
from tests.live.gateway import Gateway, sim
from tests.support.waits import until

pytestmark = pytest.mark.long  # minutes of processor time

STREAMS = 200


def metric(gateway: Gateway, name: str, **labels: str) -> float:
    status, _, data = gateway.request("GET", "/metrics")
    assert status == 200
    return sum(
        sample.value
        for family in text_string_to_metric_families(data.decode())
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def shares(gateway: Gateway) -> Path:
    name = f"bpu-metrics-{os.getuid()}-{gateway.process.pid}-*"
    (found,) = [path for folder in (gateway.state_dir, SHARED_MEMORY) for path in folder.glob(name)]
    return found


def test_two_workers_count_as_one(start: Callable[..., Gateway]) -> None:
    gateway = start(workers=2, reuse_port=True)
    asked = 24
    for number in range(asked):
        assert gateway.ask(f"Hello {number}")["usage"]["completion_tokens"]
    ok = {"endpoint": "openai.chat", "status": "200"}
    until(lambda: metric(gateway, "bpu_http_requests_total", **ok) == asked)
    written = {path.stem.rpartition("_")[2] for path in shares(gateway).glob("counter_*.db")}
    assert {str(worker.pid) for worker in gateway.workers()} <= written
    assert metric(gateway, "bpu_time_to_first_token_seconds_count") == asked
    for worker in gateway.workers():
        worker.send_signal(signal.SIGKILL)
    until(lambda: len(gateway.workers()) == 2 and gateway.state() == "ready")
    assert metric(gateway, "bpu_http_requests_total", **ok) == asked


def test_the_files_lie_in_memory_and_are_gone_at_the_end(start: Callable[..., Gateway]) -> None:
    gateway = start()
    folder = shares(gateway)
    kinds = {line.split()[1]: line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()}
    around = next(str(parent) for parent in folder.parents if str(parent) in kinds)
    if os.access("/dev/shm", os.W_OK) and kinds.get("/dev/shm") == "tmpfs":
        assert kinds[around] == "tmpfs"
    assert list(folder.glob("*.db"))
    gateway.stop()
    assert not folder.exists()


def test_a_gateway_that_loads_is_alive_and_not_ready(start: Callable[..., Gateway]) -> None:
    gateway = start(ready="starting", env={"BPU_CONSOLE_ARGS": "--load-seconds 600"})
    status, _, body = gateway.request("GET", "/ready")
    assert (status, json.loads(body)["reason"]) == (503, "The model is being loaded.")
    assert gateway.request("GET", "/health")[0] == 200
    with closing(gateway.open_stream("Hello")):
        until(lambda: [job["id"] for job in gateway.slots()["waiting"]])
        assert gateway.json("GET", "/slots")["slots"][0]["job"] is None


@pytest.mark.system
def test_prometheus_has_nothing_to_say_of_what_two_workers_tell(start: Callable[..., Gateway]) -> None:
    promtool = shutil.which("promtool") or pytest.skip("promtool (Debian's package prometheus) is not installed.")
    gateway = start(workers=2, reuse_port=True)
    for body in ({}, {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "Hello"}]}):
        gateway.request("POST", "/v1/chat/completions", body)
    page = gateway.request("GET", "/metrics")[2]
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_log_of_json_is_one_event_a_line_whoever_writes_it(start: Callable[..., Gateway]) -> None:
    gateway = start(env={"BPU_LOG_FORMAT": "json"})
    answer = gateway.ask("Hello Zanzibar-4711")
    gateway.stream(sim("Zanzibar-4711", tokens=300, rate=20)).until_text().close()
    lost = gateway.ask(sim("Zanzibar-4711", fault="exit=3@prefill"))
    assert lost["error"]["code"] == "engine_crashed"
    gateway.stop()
    lines = [json.loads(line) for line in gateway.log.splitlines() if line.strip()]
    requests = {line["id"]: line for line in lines if line["event"] == "request"}
    assert len(requests) == 3
    told = requests[answer["id"]]
    assert (told["client"], told["status"], told["finish"]) == ("127.0.0.1", 200, "stop")
    assert {"queued_ms", "load_ms", "prefill_ms", "decode_ms", "reasoning_tokens"} <= set(told)
    assert told["completion_tokens"] == answer["usage"]["completion_tokens"]
    assert {line.get("error") for line in requests.values()} == {None, "client_left", "engine_crashed"}
    moves = [(line["from"], line["to"]) for line in lines if line["logger"] == "bpu.engine.keeper"]
    assert {("starting", "ready"), ("ready", "busy"), ("busy", "failed"), ("stopping", "stopped")} <= set(moves)
    assert "Zanzibar" not in gateway.log


def test_nothing_waits_for_the_engine(start: Callable[..., Gateway]) -> None:
    """200 streams are open, one of them running; then the keeper is stopped dead."""
    gateway = start(env={"BPU_QUEUE_LIMIT": "300"})
    with ExitStack() as stack:
        for number in range(STREAMS):
            stack.enter_context(closing(gateway.open_stream(sim(f"Question {number}", tokens=5000, rate=5))))
        until(lambda: len(gateway.slots()["waiting"]) == STREAMS - 1)
        (keeper,) = gateway.keepers()
        keeper.suspend()
        try:
            for _ in range(20):
                assert gateway.json("GET", "/health", timeout=5)["engine"]["waiting"] == STREAMS - 1
                assert gateway.request("GET", "/ready", timeout=5)[0] == 503, "a stopped keeper is seen"
                assert len(gateway.json("GET", "/slots", timeout=5)["waiting"]) == STREAMS - 1
                assert metric(gateway, "bpu_queue_depth") == STREAMS - 1
            for path in ("/v1/logs", "/v1/events"):
                with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)) as connection:
                    connection.request("GET", path)
                    line = connection.getresponse().readline()
                    assert json.loads(line.removeprefix(b"data: "))
        finally:
            keeper.resume()
    until(lambda: not gateway.slots()["waiting"] and gateway.state() == "ready", seconds=60)
