"""Counts and speeds are in every answer of every endpoint, whole or streamed, and agree with each other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bpu.console.events import Done, Stats, Text
from tests.unit.web.bodies import ENDPOINTS
from tests.unit.web.conftest import FlaskClient
from tests.unit.web.fakes import FakeEngine

#: The endpoints of the family that has `usage` and `timings`; the other two have figures of their own.
OPENAI = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
SAID = [Text("Hm."), Text("</think>\n\nHello"), Text(" there")]
PRINTED = Stats(prefill_per_second=600.0, decode_per_second=17.0, decode_tokens=8)


def figures(client: FlaskClient, path: str, stream: bool) -> tuple[dict[str, int], dict[str, float]]:
    """Usage and timings, as the answer's last event or its one body has them."""
    data = client.post(path, json={**ENDPOINTS[path][0], "stream": stream}).data
    if stream:
        events = [line[6:] for line in data.splitlines() if line.startswith(b"data: {")]
        last: dict[str, Any] = json.loads(events[-1])
        last = last.get("response", last)
    else:
        last = json.loads(data)
    return last["usage"], last["timings"]


@pytest.mark.parametrize("path", OPENAI)
@pytest.mark.parametrize("stream", [True, False])
def test_the_consoles_own_speeds_where_it_prints_them(
    client: FlaskClient, engine: FakeEngine, path: str, stream: bool
) -> None:
    engine.script = [*SAID, PRINTED, Done()]
    usage, timings = figures(client, path, stream)
    assert (timings["prompt_per_second"], timings["predicted_per_second"], timings["predicted_n"]) == (600.0, 17.0, 8)
    assert usage["total_tokens"] > usage.get("completion_tokens", usage.get("output_tokens", 0)) > 0


@pytest.mark.parametrize("path", OPENAI)
@pytest.mark.parametrize("stream", [True, False])
def test_measured_ones_where_it_does_not(client: FlaskClient, engine: FakeEngine, path: str, stream: bool) -> None:
    engine.script = [*SAID, Done()]
    usage, timings = figures(client, path, stream)
    assert (timings["prompt_ms"], timings["predicted_ms"]) == (500.0, 2000.0)
    spoken = usage.get("completion_tokens", usage.get("output_tokens"))
    assert timings["predicted_n"] == spoken
    assert timings["prompt_n"] + timings["cache_n"] == usage["total_tokens"] - timings["predicted_n"]
