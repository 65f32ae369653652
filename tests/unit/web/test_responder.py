"""From a chat request to its response: the job is closed on every way out, and one line of the log tells of it."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from bpu import errors
from tests.support.checker import check_stream
from tests.unit.web.chats import MODEL, URL, RequestLog, body, streamed
from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine, thought


class TestLettingGo:
    def test_a_stream_that_is_never_read(self, client: FlaskClient, engine: FakeEngine) -> None:
        client.post(URL, json=body(stream=True), buffered=False).close()
        assert engine.jobs[0].closed

    def test_a_stream_that_is_left_in_the_middle(
        self, client: FlaskClient, engine: FakeEngine, request_log: RequestLog
    ) -> None:
        response = client.post(URL, json=body(stream=True), buffered=False)
        events = iter(response.response)
        for _ in range(3):
            next(events)
        response.close()
        assert engine.jobs[0].closed
        assert request_log()[0]["error"] == "client_left"

    def test_a_response_that_fails_after_the_view(self, serve: Serve, engine: FakeEngine) -> None:
        client = serve()

        @client.application.after_request
        def broken(response: object) -> None:
            raise RuntimeError("after the view")

        client.application.config["PROPAGATE_EXCEPTIONS"] = False
        assert client.post(URL, json=body(stream=True)).status_code == 500
        assert engine.jobs[0].closed

    def test_a_refused_body_never_reaches_the_engine(self, client: FlaskClient, engine: FakeEngine) -> None:
        assert client.post(URL, json={"model": MODEL}).status_code == 400
        assert engine.jobs == []


class TestSimulated:
    def test_a_simulated_answer_is_marked(self, client: FlaskClient, engine: FakeEngine) -> None:
        engine.picture["simulated"] = True
        response = client.post(URL, json=body())
        assert response.headers["X-BPU-Simulated"] == "1"
        assert response.json["system_fingerprint"] == "simulator"

    def test_a_real_one_is_not(self, client: FlaskClient) -> None:
        response = client.post(URL, json=body())
        assert "X-BPU-Simulated" not in response.headers
        assert "simulator" not in response.text


NAMING = (
    "Based on the chat history, give this conversation a name.\nKeep it short - 10 characters max.\n"
    "Conversation:\n```\nMake me a timetable\n\n---------\n\nSure!\n```\nThe name is:"
)


class TestSideRequests:
    @pytest.mark.parametrize("stream", [True, False])
    def test_a_conversations_name_costs_no_job(self, client: FlaskClient, engine: FakeEngine, stream: bool) -> None:
        response = client.post(URL, json=body(text=NAMING, stream=stream))
        assert response.headers["X-BPU-Answered-By"] == "gateway"
        assert engine.jobs == []
        if stream:
            assert check_stream(response.data, body())["content"]
        else:
            assert ChatCompletion.model_validate(response.json).choices[0].message.content

    def test_the_engine_answers_when_it_is_told_to(self, serve: Serve, engine: FakeEngine) -> None:
        response = serve(side_requests="engine").post(URL, json=body(text=NAMING))
        assert "X-BPU-Answered-By" not in response.headers
        assert len(engine.jobs) == 1


class TestLog:
    def test_one_line_with_counts_and_phases(self, client: FlaskClient, request_log: RequestLog) -> None:
        answer = client.post(URL, json=body(text="a secret question"))
        (line,) = request_log()
        assert line["id"] == answer.json["id"]
        assert (line["method"], line["path"], line["status"], line["finish"]) == ("POST", URL, 200, "stop")
        assert line["prompt_tokens"] == answer.json["usage"]["prompt_tokens"]
        assert line["queued_ms"] == 250.0
        assert "secret" not in str(line)

    def test_words_are_logged_only_on_demand(
        self, serve: Serve, caplog: pytest.LogCaptureFixture, engine: FakeEngine
    ) -> None:
        engine.script = [ValueError("the secret answer")]
        with caplog.at_level("DEBUG"):
            serve().post(URL, json=body(text="a secret question"))
        assert "secret question" not in caplog.text
        with caplog.at_level("INFO", "bpu"):
            serve(log_prompts=True).post(URL, json=body(text="a secret question"))
        assert "secret question" in str([getattr(record, "facts", "") for record in caplog.records])

    def test_a_failed_stream_has_its_code(
        self, client: FlaskClient, engine: FakeEngine, request_log: RequestLog
    ) -> None:
        engine.script = [errors.EngineCrashed("SIGSEGV.")]
        streamed(client)
        assert request_log()[0]["error"] == "engine_crashed"


def test_the_words_of_an_answer_that_does_not_fit_are_in_this_client_s_body_alone(
    client: FlaskClient, engine: FakeEngine, request_log: Any, caplog: pytest.LogCaptureFixture
) -> None:
    engine.script = thought("Hm.", "A private sentence.")
    wanted = {"type": "json_object"}
    ways: tuple[dict[str, Any], ...] = ({}, {"stream": True})
    for fields in ways:
        response = client.post(URL, json=body(response_format=wanted, **fields))
        assert b'"output": "A private sentence."' in response.data.replace(b'"output":"', b'"output": "')
        assert b"invalid_request_error" in response.data
    assert [facts["error"] for facts in request_log()] == ["response_format_failed"] * 2
    assert "private" not in caplog.text
    assert "private" not in str(request_log())
    assert b"private" not in client.get("/health").data
