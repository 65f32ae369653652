"""The official package for Python against the real gateway: every helper it has for what the gateway serves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.live.gateway import Gateway, running, sim
from tests.live.wire import MODEL, say
from tests.support.async_run import run_async

pytestmark = pytest.mark.live

ANSWER = "Thought.</think>\n\n你好，world 🎉"
WORDS = "你好，world 🎉"
CALL = 'Hm.</think>\n\n<tool_call>{"name": "Weather", "arguments": {"city": "巴黎"}}</tool_call>'
PLACE = say('Hm.</think>\n\n```json\n{"city": "Paris"}\n```')


class Weather(BaseModel):
    """The weather of a city."""

    city: str


class Place(BaseModel):
    city: str


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("python"), env={"BPU_KEEPALIVE_S": "0.3"}) as started:
        yield started


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0, timeout=30) as client:
        yield client


def asked(content: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": content}], **fields}


def test_parse_gives_an_object(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(**asked(PLACE), response_format=Place)
    assert answer.choices[0].message.parsed == Place(city="Paris")


def test_parse_of_what_does_not_fit(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as error:
        client.chat.completions.parse(**asked(say("Hm.</think>No.")), response_format=Place)
    assert error.value.code == "response_format_failed"


def test_parse_gives_a_call_as_an_object(client: openai.OpenAI) -> None:
    tools = [openai.pydantic_function_tool(Weather)]
    answer = client.chat.completions.parse(**asked(say(CALL)), tools=tools)
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.function.parsed_arguments == Weather(city="巴黎")
    assert answer.choices[0].finish_reason == "tool_calls"


def test_the_stream_helper_gives_an_object_and_a_call(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(**asked(PLACE), response_format=Place) as stream:
        kinds = {event.type for event in stream}
        assert stream.get_final_completion().choices[0].message.parsed == Place(city="Paris")
    assert {"chunk", "content.delta", "content.done"} <= kinds
    with client.chat.completions.stream(**asked(say(CALL)), tools=[openai.pydantic_function_tool(Weather)]) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
    assert [event.parsed_arguments for event in done] == [Weather(city="巴黎")]


def test_a_conversation_with_a_tool(client: openai.OpenAI) -> None:
    tools: Any = [openai.pydantic_function_tool(Weather)]
    messages: list[Any] = [{"role": "user", "content": say(CALL)}]
    told = client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
    assert told.content is None
    messages.append(told)
    for call in told.tool_calls or []:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny, 20 degrees"})
    final = client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
    assert "sunny, 20 degrees" in str(final.choices[0].message.content)


def test_raw_and_streaming_responses(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(**asked(say(ANSWER), temperature=0))
    assert raw.headers["X-BPU-Ignored"] == "temperature"
    assert raw.parse().choices[0].message.content == WORDS
    with client.chat.completions.with_streaming_response.create(**asked(say(ANSWER), stream=True)) as response:
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"


def test_text_completions(client: openai.OpenAI) -> None:
    assert client.completions.create(model=MODEL, prompt=say(ANSWER)).choices[0].text == WORDS
    stream = client.completions.create(model=MODEL, prompt=say(ANSWER), stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == WORDS


def test_responses_in_every_way(client: openai.OpenAI) -> None:
    assert client.responses.create(model=MODEL, input=say(ANSWER)).output_text == WORDS
    with client.responses.stream(model=MODEL, input=say(ANSWER)) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert deltas == stream.get_final_response().output_text == WORDS
    parsed = client.responses.parse(model=MODEL, input=PLACE, text_format=Place)
    assert parsed.output_parsed == Place(city="Paris")
    cut = client.responses.create(model=MODEL, input="你好", max_output_tokens=3)
    assert (cut.status, cut.incomplete_details and cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_a_response_with_a_tool(client: openai.OpenAI) -> None:
    tools: Any = [{"type": "function", "name": "Weather", "parameters": Weather.model_json_schema(), "strict": True}]
    conversation: list[Any] = [{"role": "user", "content": say(CALL)}]
    first = client.responses.create(model=MODEL, input=conversation, tools=tools)
    conversation += [item.model_dump() for item in first.output]
    (call,) = (item for item in first.output if item.type == "function_call")
    assert json.loads(call.arguments) == {"city": "巴黎"}
    conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    assert "sunny" in client.responses.create(model=MODEL, input=conversation, tools=tools).output_text


def test_errors_in_a_stream_are_raised(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="crash"):
        list(client.chat.completions.create(**asked(sim(fault="signal"), stream=True)))
    assert client.chat.completions.create(**asked("1+1=?")).choices
    with pytest.raises(openai.APIError, match="crash"):
        list(client.responses.create(model=MODEL, input=sim(fault="signal"), stream=True))
    assert client.chat.completions.create(**asked("1+1=?")).choices


def test_what_is_not_served_is_told(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.embeddings.create(model=MODEL, input="Hi")
    assert error.value.code == "unsupported_endpoint"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**{**asked("Hi"), "model": "gpt-4"})


def test_silence_and_retries(client: openai.OpenAI) -> None:
    slow = client.chat.completions.create(**asked(sim("1+1=?", prefill=2), stream=True), timeout=1.5)
    assert "2" in "".join(chunk.choices[0].delta.content or "" for chunk in slow)
    with client.with_options(max_retries=2) as patient:
        assert patient.chat.completions.create(**asked(say(ANSWER))).choices[0].message.content == WORDS


def test_the_async_client(gateway: Gateway) -> None:
    async def several() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:

            async def one(number: int) -> str:
                stream = await client.chat.completions.create(**asked(f"1+{number}=?", stream=True))
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            async with client.chat.completions.stream(**asked(say(ANSWER))) as helper:
                assert (await helper.get_final_completion()).choices[0].message.content == WORDS
            return await asyncio.gather(*map(one, range(4)))

    assert all(str(1 + number) in words for number, words in enumerate(run_async(several())))
