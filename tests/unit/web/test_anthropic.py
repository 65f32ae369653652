"""POST /v1/messages over a scripted engine. A number in a name is that of the checklist of APIs."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bpu import errors
from bpu.console.events import Done, Text
from bpu.turn import Progress, Timing
from tests.support.anthropic_checker import check_message, check_message_stream, parse_events
from tests.support.api_errors import check_anthropic_error
from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine, FakeJob, thought

MODEL = "deepseek-r1:1.5b"
URL = "/v1/messages"
COUNT = f"{URL}/count_tokens"
CALL = '<tool_call>{"name": "look", "arguments": {"at": "cup"}}</tool_call>'
TOOL = {"name": "look", "description": "Look.", "input_schema": {"type": "object", "properties": {"at": {}}}}
ON = {"type": "enabled", "budget_tokens": 1024}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    spoken = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages or ("Hi",)]
    return {"model": MODEL, "max_tokens": 500, "messages": spoken, **fields}


def whole(client: FlaskClient, *messages: Any, **fields: Any) -> dict[str, Any]:
    sent = body(*messages, **fields)
    response = client.post(URL, json=sent)
    assert response.status_code == 200, response.data
    return check_message(dict(response.json), sent)


def streamed(client: FlaskClient, *messages: Any, **fields: Any) -> list[dict[str, Any]]:
    sent = body(*messages, stream=True, **fields)
    response = client.post(URL, json=sent)
    assert response.content_type == "text/event-stream; charset=utf-8"
    check_message_stream(response.data, sent)
    return parse_events(response.data)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """The types in their order, a run of deltas as one, pings left out."""
    names = [event["type"] for event in events if event["type"] != "ping"]
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name or "delta" not in name]


def refused(client: FlaskClient, status: int = 400, url: str = URL, **fields: Any) -> dict[str, Any]:
    response = client.post(url, json=body(**fields))
    assert response.status_code == status, response.data
    failure = check_anthropic_error(response.json)
    assert response.json["request_id"] == response.headers["request-id"]
    return failure


def line(engine: FakeEngine) -> str:
    """The prompt of the newest job."""
    return engine.jobs[-1].turn.line.decode()


def test_37_a_message_in_one_piece(client: FlaskClient) -> None:
    response = client.post(URL, json=body())
    answer = check_message(dict(response.json))
    assert answer["content"] == [{"type": "text", "text": "Hello!"}]
    assert (answer["role"], answer["model"], answer["stop_reason"]) == ("assistant", MODEL, "end_turn")
    assert response.headers["request-id"].removeprefix("req_") == answer["id"].removeprefix("msg_")


def test_38_the_order_of_events(client: FlaskClient, engine: FakeEngine) -> None:
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    ends = ["message_delta", "message_stop"]
    assert kinds(streamed(client)) == ["message_start", *block, *ends]
    assert kinds(streamed(client, thinking=ON)) == ["message_start", *block, *block, *ends]
    engine.script = thought("Hm.", CALL)
    events = streamed(client, thinking=ON, tools=[TOOL])
    assert kinds(events) == ["message_start", *block, *block, *ends]
    starts = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert starts == ["thinking", "tool_use"]


@pytest.mark.parametrize("version", [None, "2023-06-01", "2026-10-21", "soon"])
def test_39_any_version_and_the_beta_query(client: FlaskClient, version: str | None) -> None:
    headers = {"anthropic-version": version, "anthropic-beta": "a,b"} if version else {}
    response = client.post(f"{URL}?beta=true", json=body(), headers=headers, buffered=True)
    assert check_message(dict(response.json))["content"]


@pytest.mark.parametrize("path", ["/messages", "/v1/v1/messages", "/v1/messages/", "/v1//messages"])
def test_forgiven_addresses(client: FlaskClient, path: str) -> None:
    assert check_message(dict(client.post(path, json=body(), buffered=True).json))
    assert check_anthropic_error(client.post(path, json={}).json)["type"] == "invalid_request_error"


def test_40_both_headers_of_a_key(serve: Serve) -> None:
    client = serve(api_keys="k")
    for headers in ({"x-api-key": "k"}, {"Authorization": "Bearer k"}):
        assert client.post(URL, json=body(), headers=headers).status_code == 200
    response = client.post(URL, json=body(), headers={"x-api-key": "other"})
    assert response.status_code == 401
    assert check_anthropic_error(response.json)["type"] == "authentication_error"


def test_41_system_text_in_every_form(client: FlaskClient, engine: FakeEngine) -> None:
    whole(client, system="Be kind.")
    assert "Be kind." in line(engine)
    billing = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=1a2b3;"}
    rules = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    whole(client, system=[billing, rules])
    assert "Be brief." in line(engine)
    assert "billing" not in line(engine)
    whole(client, "One", {"role": "system", "content": "Now in French."}, "Two")
    assert line(engine).index("One") < line(engine).index("Now in French.") < line(engine).index("Two")


def test_42_a_tool_and_its_results(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = thought("Hm.", f"Let me see.\n{CALL}")
    answer = whole(client, tools=[TOOL])
    assert answer["stop_reason"] == "tool_use"
    said, call = answer["content"]
    assert said["text"].strip() == "Let me see."
    assert (call["name"], call["input"]) == ("look", {"at": "cup"})
    assert call["id"].startswith("toolu_")
    engine.script = thought("Hm.", "Red.")
    results = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": "a red cup"},
        {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "gone"}], "is_error": True},
        {"type": "tool_result", "tool_use_id": "c"},
        {"type": "text", "text": "What colour?"},
    ]
    history = ({"role": "assistant", "content": [said, call]}, {"role": "user", "content": results})
    whole(client, "Hi", *history, tools=[TOOL])
    places = [line(engine).index(word) for word in ("a red cup", "Error: gone", "What colour?")]
    assert places == sorted(places)
    assert line(engine).count("tool_response>") == 6


def test_42_a_tool_in_a_stream(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = thought("Hm.", '<tool_call>{"name": "look", "arguments": {}}</tool_call>')
    events = streamed(client, tools=[TOOL])
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert [delta["partial_json"] for delta in deltas] == ["", "{}"]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"type": "auto"}, "Use a tool only when the question needs it"),
        ({"type": "any"}, "You must use one of the tools now."),
        ({"type": "tool", "name": "look"}, "You must use the tool look now."),
        ({"type": "auto", "disable_parallel_tool_use": True}, "Use one tool at a time."),
    ],
)
def test_43_every_choice_of_a_tool(client: FlaskClient, engine: FakeEngine, choice: dict[str, Any], words: str) -> None:
    whole(client, tools=[TOOL], tool_choice=choice)
    assert words in line(engine)


def test_43_no_tool_and_impossible_choices(client: FlaskClient, engine: FakeEngine) -> None:
    whole(client, tools=[TOOL], tool_choice={"type": "none"})
    assert "look" not in line(engine)
    for choice in ({"type": "tool", "name": "other"}, {"type": "tool"}, {"type": "x"}, "any"):
        assert "tool_choice" in refused(client, tools=[TOOL], tool_choice=choice)["message"]


def test_44_tools_that_run_elsewhere_are_left_out_and_named(client: FlaskClient, engine: FakeEngine) -> None:
    typed = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
    response = client.post(URL, json=body(tools=[typed, {**TOOL, "type": "custom"}]))
    assert response.status_code == 200
    assert response.headers["X-BPU-Ignored"] == "tools.web_search_20250305"
    assert "look" in line(engine)
    assert "web_search" not in line(engine)
    schema = refused(client, tools=[typed, {"name": "x", "input_schema": 5}])
    assert schema["message"].startswith("tools.1.input_schema: ")


def test_44_an_image_is_refused_by_its_path(client: FlaskClient) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    image = [{"type": "text", "text": "Look"}, {"type": "image", "source": source}]
    failure = refused(client, messages=[{"role": "user", "content": image}])
    assert failure["message"].startswith("messages.0.content.1: Invalid content type. image is only supported by")
    result = [{"type": "tool_result", "tool_use_id": "a", "content": image}]
    failure = refused(client, messages=[{"role": "user", "content": result}])
    assert failure["message"].startswith("messages.0.content.0.content.1: ")


def test_a_document_of_plain_text_is_text(client: FlaskClient, engine: FakeEngine) -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "The cup is red."}
    whole(client, {"role": "user", "content": [{"type": "document", "source": source}]})
    assert "The cup is red." in line(engine)


def test_45_the_stop_string_is_named(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = thought("", "one two three")
    answer = whole(client, stop_sequences=["never", " three"])
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", " three")
    assert answer["content"][0]["text"] == "one two"
    last = [event for event in streamed(client, stop_sequences=[" three"]) if event["type"] == "message_delta"]
    assert last[0]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": " three"}


def test_46_both_kinds_of_length(serve: Serve, engine: FakeEngine) -> None:
    client = serve(context_size=64)
    assert whole(client, max_tokens=3)["stop_reason"] == "max_tokens"
    engine.script = thought("", "word " * 200)
    assert whole(client)["stop_reason"] == "model_context_window_exceeded"


def test_47_thinking_is_shown_when_it_is_asked_for(client: FlaskClient) -> None:
    assert [block["type"] for block in whole(client)["content"]] == ["text"]
    for kind in ("enabled", "adaptive", "between_tools"):
        thinking, text = whole(client, thinking={"type": kind})["content"]
        assert (thinking["thinking"], text["text"]) == ("Hm.", "Hello!")
        assert base64.b64decode(thinking["signature"], validate=True)
    assert [block["type"] for block in whole(client, thinking={"type": "disabled"})["content"]] == ["text"]
    assert "thinking.type" in refused(client, thinking={"type": "often"})["message"]


def test_47_thinking_whose_text_is_omitted(client: FlaskClient) -> None:
    thinking, _ = whole(client, thinking={"type": "adaptive", "display": "omitted"})["content"]
    assert thinking["thinking"] == ""
    assert thinking["signature"]
    events = streamed(client, thinking={"type": "adaptive", "display": "omitted"})
    assert "thinking_delta" not in json.dumps(events)
    assert json.dumps(events).count("signature_delta") == 1


def test_48_thinking_that_comes_back_leaves_the_history(client: FlaskClient, engine: FakeEngine) -> None:
    blocks = [
        {"type": "thinking", "thinking": "a secret plan", "signature": "anything"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Hello!"},
    ]
    whole(client, "Hi", {"role": "assistant", "content": blocks}, "More")
    assert "Hello!" in line(engine)
    assert "secret" not in line(engine)


def test_49_usage_counts_what_was_cached_apart(
    client: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = Timing(cached_tokens=30, prompt_tokens=12)
    monkeypatch.setattr(FakeJob, "timing", property(lambda job: cached, lambda job, value: None), raising=False)
    usage = whole(client, thinking=ON)["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (12, 30)
    assert usage["cache_creation_input_tokens"] == 0
    assert 0 < usage["output_tokens_details"]["thinking_tokens"] < usage["output_tokens"]


def test_50_the_last_usage_counts(client: FlaskClient, engine: FakeEngine) -> None:
    events = streamed(client)
    assert events[0]["message"]["usage"]["input_tokens"] == engine.jobs[0].turn.tokens
    (last,) = [event for event in events if event["type"] == "message_delta"]
    assert last["usage"]["output_tokens"] > 1
    assert last["usage"]["input_tokens"] == engine.jobs[0].turn.tokens


@pytest.mark.parametrize("form", ["chunk", "comment"])
def test_51_pings_and_no_comments(serve: Serve, engine: FakeEngine, form: str) -> None:
    """A ping comes at once, for each wait in the queue, and inside a block."""
    engine.script = [Progress("queued", 1), Text("Hm"), Progress("decode"), Text(".</think>Yes"), Done()]
    names = [event["type"] for event in streamed(serve(keepalive=form), thinking=ON)]
    assert names[:4] == ["message_start", "ping", "ping", "content_block_start"]
    assert "ping" in names[4 : names.index("content_block_stop")]


def test_51_no_sign_of_life_where_they_are_switched_off(serve: Serve, engine: FakeEngine) -> None:
    engine.script = [Progress("queued", 1), Text("</think>Yes"), Done()]
    assert b"ping" not in serve(keepalive="off").post(URL, json=body(stream=True)).data


def test_52_the_input_of_a_call_comes_in_pieces_that_join(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = thought("Hm.", CALL)
    deltas = [event.get("delta", {}) for event in streamed(client, tools=[TOOL])]
    assert json.loads("".join(delta.get("partial_json", "") for delta in deltas)) == {"at": "cup"}


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (errors.EngineUnavailable("No memory."), 424, "api_error"),
        (errors.QueueFull("Full.", retry_after=7), 429, "rate_limit_error"),
        (errors.EngineStopping("Stopping.", retry_after=7), 503, "overloaded_error"),
    ],
)
def test_53_refusals_of_the_engine(
    client: FlaskClient, engine: FakeEngine, failure: errors.BpuError, status: int, kind: str
) -> None:
    engine.refusal = failure
    ways: tuple[dict[str, Any], ...] = ({}, {"stream": True})
    for fields in ways:
        assert refused(client, status, **fields)["type"] == kind
    response = client.post(URL, json=body())
    assert response.headers.get("Retry-After") == (str(failure.retry_after) if failure.retry_after else None)


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (errors.EngineCrashed("SIGSEGV."), 502, "api_error"),
        (errors.EngineTimeout("Silence."), 504, "timeout_error"),
        (errors.QueueTimeout("Too long."), 503, "overloaded_error"),
        (errors.JobCancelled("Cancelled."), 499, "api_error"),
        (ValueError("secret words"), 500, "api_error"),
    ],
)
def test_53_55_failures_on_the_way(
    client: FlaskClient, engine: FakeEngine, failure: Exception, status: int, kind: str
) -> None:
    """Not streamed, the status is true; in a stream an `error` event is the last, and no `message_stop` comes."""
    engine.script = [Text("</think>Well"), failure]
    assert refused(client, status)["type"] == kind
    response = client.post(URL, json=body(stream=True))
    events = parse_events(response.data)
    assert check_anthropic_error(events[-1])["type"] == kind
    assert events[-1]["request_id"] == response.headers["request-id"]
    assert b"message_stop" not in response.data
    assert b"secret" not in response.data


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "kind"),
    [
        ("POST", URL, b"{", 400, "invalid_request_error"),
        ("POST", URL, b"[]", 400, "invalid_request_error"),
        ("GET", URL, b"", 405, "invalid_request_error"),
        ("GET", f"{URL}/batches", b"", 404, "not_found_error"),
        ("POST", "/v1/complete", b"{}", 404, "not_found_error"),
        ("GET", "/v1/skills", b"", 404, "not_found_error"),
        ("GET", f"{URL}/nothing", b"", 404, "not_found_error"),
        ("POST", URL, b"x" * 2048, 413, "request_too_large"),
    ],
)
def test_53_errors_that_no_view_makes(
    serve: Serve, method: str, path: str, sent: bytes, status: int, kind: str
) -> None:
    response = serve(max_body_bytes=1024).open(path, method=method, data=sent, content_type="application/json")
    assert response.status_code == status
    assert check_anthropic_error(response.json)["type"] == kind


def test_53_foreign_hosts_and_pages(client: FlaskClient) -> None:
    response = client.post(URL, json=body(), headers={"Host": "example.com"})
    assert (response.status_code, check_anthropic_error(response.json)["type"]) == (403, "permission_error")
    response = client.post(URL, data=json.dumps(body()), headers={"Origin": "http://a"}, content_type="text/plain")
    assert response.status_code == 415
    assert check_anthropic_error(response.json)["type"] == "invalid_request_error"


def test_53_a_model_that_is_not_served(client: FlaskClient) -> None:
    assert refused(client, 404, model="claude-x")["type"] == "not_found_error"
    assert refused(client, 404, COUNT, model="claude-x")["type"] == "not_found_error"


def test_53_an_answer_of_another_form_than_asked_for_comes_with_its_words(
    client: FlaskClient, engine: FakeEngine
) -> None:
    engine.script = thought("Hm.", "No JSON.")
    wanted = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    failure = refused(client, 422, output_config=wanted)
    assert (failure["type"], failure["output"]) == ("invalid_request_error", "No JSON.")


def test_54_a_prompt_that_is_too_long_says_both_numbers(serve: Serve) -> None:
    failure = refused(serve(context_size=64), messages=[{"role": "user", "content": "word " * 200}])
    assert failure["type"] == "invalid_request_error"
    words = failure["message"].split()
    assert words[:5] == ["prompt", "is", "too", "long:", words[4]]
    assert int(words[4]) > 64
    assert words[5:9] == ["tokens", ">", "64", "maximum."]


def test_57_a_limit_beyond_the_context(client: FlaskClient) -> None:
    assert whole(client, max_tokens=32000)["stop_reason"] == "end_turn"


def test_a_limit_of_nothing_reads_the_prompt(client: FlaskClient) -> None:
    answer = whole(client, max_tokens=0)
    assert (answer["content"], answer["stop_reason"]) == ([], "max_tokens")


def test_58_a_prefill_is_asked_to_be_continued(client: FlaskClient, engine: FakeEngine) -> None:
    assert whole(client, "Hi", {"role": "assistant", "content": "Once upon"})["content"]
    assert line(engine).index("Once upon") < line(engine).index("Continue.")


def test_59_json_of_a_schema(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = thought("Hm.", 'Here: {"at": "cup"}')
    wanted = {"type": "json_schema", "schema": {"type": "object", "required": ["at"]}}
    response = client.post(URL, json=body(output_config={"effort": "low", "format": wanted}, temperature=0.5))
    assert json.loads(response.json["content"][0]["text"]) == {"at": "cup"}
    assert response.headers["X-BPU-Ignored"] == "temperature, output_config.effort"


def test_60_the_think_model_has_its_reasoning_inline(client: FlaskClient) -> None:
    (block,) = whole(client, model=f"{MODEL}-think", thinking=ON)["content"]
    assert block["text"] == "<think>\nHm.\n</think>\n\nHello!"


def test_61_the_count_is_that_of_the_later_prompt(client: FlaskClient) -> None:
    fields = {"system": "Be kind.", "tools": [TOOL]}
    counted = client.post(COUNT, json={**body("Hi", **fields), "max_tokens": None})
    usage = whole(client, "Hi", **fields)["usage"]
    assert counted.json == {"input_tokens": usage["input_tokens"] + usage["cache_read_input_tokens"]}


def test_63_a_prompt_that_is_too_long_is_counted(serve: Serve) -> None:
    counted = serve(context_size=64).post(COUNT, json=body("word " * 30000))
    assert counted.status_code == 200
    assert counted.json["input_tokens"] > 20000


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": ["Hi"]}, "messages.0"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"messages": [{"role": "user", "content": [{"type": "server_tool_use"}]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "a", "input": 5}]}]},
         "messages.0.content.0.input"),
        ({"system": 5}, "system"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"tools": {}}, "tools"),
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        ({"output_config": {"format": {"type": "json_object"}}}, "output_config.format"),
        ({"model": 5}, "model"),
        ({"model": None}, "model"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": 5}]}]},
         "messages.0.content.0.content"),
        ({"output_config": 5}, "output_config"),
        ({"tools": [5]}, "tools.0"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_its_path(client: FlaskClient, fields: dict[str, Any], path: str) -> None:
    failure = refused(client, **fields)
    assert failure["message"].startswith(f"{path}: ")
    assert "tuple" not in failure["message"]


def test_what_says_nothing_is_no_message(client: FlaskClient, engine: FakeEngine) -> None:
    billing = {"type": "text", "text": "x-anthropic-billing-header: x"}
    whole(client, {"role": "user", "content": []}, "Hi", system=[billing])
    assert line(engine) == "Hi"


def test_white_space_before_a_call_is_no_block_and_before_words_part_of_them(
    client: FlaskClient, engine: FakeEngine
) -> None:
    engine.script = [Text("</think>"), Text("a"), Text(" "), Text("b"), Done()]
    assert whole(client)["content"] == [{"type": "text", "text": "a b"}]
    engine.script = [Text("</think>"), Text("\n \u00a0"), Text("b"), Done()]
    assert whole(client)["content"][0]["text"].strip() == "b"
    engine.script = [Text("</think>"), Text("\u00a0 "), Text(CALL), Done()]
    assert [block["type"] for block in whole(client, tools=[TOOL])["content"]] == ["tool_use"]
