"""The wire checklist, items 33 to 45: what requests may hold, tools, formats, counts, refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.live.gateway import Gateway
from tests.live.wire import body, message, post, say, streamed, whole
from tests.support.checker import check_usage

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a given city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "巴黎"}}\n</tool_call>'
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WANTED = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@pytest.mark.parametrize(
    "content",
    ["1+1=?", [{"type": "text", "text": "1+1"}, {"type": "text", "text": "=?"}], [{"type": "text", "text": ""}]],
)
def test_33_content_as_text_or_parts(gateway: Gateway, content: Any) -> None:
    assert message(gateway, user(content))["content"]


@pytest.mark.parametrize("content", [None, ""])
def test_33_content_may_be_null_or_empty(gateway: Gateway, content: Any) -> None:
    assert message(gateway, user("Hi"), {"role": "assistant", "content": content}, user("1+1=?"))["content"]
    assert message(gateway, user(content))["content"]


@pytest.mark.parametrize("stream", [True, False])
def test_33_an_image_is_refused_in_openais_words(gateway: Gateway, stream: bool) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    reply = post(gateway, body(user([{"type": "text", "text": "What is this?"}, image]), stream=stream))
    assert reply.status == 400
    words = "Invalid content type. image_url is only supported by certain models. "
    assert reply.error["message"].startswith(words)
    assert reply.error["param"] == "messages.0.content.1"


ROLES: dict[str, list[dict[str, Any]]] = {
    "system": [{"role": "system", "content": "Be brief."}, user("1+1=?")],
    "developer": [{"role": "developer", "content": "Be brief."}, user("1+1=?")],
    "several systems": [*[{"role": "system", "content": "Be brief."}] * 3, user("1+1=?")],
    "a system in the middle": [user("Hi"), {"role": "system", "content": "Be brief."}, user("1+1=?")],
    "two users in a row": [user("Hi"), user([{"type": "text", "text": "1+1=?"}])],
    "two assistants in a row": [user("Hi"), *[{"role": "assistant", "content": "Yes?"}] * 2, user("1+1=?")],
    "assistant first": [{"role": "assistant", "content": "Welcome."}, user("1+1=?")],
    "assistant last": [user("1+1=?"), {"role": "assistant", "content": "It is"}],
    "only a system": [{"role": "system", "content": "1+1=?"}],
    "function": [user("Hi"), {"role": "function", "name": "f", "content": "2"}, user("1+1=?")],
    "tool": [user("Hi"), {"role": "tool", "tool_call_id": "x", "content": "2"}],
}


@pytest.mark.parametrize("messages", ROLES.values(), ids=ROLES.keys())
def test_34_every_role_in_any_order(gateway: Gateway, messages: list[dict[str, Any]]) -> None:
    assert message(gateway, *messages)["content"]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("most", [1, 5])
def test_35_token_limits(gateway: Gateway, name: str, most: int) -> None:
    limit: dict[str, Any] = {name: most}
    answer = whole(gateway, "你好", **limit)
    assert answer["usage"]["completion_tokens"] == most
    assert answer["choices"][0]["finish_reason"] == "length"
    assert streamed(gateway, "你好", **limit)["finish_reason"] == "length"


@pytest.mark.parametrize("stop", ["three", ["nothing", "three"], ["four", "three"]])
def test_35_stop_strings(gateway: Gateway, stop: Any) -> None:
    question = say("three</think>\n\none two three four")
    for seen in (streamed(gateway, question, stop=stop), message(gateway, question, stop=stop)):
        assert seen["content"] == "one two "
    assert whole(gateway, question, stop=stop)["choices"][0]["finish_reason"] == "stop"


def test_35_one_answer_a_request(gateway: Gateway) -> None:
    assert post(gateway, body("Hi", n=2)).error["param"] == "n"
    assert whole(gateway, "1+1=?", n=1)["choices"][0]["index"] == 0


IGNORED: dict[str, Any] = {
    "temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "repetition_penalty": 1.1, "frequency_penalty": 0.5,
    "presence_penalty": 0.5, "seed": 1, "logprobs": True, "logit_bias": {"1": 1}, "verbosity": "low", "user": "me",
    "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "prompt_cache_key": "k", "safety_identifier": "s",
    "prediction": {"type": "content", "content": "x"}, "include": ["x"], "modalities": ["text"],
}  # fmt: skip


@pytest.mark.parametrize("name", [*IGNORED, None])
def test_36_what_has_no_effect_is_taken_and_named(gateway: Gateway, name: str | None) -> None:
    fields = IGNORED if name is None else {name: IGNORED[name]}
    for stream in (True, False):
        sent = body("1+1=?", **fields, stream=stream, parallel_tool_calls=True, reasoning={"effort": "low"}, nonsense=3)
        reply = post(gateway, sent)
        assert reply.status == 200
        assert set(reply.headers["X-BPU-Ignored"].split(", ")) == {*fields, "reasoning.effort"}
    named = [{**user("1+1=?"), "name": "me"}]
    assert message(gateway, *named)["content"]


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_37_missing_fields(gateway: Gateway, missing: str) -> None:
    sent = body("Hi")
    del sent[missing]
    reply = post(gateway, sent)
    assert (reply.status, reply.error["param"]) == (400, missing)
    assert post(gateway, {**body("Hi"), "model": "gpt-4"}).error["code"] == "model_not_found"
    assert post(gateway, body()).error["param"] == "messages"


def test_38_a_large_body_with_twelve_tools(gateway: Gateway) -> None:
    tools = [tool(number) for number in range(12)]
    sent = body("1+1=?", {"role": "system", "content": "Rules. " * 8000}, tools=tools, stream=True)
    assert len(json.dumps(sent)) > 60_000
    reply = post(gateway, sent)
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
    assert streamed(gateway, say("</think>Yes"), tools=tools[:3])["content"] == "Yes"


def tool(number: int) -> dict[str, Any]:
    properties = {f"field_{one}": {"type": "string", "description": "What it is for. " * 4} for one in range(5)}
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": f"tool_{number}", "parameters": parameters}}


def test_39_a_call_in_a_stream(gateway: Gateway) -> None:
    seen = streamed(gateway, say(f"Hm.</think>\n\n{CALL}"), tools=[WEATHER])
    (call,) = seen["tool_calls"]
    assert (call["name"], json.loads(call["arguments"])) == ("get_weather", {"city": "巴黎"})
    assert (seen["content"], seen["finish_reason"], seen["reasoning"]) == ("", "tool_calls", "Hm.")


def test_39_a_call_that_is_cut_is_length(gateway: Gateway) -> None:
    seen = streamed(gateway, say(f"Hm.</think>\n\n{CALL}"), tools=[WEATHER], max_tokens=18)
    assert (seen["tool_calls"], seen["content"], seen["finish_reason"]) == ([], "", "length")


def test_40_a_call_in_one_piece_and_its_result(gateway: Gateway) -> None:
    question = user(say(f"Hm.</think>\n\n{CALL}"))
    answer = whole(gateway, question, tools=[WEATHER])
    told = answer["choices"][0]["message"]
    assert told["content"] is None
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    rewritten = {**told["tool_calls"][0], "id": "call1"}
    history = [
        question,
        {"role": "assistant", "content": None, "tool_calls": [rewritten]},
        {"role": "tool", "tool_call_id": "call1", "content": "sunny, 20 degrees"},
    ]
    final = message(gateway, *history, tools=[WEATHER])
    assert "sunny, 20 degrees" in final["content"]
    assert message(gateway, *history, user("1+1=?"), tools=[WEATHER])["content"]


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "get_weather"}}])
def test_40_every_choice(gateway: Gateway, choice: Any) -> None:
    question = say(f"Hm.</think>\n\n{CALL}")
    assert len(streamed(gateway, question, tools=[WEATHER], tool_choice=choice)["tool_calls"]) == 1


def test_40_a_choice_that_names_no_tool(gateway: Gateway) -> None:
    unknown = {"type": "function", "function": {"name": "fly"}}
    assert post(gateway, body("Hi", tools=[WEATHER], tool_choice=unknown)).error["param"] == "tool_choice"
    assert post(gateway, body("Hi", tool_choice="required")).error["param"] == "tool_choice"


def test_41_no_leak_and_no_call_where_none_is_wanted(gateway: Gateway) -> None:
    question = say(f"Hm.</think>\n\nOne moment.\n\n{CALL}\n")
    seen = streamed(gateway, question, tools=[WEATHER])
    assert (seen["content"], len(seen["tool_calls"])) == ("One moment.", 1)
    assert "tool_calls" not in message(gateway, question)
    assert "tool_calls" not in message(gateway, question, tools=[WEATHER], tool_choice="none")


def test_42_json_object_and_json_schema(gateway: Gateway) -> None:
    fenced = say('Hm.</think>\n\nHere:\n```json\n{"city": "Paris"}\n```\nGood luck.')
    for wanted in ({"type": "json_object"}, WANTED):
        assert message(gateway, fenced, response_format=wanted)["content"] == '{"city": "Paris"}'
        assert streamed(gateway, fenced, response_format=wanted)["content"] == '{"city": "Paris"}'
    assert message(gateway, fenced, response_format={"type": "text"})["content"].endswith("Good luck.")


@pytest.mark.parametrize("answer", ['{"town": "Paris"}', "Paris.", '["Paris"]'])
def test_42_what_does_not_fit_is_an_error_and_never_content(gateway: Gateway, answer: str) -> None:
    question = say(f"Hm.</think>\n\n{answer}")
    reply = post(gateway, body(question, response_format=WANTED))
    assert (reply.status, reply.error["code"]) == (422, "response_format_failed")
    seen = streamed(gateway, question, response_format=WANTED, error=True)
    assert (seen["content"], seen["error"]["code"]) == ("", "response_format_failed")


def test_43_counts_add_up(gateway: Gateway) -> None:
    one = whole(gateway, "1+1=?")["usage"]
    assert one["completion_tokens"] > one["completion_tokens_details"]["reasoning_tokens"] > 0
    assert one["prompt_tokens"] > 0
    check_usage(streamed(gateway, "1+1=?")["usage"])


def test_43_timings_are_the_consoles_own(gateway: Gateway) -> None:
    timings = whole(gateway, "1+1=?")["timings"]
    assert set(timings) == {
        "cache_n", "prompt_n", "prompt_ms", "prompt_per_token_ms", "prompt_per_second",
        "predicted_n", "predicted_ms", "predicted_per_token_ms", "predicted_per_second",
    }  # fmt: skip
    assert timings["prompt_n"] > 0
    assert timings["predicted_per_second"] > 0


WRONG: dict[str, Any] = {
    "messages": "Hi",
    "stream": "maybe",
    "max_tokens": "many",
    "stop": 5,
    "tools": [{"type": "function"}],
    "tool_choice": "sometimes",
    "response_format": {"type": "xml"},
    "stream_options": 3,
}


@pytest.mark.parametrize("name", WRONG)
def test_44_every_refusal_has_four_keys_and_names_the_field(gateway: Gateway, name: str) -> None:
    reply = post(gateway, {**body("Hi"), name: WRONG[name]})
    assert reply.status == 400
    assert reply.error["type"] == "invalid_request_error"
    assert reply.error["param"].split(".")[0] == name


@pytest.mark.parametrize("stream", [True, False])
def test_45_a_conversation_that_does_not_fit(gateway: Gateway, stream: bool) -> None:
    reply = post(gateway, body("word " * 9000, stream=stream))
    assert reply.status == 400
    error = reply.error
    assert (error["type"], error["code"], error["param"]) == (
        "invalid_request_error", "context_length_exceeded", "messages",
    )  # fmt: skip
    assert error["message"].startswith("This model's maximum context length is 4096 tokens")
    assert "However, your messages resulted in" in error["message"]
    assert error["message"].endswith("Please reduce the length of the messages.")
