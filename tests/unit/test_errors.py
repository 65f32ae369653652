"""Every error has a status, a type and a code on the wire, and an exit code at the terminal."""

from __future__ import annotations

import inspect

import pytest

from bpu import errors
from bpu.errors import BadRequest, BpuError, ContextLengthExceeded, QueueFull

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BpuError)]
#: What clients rely on, by class: HTTP status, OpenAI type, code.
TABLE = {
    "BadRequest": (400, "invalid_request_error", "invalid_value"),
    "ContextLengthExceeded": (400, "invalid_request_error", "context_length_exceeded"),
    "InvalidApiKey": (401, "authentication_error", "invalid_api_key"),
    "Forbidden": (403, "permission_error", "forbidden"),
    "ModelNotFound": (404, "invalid_request_error", "model_not_found"),
    "JobCancelled": (499, "server_error", "job_cancelled"),
    "AnswerUnfit": (422, "invalid_request_error", "response_format_failed"),
    "ToolCallUnfit": (422, "invalid_request_error", "tool_call_failed"),
    "EngineUnavailable": (424, "server_error", "engine_unavailable"),
    "SettingsError": (424, "server_error", "invalid_settings"),
    "QueueFull": (429, "rate_limit_error", "queue_full"),
    "BpuError": (500, "server_error", "internal_error"),
    "EngineCrashed": (502, "server_error", "engine_crashed"),
    "EngineStopping": (503, "server_error", "engine_unavailable"),
    "QueueTimeout": (503, "server_error", "queue_timeout"),
    "EngineTimeout": (504, "server_error", "engine_timeout"),
}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_status_type_and_code_on_the_wire(name: str) -> None:
    error = getattr(errors, name)("It happened. Do this.")
    assert (error.status, error.type, error.code) == TABLE[name]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code_and_the_four_keys(kind: type[BpuError]) -> None:
    error = kind("It happened. Do this.")
    assert error.exit_code in {1, 2, 3}
    assert error.body()["error"] == {
        "message": "It happened. Do this.",
        "type": error.type,
        "param": None,
        "code": error.code,
    }
    assert str(error) == "It happened. Do this."


def test_a_code_of_its_own_changes_this_error_alone() -> None:
    error = BadRequest("The body is not JSON.", code="invalid_json", param="body")
    assert error.body()["error"]["code"] == "invalid_json"
    assert error.body()["error"]["param"] == "body"
    assert BadRequest("x").code == "invalid_value"


@pytest.mark.parametrize(("asked", "sent"), [(None, None), (0, 1), (-3, 1), (0.2, 1), (4.1, 5), (60, 60), (3600, 60)])
def test_retry_after_is_whole_seconds_that_clients_obey(asked: float | None, sent: int | None) -> None:
    assert QueueFull("Too many wait.", retry_after=asked).retry_after == sent


def test_overflow_says_both_numbers_in_the_words_that_clients_know() -> None:
    by_tokens = ContextLengthExceeded.tokens(4096, 5000)
    assert by_tokens.message == (
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens. "
        "Please reduce the length of the messages."
    )
    by_bytes = ContextLengthExceeded.bytes(10238, 20000, 4096)
    assert by_bytes.message.startswith("This model's maximum context length is 4096 tokens")
    assert "10238" in by_bytes.message
    assert "20000" in by_bytes.message
    assert by_tokens.param == by_bytes.param == "messages"


def test_overflow_says_how_much_the_tools_take() -> None:
    error = ContextLengthExceeded.tokens(4096, 5000).with_tools(1200)
    assert error.message == (
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens "
        "(3800 in the messages, 1200 in the functions). Please reduce the length of the messages or functions."
    )
    assert str(error) == error.message
