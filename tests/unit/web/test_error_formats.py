"""Every error has the form of the API that its path belongs to, whichever layer makes it."""

from __future__ import annotations

import json
import socket
from http import HTTPStatus

import pytest

from bpu.errors import ModelNotFound, Overloaded
from bpu.server.json_error_worker import JsonErrorWorker
from bpu.web.error_formats import error_format
from tests.support.api_errors import check_anthropic_error, check_error_at, check_ollama_error
from tests.support.checker import check_error

FAMILIES = {"openai": check_error, "anthropic": check_anthropic_error, "ollama": check_ollama_error}


@pytest.mark.parametrize(
    ("path", "header", "family"),
    [
        ("/v1/chat/completions", "", "openai"),
        ("/v1/chat/completions", "anthropic-version", "openai"),
        ("/v1/models", "", "openai"),
        ("/v1/models/x", "anthropic-version", "anthropic"),
        ("/v1/messages", "", "anthropic"),
        ("/messages/count_tokens", "", "anthropic"),
        ("/v1/v1/messages", "", "anthropic"),
        ("/v1/messagesque", "", "openai"),
        ("/api/chat", "", "ollama"),
        ("//v1/api/tags", "", "ollama"),
        ("/apis", "", "openai"),
        ("*", "", "openai"),
        ("", "", "openai"),
    ],
)
def test_the_path_decides(path: str, header: str, family: str) -> None:
    body = dict(error_format(path, {header: "x"})(Overloaded("Too many."), "req_1"))
    assert FAMILIES[family](body)


@pytest.mark.parametrize("path", ["/api/chat", "/v1/messages", "/v1/chat/completions"])
def test_a_refusal_for_want_of_room_has_the_form_of_the_path(path: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = object.__new__(JsonErrorWorker)
        worker._refuse(ours, HTTPStatus.SERVICE_UNAVAILABLE, Overloaded("Full.", retry_after=5), path, [("HOST", "x")])
        head, _, data = theirs.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5" in head
    check_error_at(path, json.loads(data))
    assert b"Full." in data


def test_a_model_s_name_is_told_as_each_api_tells_it() -> None:
    error = ModelNotFound.named("llama3", ["deepseek-r1:1.5b"])
    assert error_format("/api/show", {})(error, "")["error"] == "model 'llama3' not found"
    assert (
        "This gateway serves deepseek-r1:1.5b" in error_format("/v1/messages", {})(error, "req_1")["error"]["message"]
    )
