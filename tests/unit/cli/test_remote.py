"""A gateway over HTTP: addresses as people type them, streams, errors, and what is not a gateway."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from bpu.chat.deltas import Content, Finish, KeepAlive, Reasoning
from bpu.cli._engine import model_id
from bpu.cli._errors import localized_message
from bpu.cli._remote import RemoteGateway, base_url
from bpu.errors import BadRequest, BpuError, EngineCrashed, EngineUnavailable, ModelNotFound


class Server(HTTPServer):
    """Answers every request with `status` and `reply`, and notes what was asked."""

    status = 200
    reply = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.reply)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *words: Any) -> None:
        """Nothing: a test's output is its own."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def stream(*chunks: object) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)


def delta(finish: str | None = None, **fields: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


@pytest.mark.parametrize(
    "typed",
    ["board:8000", "http://board:8000", "http://board:8000/", "http://board:8000/v1", " http://board:8000/v1/ "],
)
def test_an_address_is_taken_as_people_type_it(typed: str) -> None:
    assert base_url(typed) == "http://board:8000"


@pytest.mark.parametrize("typed", ["", "ftp://board", "http://", "http://board:0", "http://board:99999"])
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(BadRequest):
        base_url(typed)


def test_the_model_of_a_load_is_one_that_the_engine_knows(server: Server) -> None:
    listed = [{"id": "a", "aliases": ["one"]}, {"id": "b-think"}, {"id": "a-think"}]
    server.reply = json.dumps({"data": listed}).encode()
    assert [model_id(name, server.url, None) for name in ("a", "one", "b-think")] == ["a", "a", "b-think"]
    with pytest.raises(ModelNotFound, match=r"there are a, b-think\."):
        model_id("a-think", server.url, None)


def test_a_stream_becomes_deltas(server: Server) -> None:
    end = {
        **delta("length"),
        "usage": {"prompt_tokens": 4, "completion_tokens": 9},
        "timings": {"cache_n": 2, "predicted_n": 9, "predicted_ms": 300.0},
    }
    server.reply = (
        b": keep-alive\n\n"
        + stream(delta(role="assistant", content=""), delta(reasoning_content="Hm"), delta(content="是"), end)
        + b"data: [DONE]\n\n"
    )
    got = list(RemoteGateway(server.url, "key-1").chat({"messages": []}))
    assert got[:3] == [KeepAlive("queued"), Reasoning("Hm"), Content("是")]
    assert isinstance(got[3], Finish)
    assert (got[3].reason, got[3].usage.completion_tokens, got[3].usage.cached_tokens) == ("length", 9, 2)
    method, path, headers, body = server.asked[0]
    assert (method, path) == ("POST", "/v1/chat/completions")
    assert headers["Authorization"] == "Bearer key-1"
    assert json.loads(body)["stream"] is True


def test_a_keep_alive_has_the_phase_that_the_comment_before_it_names(server: Server) -> None:
    empty = stream(delta(content=""))
    server.reply = (
        b": keep-alive, checking the console, 2 of 4 answers, 8 s\n\n"
        + empty
        + b": keep-alive, loading qwen3-4b\n\n"
        + empty
        + empty
        + stream(delta("stop"))
        + b"data: [DONE]\n\n"
    )
    got = list(RemoteGateway(server.url).chat({"messages": []}))
    phases = [one.phase for one in got if isinstance(one, KeepAlive)]
    assert phases == ["checking", "checking", "loading", "loading", "queued"]


def test_an_error_in_the_stream_and_one_before_it_are_the_gateway_s_words(server: Server) -> None:
    error = {"error": {"message": "The console has died.", "type": "server_error", "param": None, "code": "x"}}
    server.reply = stream(delta(content="a"), error)
    with pytest.raises(BpuError, match=r"The console has died\."):
        list(RemoteGateway(server.url).chat({"messages": []}))
    server.status, server.reply = 429, json.dumps(error).encode()
    with pytest.raises(BpuError, match=r"The console has died\."):
        list(RemoteGateway(server.url).chat({"messages": []}))


def test_an_error_keeps_the_gateway_s_code_which_gives_its_meaning(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    server.status = 404
    server.reply = json.dumps({"error": {"message": "No such model.", "code": "model_not_found"}}).encode()
    with pytest.raises(BpuError) as caught:
        RemoteGateway(server.url).models()
    assert localized_message(caught.value).startswith("没有这个模型")
    server.reply = json.dumps({"error": {"message": "Not found."}}).encode()
    with pytest.raises(BpuError) as caught:
        RemoteGateway(server.url).models()
    assert localized_message(caught.value) == "Not found."


def test_a_stream_without_an_end_is_an_error(server: Server) -> None:
    server.reply = stream(delta(content="a"))
    with pytest.raises(EngineCrashed, match="broke off"):
        list(RemoteGateway(server.url).chat({"messages": []}))


@pytest.mark.parametrize("reply", [b"<html>", b"[]", b'{"error": "no"}'])
def test_an_answer_of_another_server_is_reported_with_its_status(server: Server, reply: bytes) -> None:
    server.status, server.reply = 404, reply
    with pytest.raises(BpuError, match="404"):
        RemoteGateway(server.url).models()


def test_an_address_without_a_server_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(EngineUnavailable, match=str(taken.getsockname()[1])):
            RemoteGateway(f"127.0.0.1:{taken.getsockname()[1]}").models()


def test_a_path_before_v1_stays(server: Server) -> None:
    server.reply = b'{"data": [{"id": "m"}]}'
    assert RemoteGateway(f"{server.url}/board/v1").models() == [{"id": "m"}]
    assert server.asked[0][1] == "/board/v1/models"
