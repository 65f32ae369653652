"""POST /v1/completions over a scripted engine: the older shape of the same answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Completion

from bpu import errors
from bpu.console.events import Done, Text
from bpu.turn import Progress
from tests.support.checker import parse_sse
from tests.support.text_checker import check_text_stream
from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine, thought

MODEL = "deepseek-r1:1.5b"
URL = "/v1/completions"


def body(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "prompt": "Hi", **fields}


def test_a_completion_in_one_piece(client: FlaskClient, engine: FakeEngine) -> None:
    response = client.post(URL, json=body())
    answer = Completion.model_validate(response.json)
    assert (answer.object, answer.choices[0].text, answer.choices[0].finish_reason) == (
        "text_completion",
        "Hello!",
        "stop",
    )
    assert answer.id == response.headers["x-request-id"]
    assert answer.id.startswith("cmpl-")
    assert engine.jobs[0].turn.line == b"Hi"
    assert engine.jobs[0].closed


@pytest.mark.parametrize("wanted", [True, False])
def test_a_stream(client: FlaskClient, wanted: bool) -> None:
    response = client.post(URL, json=body(stream=True, stream_options={"include_usage": wanted}))
    assert check_text_stream(response.data, {"stream_options": {"include_usage": wanted}}) == "Hello!"
    chunks = parse_sse(response.data)
    assert [one["finish_reason"] for chunk in chunks for one in chunk["choices"] if one["finish_reason"]] == ["stop"]
    assert (chunks[-1]["choices"] == []) is wanted


def test_silence_sends_a_chunk_without_text(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = [Progress("prefill"), Text("</think>Yes"), Done()]
    texts = [one["choices"][0]["text"] for one in parse_sse(client.post(URL, json=body(stream=True)).data)]
    assert texts == ["", "", "Yes", ""]


def test_reasoning_is_left_out_but_for_the_think_model(client: FlaskClient) -> None:
    assert client.post(URL, json=body(model=f"{MODEL}-think")).json["choices"][0]["text"] == (
        "<think>\nHm.\n</think>\n\nHello!"
    )


def test_the_prompt_comes_first_when_it_is_to_be_echoed(client: FlaskClient) -> None:
    assert client.post(URL, json=body(echo=True)).json["choices"][0]["text"] == "HiHello!"
    chunks = parse_sse(client.post(URL, json=body(echo=True, stream=True)).data)
    assert chunks[0]["choices"][0]["text"] == "Hi"


def test_one_prompt_in_an_array_limits_and_stops(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = thought("", "one two three")
    answer = client.post(URL, json=body(prompt=["Hi"], stop=" three")).json["choices"][0]
    assert (answer["text"], answer["finish_reason"]) == ("one two", "stop")
    assert client.post(URL, json=body(max_tokens=1)).json["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"n": 2}, "n"),
        ({"max_tokens": "many"}, "max_tokens"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(client: FlaskClient, fields: dict[str, Any], param: str) -> None:
    response = client.post(URL, json=body(**fields))
    assert response.status_code == 400
    assert response.json["error"]["param"] == param


def test_missing_prompt_unknown_model_too_long(serve: Serve) -> None:
    client = serve(context_size=64)
    assert client.post(URL, json={"model": MODEL}).json["error"]["code"] == "missing_required_parameter"
    assert client.post(URL, json=body(model="gpt-4")).status_code == 404
    error = client.post(URL, json=body(prompt="word " * 200)).json["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "prompt")


def test_what_has_no_effect_is_named(client: FlaskClient) -> None:
    response = client.post(URL, json=body(temperature=0.5, logprobs=3))
    assert response.headers["X-BPU-Ignored"] == "temperature, logprobs"


def test_an_error_in_a_stream(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = [Text("</think>Well"), errors.EngineCrashed("Gone.")]
    events = parse_sse(client.post(URL, json=body(stream=True)).data)
    assert json.dumps(events[-1]) == json.dumps(errors.EngineCrashed("Gone.").body())
