"""POST /v1/chat/completions over a scripted engine: both modes, errors before and after the first byte."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from bpu import errors
from bpu.console.events import Done, RunError, Text
from bpu.turn import Progress, TimeLimitReached
from tests.support.api_errors import check_error_at
from tests.support.checker import check_stream, parse_sse
from tests.unit.web.chats import MODEL, URL, body, streamed
from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine, Step, thought


def test_a_completion_in_one_piece_is_what_openai_defines(client: FlaskClient, engine: FakeEngine) -> None:
    response = client.post(URL, json=body())
    answer = ChatCompletion.model_validate(response.json)
    message = answer.choices[0].message
    assert response.status_code == 200
    assert response.content_type == "application/json; charset=utf-8"
    assert (message.role, message.content, answer.choices[0].finish_reason) == ("assistant", "Hello!", "stop")
    assert response.json["choices"][0]["message"]["reasoning_content"] == "Hm."
    assert answer.id == response.headers["x-request-id"] == engine.jobs[0].id
    assert answer.id.startswith("chatcmpl-")
    assert engine.jobs[0].closed


def test_a_stream_is_what_openai_defines(client: FlaskClient, engine: FakeEngine) -> None:
    response = client.post(URL, json=body(stream=True))
    seen = check_stream(response.data, body())
    chunks = parse_sse(response.data)
    assert (seen["reasoning"], seen["content"], seen["finish_reason"]) == ("Hm.", "Hello!", "stop")
    assert {chunk["id"] for chunk in chunks} == {response.headers["x-request-id"]} == {engine.jobs[0].id}
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert engine.jobs[0].closed


def test_usage_in_a_chunk_of_its_own_when_asked_for(client: FlaskClient) -> None:
    asked = body(stream=True, stream_options={"include_usage": True})
    assert check_stream(client.post(URL, json=asked).data, asked)["usage"]["completion_tokens"] > 0


def test_each_event_is_a_write_of_its_own_and_the_role_comes_before_the_engine(
    client: FlaskClient, engine: FakeEngine
) -> None:
    engine.script = [AssertionError("the engine must not be asked yet")]
    response = client.post(URL, json=body(stream=True), buffered=False)
    first = next(response.iter_encoded())
    assert json.loads(first.removeprefix(b"data: "))["choices"][0]["delta"] == {
        "role": "assistant",
        "content": "",
    }
    response.close()
    assert engine.jobs[0].closed


@pytest.mark.parametrize("text", ["你好，世界", "👩‍🚀 𝄞", "line\u2028separator\u0085and\u2029more", "é" * 50])
def test_any_text_goes_round(client: FlaskClient, engine: FakeEngine, text: str) -> None:
    engine.script = thought(text, text)
    seen = check_stream(streamed(client, text=text), body())
    assert (seen["reasoning"], seen["content"]) == (text, text)
    assert "\\n".join(text.splitlines()) in engine.jobs[0].turn.line.decode()


def test_the_think_model_has_its_reasoning_inline(client: FlaskClient) -> None:
    answer = client.post(URL, json={**body(), "model": f"{MODEL}-think"}).json
    assert answer["choices"][0]["message"]["content"] == "<think>\nHm.\n</think>\n\nHello!"
    asked = {**body(stream=True), "model": f"{MODEL}-think"}
    assert check_stream(client.post(URL, json=asked).data, asked)["content"] == "<think>\nHm.\n</think>\n\nHello!"


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (errors.QueueFull("Full.", retry_after=7.2), 429, "queue_full"),
        (errors.EngineUnavailable("No memory."), 424, "engine_unavailable"),
        (errors.EngineStopping("Stopping.", retry_after=500), 503, "engine_unavailable"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_is_a_true_status(
    client: FlaskClient, engine: FakeEngine, refusal: errors.BpuError, status: int, code: str, stream: bool
) -> None:
    engine.refusal = refusal
    response = client.post(URL, json=body(stream=stream))
    assert (response.status_code, response.json["error"]["code"]) == (status, code)
    assert set(response.json["error"]) == {"message", "type", "param", "code"}
    wanted = None if refusal.retry_after is None else str(refusal.retry_after)
    assert response.headers.get("Retry-After") == wanted


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (errors.EngineCrashed("SIGSEGV."), 502, "engine_crashed"),
        (errors.EngineTimeout("Silence."), 504, "engine_timeout"),
        (errors.JobCancelled("Cancelled."), 499, "job_cancelled"),
        (errors.QueueTimeout("Too long.", retry_after=30), 503, "queue_timeout"),
        (ValueError("secret words"), 500, "internal_error"),
    ],
)
def test_a_failure_on_the_way(
    client: FlaskClient, engine: FakeEngine, failure: Exception, status: int, code: str
) -> None:
    engine.script = [Progress("prefill"), Text("I was abou"), failure]
    whole = client.post(URL, json=body())
    assert (whole.status_code, whole.json["error"]["code"]) == (status, code)
    seen = check_stream(streamed(client), body(), error=True)
    assert seen["error"]["code"] == code
    assert "secret" not in str(seen["error"]) + whole.text
    assert all(job.closed for job in engine.jobs)


def test_the_consoles_own_error_is_an_error_in_both_modes(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = [RunError("run error")]
    assert client.post(URL, json=body()).status_code == 502
    assert check_stream(streamed(client), body(), error=True)["error"]["code"] == "engine_crashed"


def test_an_answer_cut_by_the_time_limit_is_length_not_an_error(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = [Text("Hm.\n</think>\n\nHel"), TimeLimitReached()]
    assert client.post(URL, json=body()).json["choices"][0]["finish_reason"] == "length"
    assert check_stream(streamed(client), body())["finish_reason"] == "length"


def test_a_token_limit_ends_the_answer_and_frees_the_job(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = [Text("one two three four five six seven"), AssertionError("nobody reads on")]
    answer = client.post(URL, json=body(max_tokens=2)).json
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 2
    assert engine.jobs[0].closed


class TestRequests:
    @pytest.mark.parametrize("missing", ["model", "messages"])
    def test_a_missing_field(self, client: FlaskClient, missing: str) -> None:
        asked = body()
        del asked[missing]
        response = client.post(URL, json=asked)
        assert (response.status_code, response.json["error"]["param"]) == (400, missing)

    def test_an_unknown_model(self, client: FlaskClient) -> None:
        response = client.post(URL, json={**body(), "model": "gpt-4o"})
        assert (response.status_code, response.json["error"]["code"]) == (404, "model_not_found")

    def test_too_long_a_conversation(self, serve: Serve, engine: FakeEngine) -> None:
        response = serve(context_size=512).post(URL, json=body(text="word " * 600))
        assert (response.status_code, response.json["error"]["code"]) == (400, "context_length_exceeded")
        assert response.json["error"]["message"].startswith("This model's maximum context length is 512 tokens")
        assert engine.jobs == []

    def test_what_has_no_effect_is_named(self, client: FlaskClient) -> None:
        response = client.post(URL, json=body(temperature=0.2, seed=1, unknown_field=[]))
        assert response.headers["X-BPU-Ignored"] == "temperature, seed"
        assert "X-BPU-Ignored" not in client.post(URL, json=body()).headers

    def test_trimmed_history_is_named(self, serve: Serve, engine: FakeEngine) -> None:
        turns = [
            {"role": role, "content": f"{number} " + "word " * 200}
            for number in range(40)
            for role in ("user", "assistant")
        ]
        asked = {"model": MODEL, "messages": [*turns, {"role": "user", "content": "And now?"}]}
        response = serve(history="trim", line_limit=0).post(URL, json=asked)
        assert response.status_code == 200
        assert int(response.headers["X-BPU-History-Trimmed"]) > 0


class TestKeepAlive:
    WAITING: tuple[Step, ...] = (Progress("queued", 2), Progress("loading"), Progress("prefill"))

    def events(self, serve: Serve, engine: FakeEngine, form: str) -> bytes:
        engine.script = [*self.WAITING, Text("Hm.\n</think>\n\nHello!"), Done()]
        return streamed(serve(keepalive=form, keepalive_s=3.5))

    def test_chunks(self, serve: Serve, engine: FakeEngine) -> None:
        assert check_stream(self.events(serve, engine, "chunk"), body())["keepalives"] == 3
        assert engine.jobs[0].asked_silence == [3.5]

    def test_comments(self, serve: Serve, engine: FakeEngine) -> None:
        data = self.events(serve, engine, "comment")
        assert data.count(b": keep-alive\n\n") == 3
        assert check_stream(data, body())["keepalives"] == 0

    def test_off(self, serve: Serve, engine: FakeEngine) -> None:
        data = self.events(serve, engine, "off")
        assert b"keep-alive" not in data
        assert check_stream(data, body())["keepalives"] == 0


def test_a_prompt_that_is_too_long_says_how_much_the_tools_take(serve: Serve) -> None:
    tool = {"type": "function", "function": {"name": "look", "description": "word " * 50}}
    message = serve(context_size=64).post(URL, json=body(tools=[tool])).json["error"]["message"]
    found = re.search(r"resulted in (\d+) tokens \((\d+) in the messages, (\d+) in the functions\)", message)
    assert found
    whole, messages, functions = map(int, found.groups())
    assert whole == messages + functions
    assert functions > 50


def test_a_prompt_too_long_for_the_console_s_line_says_it_in_bytes(serve: Serve) -> None:
    tool = {"type": "function", "function": {"name": "look", "description": "word " * 50}}
    message = serve(line_limit=200).post(URL, json=body(tools=[tool])).json["error"]["message"]
    assert re.search(r"bytes \(\d+ in the messages, \d+ in the functions\)", message)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": []}, "`messages` must hold at least 1 item(s)."),
        ({"messages": "Hi"}, "`messages` must be an array."),
        ({"messages": ["Hi"]}, "`messages.0` must be an object."),
        ({"messages": [{"role": "cat", "content": "x"}]},
         "`messages.0.role` must be 'system', 'user', 'assistant' or 'tool'."),
        ({"max_tokens": "many"}, "`max_tokens` must be a whole number."),
        ({"n": 2}, "`n` must be at most 1."),
        ({"stream": "perhaps"}, "`stream` must be true or false."),
        ({"model": 5}, "`model` must be a string."),
        ({"model": ""}, "`model` must hold at least 1 character(s)."),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_words_of_json(client: FlaskClient, fields: dict[str, Any], words: str) -> None:
    assert client.post(URL, json={**body(), **fields}).json["error"]["message"] == words


def test_web_search_options_that_ask_for_nothing_are_named_as_ignored(client: FlaskClient) -> None:
    response = client.post(URL, json=body(web_search_options={}))
    assert (response.status_code, response.headers["X-BPU-Ignored"]) == (200, "web_search_options")
    assert client.post(URL, json=body(web_search_options={"a": 1})).status_code == 400


@pytest.mark.parametrize("path", [URL, "/v1/messages", "/api/chat"])
def test_a_compressed_body_is_refused(client: FlaskClient, path: str) -> None:
    data = gzip.compress(json.dumps(body()).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    response = client.post(path, data=data, headers=headers)
    assert response.status_code == 415
    check_error_at(path, response.json)
    headers["Content-Encoding"] = "identity"
    assert client.post(path, data=json.dumps(body(max_tokens=99)), headers=headers).status_code == 200


def test_a_job_that_was_cancelled_is_no_error_that_clients_repeat(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = [Progress("prefill"), errors.JobCancelled("The job was cancelled.")]
    for path in (URL, "/v1/messages"):
        response = client.post(path, json=body(max_tokens=99))
        assert response.status_code == 499
        check_error_at(path, response.json)
