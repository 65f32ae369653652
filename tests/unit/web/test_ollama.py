"""Ollama's API over a scripted engine. A number in a name is that of the checklist of APIs."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest

from bpu import errors
from bpu.console.events import Done, Text
from bpu.turn import Progress
from tests.support.api_errors import check_ollama_error
from tests.support.ollama_checker import FIGURES, check_answer, check_lines, parse_lines
from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine, thought

MODEL = "deepseek-r1:1.5b"
CHAT, GENERATE = "/api/chat", "/api/generate"
CALL = '<tool_call>{"name": "look", "arguments": {"at": "cup"}}</tool_call>'
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {}}}}}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    spoken = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages or ("Hi",)]
    return {"model": MODEL, "messages": spoken, **fields}


def whole(client: FlaskClient, *messages: Any, **fields: Any) -> dict[str, Any]:
    """An answer of chat in one piece."""
    sent = body(*messages, stream=False, **fields)
    response = client.post(CHAT, json=sent)
    assert response.status_code == 200, response.data
    assert response.content_type == "application/json; charset=utf-8"
    return check_answer(dict(response.json), sent)


def lines(client: FlaskClient, *messages: Any, url: str = CHAT, **fields: Any) -> list[dict[str, Any]]:
    """The lines of an answer of chat, or of generate where the fields hold a prompt."""
    sent = {"model": MODEL, **fields} if url == GENERATE else body(*messages, **fields)
    response = client.post(url, json=sent)
    assert response.status_code == 200, response.data
    assert response.content_type == "application/x-ndjson"
    check_lines(response.data, sent)
    return parse_lines(response.data)


def refused(client: FlaskClient, status: int, url: str = CHAT, **fields: Any) -> str:
    sent = {"model": MODEL, **fields} if url == GENERATE else body(**fields)
    response = client.post(url, json=sent)
    assert response.status_code == status, response.data
    return check_ollama_error(response.json)


def prompt(engine: FakeEngine) -> str:
    """The prompt of the newest job."""
    return engine.jobs[-1].turn.line.decode()


# Discovery


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_01_the_root_says_that_it_runs_unless_a_browser_asks(serve: Serve, method: str) -> None:
    client = serve(api_keys="k")
    response = client.open("/", method=method, headers={"Accept": "*/*"})
    assert response.status_code == 200
    assert response.data.decode().strip() == ("" if method == "HEAD" else "Ollama is running")
    page = client.open("/", method=method, headers={"Accept": "text/html,*/*"})
    assert (page.status_code, page.mimetype) == (200, "text/html")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_02_the_version_is_three_numbers(client: FlaskClient, method: str) -> None:
    response = client.open("/api/version", method=method)
    assert response.status_code == 200
    if method == "GET":
        version = response.json["version"]
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert tuple(map(int, version.split("."))) >= (0, 6, 4)


def test_03_an_entry_of_tags(client: FlaskClient) -> None:
    (entry,) = client.get("/api/tags").json["models"]
    assert entry["name"] == entry["model"] == MODEL
    assert re.fullmatch(r"[0-9a-f]{64}", entry["digest"])
    assert type(entry["size"]) is int
    assert datetime.strptime(entry["modified_at"], "%Y-%m-%dT%H:%M:%SZ")
    details = entry["details"]
    for name in ("parent_model", "format", "family", "parameter_size", "quantization_level"):
        assert isinstance(details[name], str)
    assert (details["families"], details["parameter_size"], details["context_length"]) == (["qwen2"], "1.5B", 4096)
    assert entry["capabilities"] == ["completion", "tools", "thinking"]


def test_03_the_digest_changes_with_the_context(serve: Serve) -> None:
    entries = [serve(context_size=size).get("/api/tags").json["models"][0] for size in (1024, 2048, 2048)]
    assert entries[0]["digest"] != entries[1]["digest"] == entries[2]["digest"]


def test_03_an_id_without_a_tag_is_listed_with_one(serve: Serve) -> None:
    client = serve(model_id="qwen")
    assert client.get("/api/tags").json["models"][0]["name"] == "qwen:latest"
    for name in ("qwen", "qwen:latest", "Qwen:LATEST"):
        assert client.post("/api/show", json={"model": name}).status_code == 200


@pytest.mark.parametrize("field", ["model", "name"])
def test_05_show_by_both_names_of_the_field(client: FlaskClient, field: str) -> None:
    shown = client.post("/api/show", json={field: MODEL, "verbose": True}).json
    assert set(shown) >= {"modelfile", "parameters", "template", "details", "model_info", "capabilities"}


def test_05_show_without_and_with_an_unknown_name(client: FlaskClient) -> None:
    response = client.post("/api/show", json={})
    assert (response.status_code, check_ollama_error(response.json)) == (400, "model is required")
    response = client.post("/api/show", json={"model": "llama3"})
    assert (response.status_code, check_ollama_error(response.json)) == (404, "model 'llama3' not found")


def test_06_show_has_what_clients_read(client: FlaskClient) -> None:
    shown = client.post("/api/show", json={"model": "DeepSeek-R1:1.5B"}).json
    info = shown["model_info"]
    assert info["general.architecture"] == "qwen2"
    assert info["qwen2.context_length"] == 4096
    assert info["general.parameter_count"] == 1_500_000_000
    assert info["general.basename"] == "DeepSeek-R1:1.5B"
    for name in ("general.file_type", "qwen2.embedding_length", "qwen2.block_count"):
        assert type(info[name]) is int
    assert info["tokenizer.ggml.model"]
    assert re.search(r"^num_ctx {24}4096$", shown["parameters"])
    assert "tools" in shown["template"].lower()
    assert ".Suffix" not in shown["template"]


def test_06_a_context_that_is_not_published(serve: Serve) -> None:
    client = serve(publish_context=False)
    shown = client.post("/api/show", json={"model": MODEL}).json
    assert shown["parameters"] == ""
    assert shown["model_info"]["qwen2.context_length"] == 4096
    assert "context_length" not in json.dumps(client.get("/api/tags").json)
    assert "context_length" not in json.dumps(client.get("/api/ps").json)


def test_07_ps_shows_what_is_loaded(serve: Serve, engine: FakeEngine) -> None:
    (entry,) = serve().get("/api/ps").json["models"]
    assert entry["name"] == MODEL
    assert type(entry["size_vram"]) is int
    assert entry["context_length"] == 4096
    assert datetime.fromisoformat(entry["expires_at"].replace("Z", "+00:00")).year > 2090
    (entry,) = serve(idle_unload_s=60).get("/api/ps").json["models"]
    assert datetime.fromisoformat(entry["expires_at"].replace("Z", "+00:00")).year < 2090
    engine.picture["state"] = "stopped"
    assert serve().get("/api/ps").json == {"models": []}


@pytest.mark.parametrize(
    "name",
    [
        MODEL,
        MODEL.upper(),
        "deepseek-r1",
        "deepseek-r1:latest",
        f"registry.ollama.ai/library/{MODEL}",
        f"library/{MODEL}",
    ],
)
def test_08_names_in_every_form(client: FlaskClient, name: str) -> None:
    answer = client.post(CHAT, json={**body(), "model": name, "stream": False}).json
    assert check_answer(answer)["model"] == name
    assert answer["message"]["thinking"] == "Hm."


def test_08_the_think_name_has_its_reasoning_inline(client: FlaskClient) -> None:
    answer = client.post(CHAT, json={**body(), "model": f"{MODEL}-think", "stream": False}).json
    assert answer["message"] == {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nHello!"}
    assert client.post(CHAT, json={**body(), "model": "other:1.5b"}).status_code == 404


@pytest.mark.parametrize("path", ["/v1/api/tags", "/api/tags/", "/api//tags", "/v1/v1/api/tags"])
def test_09_forgiven_addresses(client: FlaskClient, path: str) -> None:
    assert client.get(path).json == client.get("/api/tags").json
    response = client.get(f"{path}/nothing")
    assert (response.status_code, bool(check_ollama_error(response.json))) == (404, True)


def test_10_a_pull_of_what_is_there_and_of_what_is_not(client: FlaskClient) -> None:
    response = client.post("/api/pull", json={"model": MODEL})
    assert response.content_type == "application/x-ndjson"
    assert [line["status"] for line in parse_lines(response.data)] == ["pulling manifest", "success"]
    assert client.post("/api/pull", json={"name": MODEL, "stream": False}).json == {"status": "success"}
    response = client.post("/api/pull", json={"model": "llama3"})
    assert (response.status_code, check_ollama_error(response.json)) == (404, "model 'llama3' not found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/create"),
        ("POST", "/api/push"),
        ("POST", "/api/copy"),
        ("DELETE", "/api/delete"),
        ("POST", "/api/blobs/sha256:abc"),
        ("POST", "/api/embed"),
        ("POST", "/api/embeddings"),
        ("POST", "/api/me"),
        ("GET", "/api/status"),
    ],
)
def test_11_what_only_ollama_can_do(client: FlaskClient, method: str, path: str) -> None:
    """404 at once and not the 501 of the checklist, which clients repeat."""
    response = client.open(path, method=method, json={"model": MODEL})
    assert response.status_code == 404
    assert check_ollama_error(response.json)
    assert response.json["code"] == "unsupported_endpoint"


def test_12_unknown_addresses_and_methods(client: FlaskClient) -> None:
    for method, path, status in (("GET", "/api/nothing", 404), ("GET", CHAT, 405), ("POST", "/api/tags", 405)):
        response = client.open(path, method=method)
        assert response.status_code == status
        assert check_ollama_error(response.json)


# Chat and generate


def test_13_lines_are_the_default(client: FlaskClient) -> None:
    assert len(lines(client)) > 3
    assert len(lines(client, stream=None)) > 3
    response = client.post(CHAT, json=body())
    assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == ("no-cache", "no")


def test_14_15_thinking_comes_first_and_apart(client: FlaskClient) -> None:
    messages = [line["message"] for line in lines(client)]
    assert all("role" in message and "content" in message for message in messages)
    assert all(message.get("thinking", "x") for message in messages)
    thinking = [at for at, message in enumerate(messages) if "thinking" in message]
    content = [at for at, message in enumerate(messages) if message["content"].strip()]
    assert thinking[-1] < content[0]


@pytest.mark.parametrize(
    ("think", "shown"), [(True, True), ("high", True), ("low", True), ("max", True), (None, True), (False, False)]
)
def test_15_every_value_of_think(client: FlaskClient, think: object, shown: bool) -> None:
    assert ("thinking" in whole(client, think=think)["message"]) is shown


def test_15_a_wrong_value_of_think(client: FlaskClient) -> None:
    words = 'invalid think value: "often" (must be "high", "medium", "low", "max", true, or false)'
    assert refused(client, 400, think="often") == words
    assert "invalid think value" in refused(client, 400, think=5)


def test_16_the_last_line(client: FlaskClient, engine: FakeEngine) -> None:
    last = lines(client)[-1]
    assert (last["done"], last["done_reason"], last["message"]["content"]) == (True, "stop", "")
    assert all(type(last[name]) is int for name in FIGURES)
    assert last["prompt_eval_count"] == engine.jobs[0].turn.tokens
    assert 0.25e9 <= last["total_duration"] < 60e9, "not in nanoseconds"
    assert lines(client, options={"num_predict": 2})[-1]["done_reason"] == "length"


def test_17_an_answer_in_one_piece_is_the_join_of_its_lines(client: FlaskClient) -> None:
    joined = check_lines(client.post(CHAT, json=body()).data)
    assert (
        joined["message"] == whole(client)["message"] == {"role": "assistant", "content": "Hello!", "thinking": "Hm."}
    )


def test_18_a_tool_call(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = thought("Hm.", f"{CALL}\n{CALL}")
    answer = whole(client, tools=[TOOL])
    calls = answer["message"]["tool_calls"]
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("look", {"at": "cup"})
    ] * 2
    assert [call["function"]["index"] for call in calls] == [0, 1]
    assert len({call["id"] for call in calls}) == 2
    assert answer["done_reason"] == "stop"
    told = [line["message"] for line in lines(client, tools=[TOOL]) if "tool_calls" in line["message"]]
    assert [message["content"] for message in told] == ["", ""]
    assert lines(client, tools=[TOOL])[-1]["done_reason"] == "stop"


@pytest.mark.parametrize("extra", [{}, {"tool_name": "look"}, {"tool_call_id": "call_1", "name": "look"}])
def test_19_a_tool_result_with_and_without_its_name(
    client: FlaskClient, engine: FakeEngine, extra: dict[str, Any]
) -> None:
    call = {"function": {"name": "look", "arguments": {"at": "cup"}}}
    history = ({"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "a red cup", **extra})
    assert whole(client, "Hi", *history)["message"]["content"]
    assert '"arguments": {"at": "cup"}' in prompt(engine)
    assert "a red cup" in prompt(engine)


def test_20_types_in_one_string_and_in_an_array(client: FlaskClient, engine: FakeEngine) -> None:
    properties = {"at": {"type": "string, integer"}, "by": {"type": ["string", "null"]}}
    tool = {"type": "function", "function": {"name": "look", "parameters": {"properties": properties}}}
    engine.script = thought("Hm.", '<tool_call>{"name": "look", "arguments": {"at": 5}}</tool_call>')
    assert whole(client, tools=[tool])["message"]["tool_calls"][0]["function"]["arguments"] == {"at": 5}


@pytest.mark.parametrize("form", ["json", {"type": "object", "required": ["at"]}])
def test_21_json_and_json_of_a_schema(client: FlaskClient, engine: FakeEngine, form: object) -> None:
    engine.script = thought("Hm.", 'Here: {"at": "cup"}')
    assert json.loads(whole(client, format=form)["message"]["content"]) == {"at": "cup"}
    engine.script = thought("Hm.", "No.")
    response = client.post(CHAT, json=body(format=form, stream=False))
    assert response.status_code == 422
    assert check_ollama_error(response.json)
    assert response.json["output"] == "No."


def test_21_no_form_and_a_wrong_one(client: FlaskClient) -> None:
    for form in ("", None):
        assert whole(client, format=form)["message"]["content"] == "Hello!"
    words = 'invalid format: "xml"; expected "json" or a valid JSON Schema object'
    assert refused(client, 400, format="xml") == words


def test_22_options(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = thought("", "one two three")
    assert whole(client, options={"num_predict": 1})["eval_count"] <= 2
    for most in (-1, -2, 0):
        assert whole(client, options={"num_predict": most})["message"]["content"] == "one two three"
    for stop in (" three", [" three"]):
        assert whole(client, options={"stop": stop})["message"]["content"] == "one two"
    assert whole(client, options={"num_ctx": 8192, "nothing_known": 1, "seed": None})["done_reason"] == "stop"
    assert "options.num_predict" in refused(client, 400, options={"num_predict": "many"})
    assert refused(client, 400, options={"stop": 5})
    assert refused(client, 400, options=[])


def test_23_images(client: FlaskClient) -> None:
    none: list[Any] = []
    for images in (none, None):
        assert whole(client, {"role": "user", "content": "Hi", "images": images})["message"]["content"]
    assert refused(client, 400, messages=[{"role": "user", "content": "Hi", "images": ["aGk="]}])
    assert refused(client, 400, GENERATE, prompt="Hi", images=["aGk="])


def test_24_generate(client: FlaskClient, engine: FakeEngine) -> None:
    last = lines(client, url=GENERATE, prompt="Hi", system="Be kind.")[-1]
    assert (last["response"], last["context"], last["done_reason"]) == ("", [], "stop")
    assert "Be kind." in prompt(engine)
    answer = client.post(GENERATE, json={"model": MODEL, "prompt": "Hi", "stream": False}).json
    assert (answer["response"], answer["thinking"]) == ("Hello!", "Hm.")
    assert "does not support insert" in refused(client, 400, GENERATE, prompt="Hi", suffix="end")
    assert refused(client, 400, GENERATE, prompt="Hi", raw=True, system="x") == (
        "raw mode does not support template, system, or context"
    )
    assert "raw" in refused(client, 400, GENERATE, prompt="Hi", raw=True)
    assert refused(client, 400, GENERATE, prompt=["Hi"])


@pytest.mark.parametrize(
    ("url", "fields"), [(CHAT, {"messages": []}), (CHAT, {}), (GENERATE, {"prompt": ""}), (GENERATE, {})]
)
def test_25_without_a_prompt_the_model_is_loaded(
    client: FlaskClient, engine: FakeEngine, url: str, fields: dict[str, Any]
) -> None:
    for state in ("ready", "busy"):
        engine.picture["state"] = state
        response = client.post(url, json={"model": MODEL, **fields})
        assert response.content_type.startswith("application/json")
        answer = check_answer(dict(response.json))
        assert (answer["done_reason"], answer.get("response", "")) == ("load", "")
    assert engine.jobs == []


def test_25_a_load_is_waited_for(client: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter(["stopped", "stopped", "starting", "starting", "ready"])
    picture = engine.picture
    monkeypatch.setattr(engine, "status", lambda: {**picture, "state": next(seen, "ready")})
    assert client.post(GENERATE, json={"model": MODEL}).json["done_reason"] == "load"
    assert engine.orders == [f"load {MODEL}"]
    assert next(seen, None) is None


def test_25_a_load_that_fails_is_an_error(client: FlaskClient, engine: FakeEngine) -> None:
    engine.picture.update(state="failed", since_s=-1.0, error="No BPU memory.")
    response = client.post(GENERATE, json={"model": MODEL})
    assert (response.status_code, check_ollama_error(response.json)) == (424, "No BPU memory.")


@pytest.mark.parametrize("keep", [0, "0", "0s", "0m0s", 0.0])
def test_26_keep_alive_of_nothing_unloads(client: FlaskClient, engine: FakeEngine, keep: object) -> None:
    assert client.post(GENERATE, json={"model": MODEL, "keep_alive": keep}).json["done_reason"] == "unload"
    assert client.post(CHAT, json={"model": MODEL, "messages": [], "keep_alive": keep}).json["done_reason"] == "unload"
    assert engine.orders == [f"unload {MODEL}", f"unload {MODEL}"]


@pytest.mark.parametrize("keep", [-1, "5m", 1.5, "1h30m", "-1s"])
def test_26_keep_alive_of_an_answer_has_no_effect(client: FlaskClient, engine: FakeEngine, keep: object) -> None:
    response = client.post(CHAT, json=body(keep_alive=keep))
    assert (response.status_code, response.headers["X-BPU-Ignored"]) == (200, "keep_alive")
    assert engine.orders == []


@pytest.mark.parametrize("keep", [{}, "soon", True, []])
def test_26_keep_alive_of_another_kind(client: FlaskClient, keep: object) -> None:
    assert "keep_alive" in refused(client, 400, keep_alive=keep)
    assert "keep_alive" in refused(client, 400, GENERATE, keep_alive=keep)


@pytest.mark.parametrize(("form", "count"), [("chunk", 3), ("comment", 3), ("off", 1)])
def test_27_28_signs_of_life_are_whole_lines(serve: Serve, engine: FakeEngine, form: str, count: int) -> None:
    """The first line comes at once, before the queue; none is empty, whatever the setting says."""
    engine.script = [Progress("queued", 2), Progress("prefill"), Text("</think>Yes"), Done()]
    said = lines(serve(keepalive=form))
    empty = [line for line in said[:-1] if not line["message"]["content"] and "thinking" not in line["message"]]
    assert len(empty) == count
    assert said[0] == empty[0]
    said = lines(serve(keepalive=form), url=GENERATE, prompt="Hi")
    assert [line["response"] for line in said].count("") == count + 1


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (errors.QueueFull("Full.", retry_after=7), 429),
        (errors.EngineUnavailable("No memory."), 424),
        (errors.EngineStopping("Stopping.", retry_after=7), 503),
    ],
)
def test_29_an_error_before_the_headers(
    client: FlaskClient, engine: FakeEngine, failure: errors.BpuError, status: int
) -> None:
    engine.refusal = failure
    assert refused(client, status) == failure.message
    assert refused(client, status, stream=False) == failure.message
    assert refused(client, status, GENERATE, prompt="Hi") == failure.message


def test_29_an_error_on_the_way_is_the_last_line(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = [Text("</think>Well"), errors.EngineCrashed("Gone.")]
    said = parse_lines(client.post(CHAT, json=body()).data)
    assert said[-1] == {"error": "Gone.", "code": "engine_crashed"}
    assert not any(line.get("done") for line in said)
    assert refused(client, 502, stream=False) == "Gone."
    engine.script = [Text("</think>Well"), errors.JobCancelled("Cancelled.")]
    assert refused(client, 499, stream=False) == "Cancelled."
    engine.script = [Text("</think>Well"), ValueError("secret words")]
    assert "secret" not in refused(client, 500, stream=False)


def test_30_a_prompt_that_is_too_long(serve: Serve, engine: FakeEngine) -> None:
    client = serve(context_size=64)
    history = ("word " * 60, {"role": "assistant", "content": "Yes."}, "Short?")
    response = client.post(CHAT, json=body(*history, stream=False))
    assert response.headers["X-BPU-History-Trimmed"] == "2"
    assert "word" not in prompt(engine)
    assert "maximum context length is 64 tokens" in refused(
        client, 400, messages=body(*history)["messages"], truncate=False
    )
    assert "maximum context length" in refused(client, 400, messages=body("word " * 60)["messages"])


def test_31_a_body_without_a_content_type(client: FlaskClient) -> None:
    response = client.post(CHAT, data=json.dumps(body(stream=False)), content_type="application/x-www-form-urlencoded")
    assert check_answer(dict(response.json))
    response = client.post(CHAT, data=json.dumps(body()), headers={"Origin": "http://a"}, content_type="text/plain")
    assert (response.status_code, bool(check_ollama_error(response.json))) == (415, True)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "app://obsidian.md"])
def test_32_pages_of_this_machine_may_read_streams_and_errors(client: FlaskClient, origin: str) -> None:
    for url, sent in ((CHAT, body()), (CHAT, {}), ("/api/nothing", {})):
        response = client.post(url, json=sent, headers={"Origin": origin})
        assert response.headers["Access-Control-Allow-Origin"] == origin


def test_33_keys(serve: Serve) -> None:
    client = serve(api_keys="k")
    for path in ("/api/tags", "/api/version", "/api/ps"):
        response = client.get(path)
        assert (response.status_code, bool(check_ollama_error(response.json))) == (401, True)
        assert client.get(path, headers={"Authorization": "Bearer k"}).status_code == 200


def test_35_content_as_parts(client: FlaskClient, engine: FakeEngine) -> None:
    parts = [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]
    assert whole(client, {"role": "USER", "content": parts})["message"]["content"]
    assert "One" in prompt(engine)
    assert "Two" in prompt(engine)


def test_36_what_has_no_effect_is_named(client: FlaskClient) -> None:
    response = client.post(CHAT, json=body(options={"temperature": 0.5, "num_ctx": 8192}, logprobs=True))
    assert response.headers["X-BPU-Ignored"] == "logprobs, options.num_ctx, options.temperature"
    assert refused(client, 400, top_logprobs=30) == "top_logprobs must be between 0 and 20"


def test_a_body_that_is_too_large_or_no_json(serve: Serve) -> None:
    client = serve(max_body_bytes=1024)
    for data, status in ((b"x" * 2048, 413), (b"{", 400), (b"", 400), (b"[]", 400)):
        response = client.post(CHAT, data=data, content_type="application/json")
        assert response.status_code == status
        assert check_ollama_error(response.json)


@pytest.mark.parametrize("url", ["/v1/chat/completions", "/api/chat", "/v1/messages"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_title_for_open_webui_costs_no_answer_of_the_model(
    client: FlaskClient, engine: FakeEngine, url: str, stream: bool
) -> None:
    """Under every API, so that it never takes a conversation's place in the console's cache."""
    task = (
        '### Task:\nGenerate a title.\n### Output:\nJSON format: { "title": "your concise title here" }\n'
        "### Chat History:\n<chat_history>\nUSER: Where is the cup?\nASSISTANT: There.\n</chat_history>"
    )
    response = client.post(url, json=body(task, stream=stream, max_tokens=1000))
    assert response.headers["X-BPU-Answered-By"] == "gateway"
    assert b"Where is the cup" in response.data
    assert engine.jobs == []


@pytest.mark.parametrize("value", [{}, 0, False, {"role": "user"}, "Hi", 5])
def test_messages_of_another_type(client: FlaskClient, value: object) -> None:
    assert "messages" in refused(client, 400, messages=value)
