"""`GET /metrics`: what is counted, what the engine and the board tell, and the rules of Prometheus' own checker."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bpu.console.events import Done, Event, Text
from bpu.errors import ClientLeft, EngineCrashed, QueueFull
from bpu.turn import Progress, Timing
from bpu.web.request_log import RequestRecord
from bpu.web.request_metrics import RequestMetrics
from tests.unit.web.conftest import Serve
from tests.unit.web.fakes import FakeEngine

CHAT = "/v1/chat/completions"
BODY = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "Good day"}]}


def samples(client: Any) -> dict[str, float]:
    """`{'name{label="value"}': value}` of everything on the page."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=0.0.4")
    return read(response.text)


def read(text: str) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_counted(serve: Serve, stream: bool) -> None:
    client = serve()
    answer = client.post(CHAT, json={**BODY, "stream": stream})
    assert answer.status_code == 200
    found = samples(client)
    assert found['bpu_http_requests_total{endpoint="openai.chat",status="200"}'] == 1
    assert found["bpu_prompt_tokens_total"] > 0
    assert found["bpu_completion_tokens_total"] > found["bpu_reasoning_tokens_total"] > 0
    assert found["bpu_queue_wait_seconds_sum"] == 0.25
    assert found["bpu_time_to_first_token_seconds_count"] == 1
    assert found["bpu_token_gap_seconds_count"] > 1
    assert found["bpu_prefill_tokens_per_second_count"] == found["bpu_decode_tokens_per_second_count"] == 1


def test_refusals_failures_and_those_who_leave_are_told_apart(serve: Serve, engine: FakeEngine) -> None:
    client = serve(api_keys="secret")
    key = {"Authorization": "Bearer secret"}
    client.post(CHAT, json=BODY)
    client.post(CHAT, json={}, headers=key)
    engine.refusal = QueueFull("Full.", retry_after=3)
    client.post(CHAT, json=BODY, headers=key)
    engine.refusal, engine.script = None, [Progress("prefill"), EngineCrashed("It fell.")]
    client.post(CHAT, json=BODY, headers=key)
    engine.script = [Progress("queued"), Progress("prefill"), ClientLeft("Gone.")]
    client.post(CHAT, json=BODY, headers=key)
    engine.script = [Progress("prefill"), Text("One "), ClientLeft("Gone.")]
    client.post(CHAT, json={**BODY, "stream": True}, headers=key)
    found = read(client.get("/metrics", headers=key).text)
    assert {name: value for name, value in found.items() if re.match("bpu_(rejects|cancels|failures)_total", name)} == {
        'bpu_rejects_total{reason="invalid_api_key"}': 1,
        'bpu_rejects_total{reason="missing_required_parameter"}': 1,
        'bpu_rejects_total{reason="queue_full"}': 1,
        'bpu_failures_total{reason="engine_crashed"}': 1,
        'bpu_cancels_total{phase="prefill"}': 1,
        'bpu_cancels_total{phase="decode"}': 1,
    }


def test_an_unknown_address_makes_no_label_of_its_own(serve: Serve) -> None:
    client = serve()
    for path in ("/one", "/two"):
        client.get(path)
    assert samples(client)['bpu_http_requests_total{endpoint="none",status="404"}'] == 2


def test_the_engine_is_told_as_it_is(serve: Serve, engine: FakeEngine) -> None:
    engine.picture.update(
        state="busy", loads=3, restarts={"stall": 2}, running={"id": "x"}, waiting=[{"id": "y"}, {"id": "z"}]
    )
    found = samples(serve())
    assert [name for name, value in found.items() if name.startswith("bpu_engine_state") and value] == [
        'bpu_engine_state{state="busy"}'
    ]
    assert (found["bpu_queue_depth"], found["bpu_jobs_running"], found["bpu_engine_loads_total"]) == (2, 1, 3)
    assert found['bpu_engine_restarts_total{cause="stall"}'] == 2


def test_what_a_board_does_not_tell_is_left_out(serve: Serve) -> None:
    client = serve()
    ctx = client.application.extensions["bpu"]
    object.__setattr__(ctx, "read_sensors", dict)
    assert not [name for name in samples(client) if name.startswith("bpu_board")]
    board = {
        "memory": [{"name": "RAM", "used": 3, "total": 9}, {"name": "ion_cma", "used": None, "total": 7}],
        "bpu_percent": [25, 100],
        "temperatures": [{"name": "cpu", "celsius": 51}],
    }
    object.__setattr__(ctx, "read_sensors", lambda: board)
    assert {name: value for name, value in samples(client).items() if name.startswith("bpu_board")} == {
        'bpu_board_memory_bytes{pool="RAM"}': 9,
        'bpu_board_memory_bytes{pool="ion_cma"}': 7,
        'bpu_board_memory_used_bytes{pool="RAM"}': 3,
        'bpu_board_bpu_load_ratio{core="0"}': 0.25,
        'bpu_board_bpu_load_ratio{core="1"}': 1,
        'bpu_board_temperature_celsius{zone="cpu"}': 51,
    }


def test_times_are_taken_where_the_tokens_pass() -> None:
    now = [10.0]
    metrics, record = RequestMetrics(lambda: now[0]), RequestRecord("id", "POST", CHAT, "127.0.0.1", started=10.0)
    script: list[Event | Progress] = [Progress("prefill"), Text("a"), Text("b"), Done()]
    times = metrics.token_times(record)
    for seconds, event in zip((0.0, 2.0, 0.5, 0.0), script, strict=True):
        now[0] += seconds
        times.on_event(event)
    times.close()  # as when a client leaves
    value = metrics.registry().get_sample_value
    assert value("bpu_time_to_first_token_seconds_sum") == 2.0
    assert (value("bpu_token_gap_seconds_count"), value("bpu_token_gap_seconds_sum")) == (1, 0.5)
    assert record.phase == "decode"


def test_a_job_that_never_ran_has_no_speed() -> None:
    metrics, record = RequestMetrics(), RequestRecord("id", "POST", CHAT, "127.0.0.1", started=0.0)
    idle = Timing()
    record.facts.update(queued_ms=idle.queued_s, prefill_ms=0.0, decode_ms=0.0, prompt_tokens=9)
    metrics.count(record)
    assert metrics.registry().get_sample_value("bpu_prefill_tokens_per_second_count") == 0


def test_every_metric_of_the_page_is_explained_and_none_is_missing(serve: Serve, engine: FakeEngine) -> None:
    client = serve()
    engine.picture.update(restarts={"stall": 2}, load_s=3.5)
    board = {
        "memory": [{"name": "RAM", "used": 3, "total": 9}],
        "bpu_percent": [25],
        "temperatures": [{"name": "cpu", "celsius": 51}],
    }
    object.__setattr__(client.application.extensions["bpu"], "read_sensors", lambda: board)
    page = client.get("/metrics").text
    told = {name for name in re.findall(r"^# TYPE (\w+) \w+$", page, re.MULTILINE) if not name.endswith("_created")}
    table = (Path(__file__).parents[3] / "docs" / "observing.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`(bpu_\w+)`", table))
    assert told == explained


@pytest.mark.system
def test_the_names_follow_the_conventions(serve: Serve, engine: FakeEngine) -> None:
    """Prometheus' own checker has nothing to say of a page with every metric on it."""
    promtool = shutil.which("promtool") or pytest.skip("promtool (Debian's package prometheus) is not installed.")
    client = serve()
    engine.picture["restarts"] = {"stall": 2}
    client.post(CHAT, json=BODY)
    client.post(CHAT, json={})
    engine.script = [ClientLeft("Gone.")]
    client.post(CHAT, json=BODY)
    engine.script = [EngineCrashed("It fell.")]
    client.post(CHAT, json=BODY)
    page = client.get("/metrics").data
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
