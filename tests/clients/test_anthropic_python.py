"""The official package of Anthropic for Python against the real gateway. Numbers are those of the checklist of APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest

from tests.live.gateway import Gateway, running, sim
from tests.live.wire import MODEL, say
from tests.support.async_run import run_async
from tests.support.waits import until

pytestmark = pytest.mark.clients

ANSWER = say("Thought.</think>\n\n你好，world 🎉")
WORDS = "你好，world 🎉"
CALL = 'Hm.</think>\n\n<tool_call>{"name": "get_weather", "arguments": {"city": "巴黎"}}</tool_call>'
TOOL: Any = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
THINKING: Any = {"type": "adaptive"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("anthropic"), env={"BPU_KEEPALIVE_S": "0.3"}) as started:
        yield started.wait_for()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0, timeout=60) as client:
        yield client


def asked(content: Any, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": content}], **fields}


def test_37_47_49_create(client: anthropic.Anthropic) -> None:
    message = client.messages.create(**asked(ANSWER))
    (block,) = message.content
    assert (block.type, block.text) == ("text", WORDS)
    assert message.stop_reason == "end_turn"
    assert message._request_id
    assert message._request_id.removeprefix("req_") == message.id.removeprefix("msg_")
    counted = client.messages.count_tokens(model=MODEL, messages=asked(ANSWER)["messages"])
    assert counted.input_tokens == message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0)


def test_38_50_stream(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**asked(ANSWER, thinking=THINKING)) as stream:
        text = "".join(event.text for event in stream if event.type == "text")
        message = stream.get_final_message()
    assert text == WORDS
    thinking, said = message.content
    assert thinking.type == "thinking"
    assert thinking.thinking == "Thought."
    assert said.type == "text"
    assert message.usage.output_tokens > 1


def test_42_48_52_a_tool_loop_in_a_stream(client: anthropic.Anthropic) -> None:
    messages = asked(say(CALL))["messages"]
    fields: Any = {"model": MODEL, "max_tokens": 1000, "tools": [TOOL], "thinking": THINKING}
    with client.messages.stream(messages=messages, **fields) as stream:
        first = stream.get_final_message()
    assert first.stop_reason == "tool_use"
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert call.input == {"city": "巴黎"}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny, 20 degrees"}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    last = client.messages.create(messages=messages, **fields)
    assert "sunny, 20 degrees" in last.content[-1].text


def test_45_46_stop_and_length(client: anthropic.Anthropic) -> None:
    stopped = client.messages.create(**asked(say("Hm.</think>one two three"), stop_sequences=[" three"]))
    assert (stopped.stop_reason, stopped.stop_sequence, stopped.content[0].text) == (
        "stop_sequence",
        " three",
        "one two",
    )
    assert client.messages.create(**asked("你好", max_tokens=3)).stop_reason == "max_tokens"


def test_51_pings_pass(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**asked(sim("1+1=?", prefill=2))) as stream:
        assert "2" in stream.get_final_text()


def test_53_54_errors_by_their_classes(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(**{**asked("Hi"), "model": "claude-x"})
    with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: \d+ tokens > \d+ maximum"):
        client.messages.create(**asked("word " * 5000))
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    with pytest.raises(anthropic.BadRequestError, match=r"messages\.0\.content\.0"):
        client.messages.create(**asked([{"type": "image", "source": source}]))
    with pytest.raises(anthropic.NotFoundError) as error:
        client.messages.batches.list()
    assert error.value.body["error"]["code"] == "unsupported_endpoint"  # type: ignore[index]


def test_55_an_error_in_a_stream_is_raised(client: anthropic.Anthropic) -> None:
    with (
        pytest.raises(anthropic.APIStatusError, match="crash") as error,
        client.messages.stream(**asked(sim(fault="signal"))) as stream,
    ):
        stream.get_final_message()
    assert error.value.type == "api_error"
    assert client.messages.create(**asked("1+1=?")).content


def test_56_the_list_of_models(client: anthropic.Anthropic) -> None:
    assert [model.id for model in client.models.list()] == [MODEL, f"{MODEL}-think"]
    assert [model.id for model in client.models.list(limit=1)] == [MODEL, f"{MODEL}-think"]
    assert client.models.retrieve(MODEL).display_name == MODEL
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-x")


def test_63_a_prompt_that_is_too_long_is_counted(client: anthropic.Anthropic) -> None:
    assert client.messages.count_tokens(model=MODEL, messages=asked("word " * 5000)["messages"]).input_tokens > 4096


def test_a_cancelled_job_is_asked_for_once(gateway: Gateway) -> None:
    """The package repeats a 409 and a 5xx; a job that was cancelled must not come back."""
    seen: list[int] = []

    def cancel() -> bool:
        job = gateway.slots()["slots"][0]["job"]
        return bool(job) and gateway.request("POST", f"/v1/jobs/{job['id']}/cancel")[0] == 200

    async def both() -> None:
        async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="any") as client:
            task = asyncio.create_task(client.messages.create(**asked(sim(prefill=20))))
            await asyncio.to_thread(until, cancel, what="the job is cancelled")
            with pytest.raises(anthropic.APIStatusError) as error:
                await task
            seen.append(error.value.status_code)

    run_async(both())
    assert seen == [499]
    assert gateway.slots()["waiting"] == []
    assert not gateway.slots()["slots"][0]["is_processing"], "the job has come back"


def test_40_keys(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("keys"), env={"BPU_API_KEYS": "k"}) as gateway:
        for key in ({"api_key": "k"}, {"auth_token": "k"}):
            with anthropic.Anthropic(base_url=gateway.url, max_retries=0, **key) as client:  # type: ignore[arg-type]
                assert client.models.list().data
        with (
            pytest.raises(anthropic.AuthenticationError),
            anthropic.Anthropic(base_url=gateway.url, api_key="other", max_retries=0) as client,
        ):
            client.models.list()
        assert httpx.get(f"{gateway.url}/v1/models").status_code == 401


def test_the_async_client(gateway: Gateway) -> None:
    async def several() -> list[str]:
        async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="any", max_retries=0) as client:

            async def one(number: int) -> str:
                async with client.messages.stream(**asked(f"1+{number}=?")) as stream:
                    return await stream.get_final_text()

            return await asyncio.gather(*map(one, range(3)))

    assert all(str(1 + number) in words for number, words in enumerate(run_async(several())))
