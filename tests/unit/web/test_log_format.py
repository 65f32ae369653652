"""The log: one line an event, facts and counts, and none of what people wrote, unless that was asked for."""

from __future__ import annotations

import json
import logging
import logging.config
import sys
from typing import Any

import pytest

from bpu.console.events import Text
from bpu.errors import EngineCrashed
from bpu.log_format import JsonFormatter, TextFormatter, config, loss_line, where
from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine, Step, thought

CHAT = "/v1/chat/completions"
SECRET = "Zanzibar"


def body(text: str = SECRET, **fields: Any) -> dict[str, Any]:
    return {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": text}], **fields}


def record(message: str, facts: Any = None, error: bool = False) -> logging.LogRecord:
    made = logging.LogRecord("bpu.test", logging.INFO, __file__, 1, message, (), sys.exc_info() if error else None)
    made.facts = facts
    return made


def test_a_line_of_json() -> None:
    line = json.loads(JsonFormatter().format(record("request", {"id": "x", "ms": 1.5, "path": "/a\nb"})))
    assert line.pop("time").endswith("+00:00")
    assert line.pop("pid") > 0
    assert line == {"level": "info", "logger": "bpu.test", "event": "request", "id": "x", "ms": 1.5, "path": "/a\nb"}


def test_a_traceback_is_part_of_its_line_of_json() -> None:
    try:
        raise KeyError("x")
    except KeyError:
        text = JsonFormatter().format(record("oh", error=True))
    assert "\n" not in text
    assert "KeyError" in json.loads(text)["traceback"]


def test_a_line_of_text() -> None:
    assert TextFormatter().format(record("request", {"id": "x", "error": None})).endswith(" INFO request id=x")
    assert TextFormatter().format(record("hello")).endswith(" INFO hello")


def test_where_an_error_was_never_quotes_it() -> None:
    try:
        int(SECRET)
    except ValueError as error:
        text = where(error)
    assert "ValueError" in text
    assert "test_log_format.py" in text
    assert SECRET not in text.replace("int(SECRET)", "")


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_configuration_can_be_used(form: Any) -> None:
    logging.config.dictConfig({**config(form), "loggers": {}, "root": {"level": "WARNING", "handlers": []}})
    assert logging.getLogger().level == logging.WARNING


def test_one_line_a_request_with_phases_and_counts(client: FlaskClient, request_log: Any) -> None:
    response = client.post(CHAT, json=body(stream=True))
    (line,) = request_log()
    assert line["id"] == response.headers["x-request-id"]
    assert (line["client"], line["method"], line["path"], line["status"]) == ("127.0.0.1", "POST", CHAT, 200)
    assert (line["queued_ms"], line["prefill_ms"], line["decode_ms"], line["load_ms"]) == (250, 500, 2000, 0)
    assert line["prompt_tokens"] > 0
    assert line["completion_tokens"] > line["reasoning_tokens"] > 0
    assert (line["finish"], line["error"]) == ("stop", None)


def test_probes_are_not_in_the_log(client: FlaskClient, request_log: Any) -> None:
    for path in ("/health", "/ready", "/slots", "/metrics"):
        client.get(path)
    assert request_log() == []


def test_an_address_cannot_forge_a_line(client: FlaskClient, request_log: Any) -> None:
    client.get("/a%0Arequest id=forged")
    assert [line["path"] for line in request_log()] == ["/a%0Arequest%20id%3Dforged"]


def hears(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged, in both forms."""
    return "".join(TextFormatter().format(one) + JsonFormatter().format(one) for one in caplog.records)


@pytest.mark.parametrize("stream", [False, True])
def test_no_word_of_prompt_or_answer_is_logged_or_repeated_in_an_error(
    serve: Serve, engine: FakeEngine, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    client = serve()
    broken = RuntimeError(f"the answer was {SECRET}")
    with caplog.at_level(logging.DEBUG):
        engine.script = thought(SECRET, SECRET)
        assert client.post(CHAT, json=body(stream=stream)).status_code == 200
        scripts: list[list[Step]] = [[Text(SECRET), EngineCrashed("It fell.")], [Text(SECRET), broken], [broken]]
        for script in scripts:
            engine.script = script
            failed = client.post(CHAT, json=body(stream=stream))
            errors = [one for one in failed.text.split("\n") if '"error"' in one]
            assert errors
            assert SECRET not in "".join(errors)
        engine.script = thought("Hm.", "Hello!")
        for wrong in (
            {**body(), "temperature": SECRET},
            body(stop=[{SECRET: 1}]),
            {**body(), "model": 7},
            body(n=SECRET),
        ):
            refused = client.post(CHAT, json=wrong)
            assert refused.status_code in (200, 400)
            assert refused.status_code == 200 or SECRET not in refused.text
        client.post(CHAT, data=SECRET, content_type="application/json")
        client.get("/v1/models", headers={"Authorization": f"Bearer {SECRET}"})
    assert caplog.records
    assert SECRET not in hears(caplog)
    for path in ("/health", "/slots", "/metrics", "/ready"):
        assert SECRET not in client.get(path).text


def test_prompts_and_answers_are_logged_when_that_was_asked_for(
    serve: Serve, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.script = thought("Hm.", "Timbuktu")
    with caplog.at_level(logging.INFO, "bpu"):
        client = serve(log_prompts=True)
        client.post(CHAT, json=body())
    assert SECRET in hears(caplog)
    assert "Timbuktu" in hears(caplog)


def test_lost_lines_are_told_in_the_form_of_the_log() -> None:
    assert json.loads(loss_line("json")(7))["event"] == "7 log lines before this one could not be written."
    assert loss_line("text")(7) == "7 log lines before this one could not be written.\n"
