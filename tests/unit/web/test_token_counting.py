"""Counts, tokens and properties over a scripted engine. A number in a name is that of the checklist of APIs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpu.chat.tokens import Vocabulary
from tests.support.api_errors import check_anthropic_error
from tests.support.checker import check_error
from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine

MODEL = "deepseek-r1:1.5b"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "What is in the cup?"}]}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
WORDS = "Hello 你好 🎉 <think> x"


def post(client: FlaskClient, path: str, **body: Any) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.data
    return response.json


def refused(client: FlaskClient, path: str, **body: Any) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code in (400, 404)
    return check_error(response.json)


def test_56_one_list_for_the_clients_of_every_api(client: FlaskClient) -> None:
    listed = client.get("/v1/models").json
    assert (listed["object"], listed["has_more"]) == ("list", False)
    assert (listed["first_id"], listed["last_id"]) == (MODEL, f"{MODEL}-think")
    for one in listed["data"]:
        assert (one["object"], one["type"], one["display_name"]) == ("model", "model", one["id"])
        assert one["created_at"].endswith("Z")
        assert {one["context_length"], one["max_model_len"], one["meta"]["n_ctx"], one["meta"]["n_ctx_train"]} == {4096}
        assert one["architecture"] == {"input_modalities": ["text"], "output_modalities": ["text"]}
        assert "tools" in one["capabilities"]
        assert client.get(f"/v1/models/{one['id']}").json == one


def test_56_pages_of_the_list(client: FlaskClient) -> None:
    first = client.get("/v1/models?limit=1").json
    assert ([one["id"] for one in first["data"]], first["has_more"]) == ([MODEL], True)
    second = client.get(f"/v1/models?limit=1&after_id={first['last_id']}").json
    assert ([one["id"] for one in second["data"]], second["has_more"]) == ([f"{MODEL}-think"], False)
    assert client.get(f"/v1/models?before_id={second['first_id']}").json["data"] == first["data"]
    assert client.get(f"/v1/models?after_id={second['last_id']}").json["data"] == []
    for limit in ("1000", "990", "many", "-5"):
        assert client.get(f"/v1/models?limit={limit}").json["data"]


def test_56_an_unknown_model_in_the_form_of_the_client_s_api(client: FlaskClient) -> None:
    path = "/v1/models/claude-x"
    ours, theirs = client.get(path), client.get(path, headers={"anthropic-version": "2023-06-01"})
    assert ours.status_code == theirs.status_code == 404
    assert check_error(ours.json)["code"] == "model_not_found"
    assert check_anthropic_error(theirs.json)["type"] == "not_found_error"


def test_the_list_says_whether_a_model_is_loaded(client: FlaskClient, engine: FakeEngine) -> None:
    assert client.get("/v1/models").json["data"][0]["status"] == {"value": "loaded"}
    engine.picture["state"] = "stopped"
    assert client.get("/v1/models").json["data"][0]["status"] == {"value": "unloaded"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions/input_tokens", {**CHAT, "tools": [TOOL]}),
        ("/chat/completions/input_tokens", {"messages": CHAT["messages"], "tools": [TOOL]}),
        ("/v1/responses/input_tokens", {"model": MODEL, "input": "What is in the cup?",
                                        "tools": [{"type": "function", **TOOL["function"]}]}),  # type: ignore[dict-item]
    ],
)  # fmt: skip
def test_62_68_counts_of_a_prompt(client: FlaskClient, path: str, body: dict[str, Any]) -> None:
    counted = post(client, path, **body)
    assert counted["object"] == "response.input_tokens"
    usage = client.post("/v1/chat/completions", json={**CHAT, "tools": [TOOL]}).json["usage"]
    assert counted["input_tokens"] == usage["prompt_tokens"]


def test_62_mistakes_are_those_of_the_chat(client: FlaskClient) -> None:
    assert refused(client, "/v1/chat/completions/input_tokens", model=MODEL)["param"] == "messages"
    assert refused(client, "/v1/responses/input_tokens", model=MODEL)["param"] == "input"
    assert refused(client, "/v1/responses/input_tokens", input="Hi", model="gpt")["code"] == "model_not_found"


def test_63_a_prompt_that_is_too_long_is_counted(serve: Serve) -> None:
    long = [{"role": "user", "content": "word " * 30_000}]
    client = serve(context_size=64)
    assert post(client, "/v1/chat/completions/input_tokens", messages=long)["input_tokens"] > 20_000


def test_64_tokens_there_and_back(client: FlaskClient) -> None:
    there = post(client, "/tokenize", content=WORDS)
    assert there["count"] == len(there["tokens"]) > 5
    assert there["max_model_len"] == 4096
    assert post(client, "/detokenize", tokens=there["tokens"])["content"] == WORDS
    assert post(client, "/v1/tokenize", model=MODEL, prompt=WORDS) == there


def test_64_pieces_join_to_the_text(client: FlaskClient) -> None:
    pieces = post(client, "/tokenize", content=WORDS, with_pieces=True)["tokens"]
    assert [one["id"] for one in pieces] == post(client, "/tokenize", content=WORDS)["tokens"]
    data = b"".join(bytes(one["piece"]) if isinstance(one["piece"], list) else one["piece"].encode() for one in pieces)
    assert data.decode() == WORDS
    assert any(isinstance(one["piece"], list) for one in pieces)


def test_the_piece_of_a_token_is_made_once_however_often_it_comes(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty thousand characters of three tokens each stopped a worker for seconds."""
    made: list[int] = []
    piece = Vocabulary.piece

    def counting(self: Vocabulary, token: int) -> str | list[int]:
        made.append(token)
        return piece(self, token)

    monkeypatch.setattr(Vocabulary, "piece", counting)
    tokens = post(client, "/tokenize", content="\ufffd" * 2000, with_pieces=True)["tokens"]
    assert sorted(made) == sorted({one["id"] for one in tokens})
    assert len(tokens) > 100 * len(made)


def test_64_tokens_of_a_conversation_are_as_many_as_its_prompt_s(client: FlaskClient) -> None:
    counted = post(client, "/v1/chat/completions/input_tokens", **CHAT)["input_tokens"]
    assert post(client, "/tokenize", **CHAT)["count"] == counted


def test_64_without_a_tokenizer_there_are_counts_alone(serve: Serve, tmp_path: Path) -> None:
    client = serve(tokenizer_dir=tmp_path)
    assert "BPU_TOKENIZER_DIR" in refused(client, "/tokenize", content="Hi")["message"]
    assert "BPU_TOKENIZER_DIR" in refused(client, "/detokenize", tokens=[1])["message"]
    assert post(client, "/v1/chat/completions/input_tokens", **CHAT)["input_tokens"] > 5


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "content"),
        ("/tokenize", {"content": 5}, "content"),
        ("/tokenize", {"prompt": ["x"]}, "prompt"),
        ("/tokenize", {"content": "x" * 70_000}, "content"),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": [-1]}, "tokens"),
        ("/detokenize", {"tokens": [10**9]}, "tokens"),
        ("/detokenize", {"tokens": [True]}, "tokens"),
        ("/detokenize", {"tokens": [0] * 70_000}, "tokens"),
        ("/apply-template", {}, "messages"),
        ("/tokenize", {"content": "x", "model": "gpt"}, "model"),
        ("/tokenize", {"content": "x", "model": 5}, "model"),
    ],
)
def test_64_65_mistakes_are_named(client: FlaskClient, path: str, body: dict[str, Any], param: str) -> None:
    assert refused(client, path, **body)["param"] == param


def test_65_the_template_applied_is_what_is_sent(client: FlaskClient, engine: FakeEngine) -> None:
    conversation = [*CHAT["messages"], {"role": "assistant", "content": "Tea."}, {"role": "user", "content": "Hot?"}]
    applied = post(client, "/apply-template", messages=conversation, tools=[TOOL])["prompt"]
    client.post("/v1/chat/completions", json={"model": MODEL, "messages": conversation, "tools": [TOOL]})
    line = engine.jobs[-1].turn.line.decode()
    assert line in applied
    assert len(line) > 100
    assert post(client, "/tokenize", content=applied)["count"] == engine.jobs[-1].turn.tokens


@pytest.mark.parametrize("path", ["/props", "/v1/props", f"/props?model={MODEL}&autoload=false"])
def test_66_properties(client: FlaskClient, engine: FakeEngine, path: str) -> None:
    engine.picture["state"] = "stopped"
    found = client.get(path).json
    assert found["default_generation_settings"]["n_ctx"] == 4096
    assert found["default_generation_settings"]["is_processing"] is False
    assert (found["total_slots"], found["model_alias"], found["is_sleeping"]) == (1, MODEL, True)
    assert found["modalities"] == {"vision": False, "audio": False}
    assert "{%" in found["chat_template"]
    assert found["bos_token"]
    assert "/" not in found["model_path"]
    assert refused(client, "/props")["code"] == "unsupported_endpoint"


def test_66_a_context_that_is_not_published(serve: Serve) -> None:
    client = serve(publish_context=False)
    assert "n_ctx" not in client.get("/props").get_data(as_text=True)
    assert "n_ctx" not in client.get("/v1/models").get_data(as_text=True)
    assert "max_model_len" not in post(client, "/tokenize", content="Hi")
