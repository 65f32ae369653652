"""POST /v1/responses over a scripted engine: the same answers as items and events; nothing is kept."""

from __future__ import annotations

from typing import Any

import pytest

from bpu import errors
from bpu.chat.call_ids import call_item_id
from bpu.console.events import Done, Text
from bpu.turn import Progress
from tests.support.response_checker import check_response, check_response_stream, parse_events
from tests.unit.web.conftest import FlaskClient
from tests.unit.web.fakes import FakeEngine, thought

MODEL = "deepseek-r1:1.5b"
URL = "/v1/responses"
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}
ALLOWED = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look"}]}
CALL = '<tool_call>{"name": "look", "arguments": {"at": "cup"}}</tool_call>'
WANTED = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "required": ["a"]}}}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": "Hi", **fields}


def whole(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    response = client.post(URL, json=body(**fields))
    assert response.status_code == 200, response.data
    return check_response(response.json)


def streamed(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    response = client.post(URL, json=body(stream=True, **fields))
    assert response.content_type == "text/event-stream; charset=utf-8"
    return check_response_stream(response.data)


@pytest.mark.parametrize("ask", [whole, streamed])
def test_an_answer_is_a_reasoning_item_and_a_message(client: FlaskClient, engine: FakeEngine, ask: Any) -> None:
    answer = ask(client, instructions="Be brief.", temperature=0.5, metadata={"a": "b"})
    reasoning, message = answer["output"]
    assert reasoning["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert message["content"] == [{"type": "output_text", "text": "Hello!", "annotations": [], "logprobs": []}]
    assert (message["status"], answer["status"], answer["store"]) == ("completed", "completed", False)
    assert (answer["instructions"], answer["temperature"], answer["metadata"]) == ("Be brief.", 0.5, {"a": "b"})
    assert engine.jobs[0].turn.line == b"Be brief.\\n\\nHi"
    assert engine.jobs[0].closed


def test_both_modes_give_the_same_object(client: FlaskClient) -> None:
    one, other = whole(client), streamed(client)
    for answer in (one, other):
        for item in answer["output"]:
            item.pop("id")
    assert {**one, "id": 0, "created_at": 0} == {**other, "id": 0, "created_at": 0}


@pytest.mark.parametrize("ask", [whole, streamed])
def test_a_call_is_an_item_of_its_own(client: FlaskClient, engine: FakeEngine, ask: Any) -> None:
    engine.script = thought("Hm.", f"Let me look.\n{CALL}\n{CALL}")
    answer = ask(client, tools=[TOOL])
    kinds = [item["type"] for item in answer["output"]]
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    call = answer["output"][2]
    assert (call["name"], call["arguments"], call["status"]) == ("look", '{"at": "cup"}', "completed")
    assert len({item["call_id"] for item in answer["output"][2:]}) == 2
    assert answer["tools"][0]["name"] == "look"
    assert answer["status"] == "completed"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"type": "function", "name": "look"}, {"type": "function", "name": "look"}),
        ({"function": {"name": "look"}}, {"type": "function", "name": "look"}),
        ("any", "required"),
        (None, "auto"),
        (ALLOWED, ALLOWED),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "look"}}]}},
            ALLOWED,
        ),
    ],
)
def test_a_choice_is_told_in_this_apis_words(client: FlaskClient, engine: FakeEngine, asked: Any, shown: Any) -> None:
    engine.script = thought("Hm.", CALL)
    assert whole(client, tools=[TOOL], tool_choice=asked)["tool_choice"] == shown


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"max_output_tokens": 300.0}, {"max_output_tokens": 300}),
        ({"max_output_tokens": "300"}, {"max_output_tokens": 300}),
        ({"parallel_tool_calls": "no"}, {"parallel_tool_calls": False}),
        ({"parallel_tool_calls": None}, {"parallel_tool_calls": True}),
        ({"temperature": "warm", "top_p": True}, {"temperature": 1.0, "top_p": 1.0}),
        ({"reasoning": {"effort": 3}}, {"reasoning": {"effort": None, "summary": None}}),
        ({"metadata": {"a": "b", "c": 3}}, {"metadata": {"a": "b"}}),
        ({"metadata": "words"}, {"metadata": {}}),
        ({"instructions": [{"type": "input_text", "text": "Be brief."}]}, {"instructions": None}),
    ],
)
@pytest.mark.parametrize("ask", [whole, streamed])
def test_what_is_repeated_is_what_was_understood(
    client: FlaskClient, ask: Any, asked: dict[str, Any], shown: dict[str, Any]
) -> None:
    answer = ask(client, **asked)
    assert {name: answer[name] for name in shown} == shown


@pytest.mark.parametrize("ask", [whole, streamed])
def test_an_answer_cut_by_a_limit_is_incomplete(client: FlaskClient, engine: FakeEngine, ask: Any) -> None:
    engine.script = thought("", "one two three four five six")
    answer = ask(client, max_output_tokens=3)
    assert answer["status"] == "incomplete"
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert answer["output"][-1]["status"] == "incomplete"
    assert answer["max_output_tokens"] == 3


def test_the_conversation_comes_as_items(client: FlaskClient, engine: FakeEngine) -> None:
    conversation = [
        {"role": "developer", "content": "Be kind."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Where is the cup?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hidden."}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":"cup"}'},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": '{"at":"table"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "result one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "result two"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "On the table."}]},
        {"role": "user", "content": "Thanks"},
    ]
    whole(client, input=conversation, tools=[TOOL])
    line = engine.jobs[0].turn.line.decode()
    assert "Hidden" not in line
    order = [
        "Be kind.",
        "Where is the cup?",
        '"arguments": {"at": "cup"}',
        '{"at": "table"}',
        "result one",
        "result two",
    ]
    places = [line.index(words) for words in [*order, "On the table.", "Thanks"]]
    assert places == sorted(places)


def test_a_format_by_schema(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = thought("Hm.", '```json\n{"a": 1}\n```')
    assert whole(client, text=WANTED)["output"][-1]["content"][0]["text"] == '{"a": 1}'
    engine.script = thought("Hm.", '{"b": 1}')
    assert client.post(URL, json=body(text=WANTED)).json["error"]["code"] == "response_format_failed"


def test_thinking_off(client: FlaskClient) -> None:
    answer = whole(client, reasoning={"effort": "none"})
    assert [item["type"] for item in answer["output"]] == ["message"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input.0"),
        ({"input": ["words"]}, "input.0"),
        ({"instructions": "a", "input": [{"role": "user", "content": 5}]}, "input.0.content"),
        ({"instructions": 5}, "instructions"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input.0.content.0"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
        ({"tools": [{"type": "web_search"}, {"type": "function", "name": 5}]}, "tools.1.name"),
        ({"text": "json"}, "text"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(client: FlaskClient, fields: dict[str, Any], param: str) -> None:
    response = client.post(URL, json=body(**fields))
    assert response.status_code == 400
    assert response.json["error"]["param"] == param


def test_tools_that_run_elsewhere_are_left_out_and_named(client: FlaskClient, engine: FakeEngine) -> None:
    tools = [{"type": "web_search_preview"}, {"type": "function", "name": "look"}, {"type": "x\r\ny"}]
    response = client.post(URL, json=body(tools=tools))
    assert response.status_code == 200
    assert response.headers["X-BPU-Ignored"] == "tools.web_search_preview, tools.xy"
    assert [tool["name"] for tool in response.json["tools"]] == ["look"]
    assert b"web_search" not in engine.jobs[0].turn.line


def test_earlier_calls_of_tools_that_run_elsewhere_are_left_out_and_named(
    client: FlaskClient, engine: FakeEngine
) -> None:
    sent = [
        {"role": "user", "content": "Hi"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "hidden"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "hidden"},
        {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "x", "tools": []},
        {"role": "user", "content": "Hello"},
    ]
    response = client.post(URL, json=body(input=sent))
    assert response.status_code == 200
    named = "input.web_search_call, input.custom_tool_call, input.custom_tool_call_output, input.mcp_list_tools"
    assert response.headers["X-BPU-Ignored"] == named
    assert engine.jobs[0].turn.line.decode() == "Hi\\n\\nHello"
    wrong = client.post(URL, json=body(input=[*sent, {"role": "user", "content": 5}]))
    assert wrong.json["error"]["param"] == "input.6.content"


def test_a_reference_to_a_reasoning_item_is_left_out(client: FlaskClient, engine: FakeEngine) -> None:
    call = {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "a", "output": "a cup"}
    reference = {"type": "item_reference", "id": "rs_0123"}
    assert client.post(URL, json=body(input=[{"role": "user", "content": "Hi"}, reference, call, output])).json[
        "output"
    ]
    assert b"a cup" in engine.jobs[0].turn.line
    response = client.post(URL, json=body(input=[{"type": "item_reference", "id": "msg_0123"}]))
    assert (response.status_code, response.json["error"]["param"]) == (400, "input.0")


def test_a_reference_to_a_call_is_the_call(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = thought("Hm.", '<tool_call>{"name": "look", "arguments": {"at": "杯子"}}</tool_call>')
    tools = [{"type": "function", "name": "look"}]
    output = client.post(URL, json=body(tools=tools)).json["output"]
    (call,) = [item for item in output if item["type"] == "function_call"]
    references = [{"type": "item_reference", "id": item["id"]} for item in output]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "red"}
    engine.script = thought("Hm.", "Red.")
    sent = body(input=[{"role": "user", "content": "Hi"}, *references, result], tools=tools)
    assert client.post(URL, json=sent).status_code == 200
    assert '{"name": "look", "arguments": {"at": "杯子"}}' in engine.jobs[-1].turn.line.decode()


@pytest.mark.parametrize("item_id", ["fc_", "fc_x.!!", "fc_x.W10", "fc_x.WyJhIl0", "fc_" + "x" * 5000, 5, None])
def test_a_reference_that_holds_no_call_is_refused(client: FlaskClient, item_id: object) -> None:
    response = client.post(URL, json=body(input=[{"type": "item_reference", "id": item_id}]))
    assert (response.status_code, response.json["error"]["param"]) == (400, "input.0")


def test_a_long_call_has_a_plain_id() -> None:
    assert call_item_id("1", "look", "x" * 5000) == "fc_1"


def test_earlier_responses_cannot_be_read(client: FlaskClient) -> None:
    response = client.get(f"{URL}/resp_1")
    assert response.status_code == 404
    assert response.json["error"]["code"] == "unsupported_endpoint"
    assert client.post(URL, json=body(model="gpt-4")).status_code == 404


def test_silence_sends_comments(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = [Progress("prefill"), Text("</think>Yes"), Done()]
    assert client.post(URL, json=body(stream=True)).data.count(b": keep-alive\n\n") == 1


def test_an_error_in_a_stream_ends_it_as_failed(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = [Text("</think>Well"), errors.EngineCrashed("Gone.")]
    data = client.post(URL, json=body(stream=True)).data
    final = check_response_stream(data)
    assert (final["status"], final["error"]) == ("failed", {"code": "server_error", "message": "Gone."})
    error = parse_events(data)[-2]
    assert (error["type"], error["code"], error["error"]["code"]) == ("error", "engine_crashed", "engine_crashed")


def test_what_has_no_effect_is_named(client: FlaskClient) -> None:
    fields = {"text": {"verbosity": "low"}, "reasoning": {"effort": "low", "summary": "auto"}}
    for stream in (True, False):
        asked = body(stream=stream, top_p=0.5, store=True, include=[], truncation="auto", **fields)
        response = client.post(URL, json=asked)
        assert response.headers["X-BPU-Ignored"] == "top_p, verbosity, store, truncation, reasoning.effort"
