"""The official package of Ollama for Python against the real gateway. Numbers are those of the checklist of APIs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import ollama
import pytest

from tests.live.gateway import Gateway, running, sim
from tests.live.wire import MODEL, say
from tests.support.async_run import run_async
from tests.support.waits import until

pytestmark = pytest.mark.clients

ANSWER = say("Thought.</think>\n\n你好，world 🎉")
WORDS = "你好，world 🎉"
CALL = 'Hm.</think>\n\n<tool_call>{"name": "get_weather", "arguments": {"city": "巴黎", "days": 2}}</tool_call>'


def get_weather(city: str, days: int | str) -> str:
    """The weather of a city.

    Args:
        city: The name of the city.
        days: How many days.
    """
    return f"{city}: sunny for {days} days"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("ollama"), env={"BPU_KEEPALIVE_S": "0.3"}) as started:
        yield started.wait_for()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[ollama.Client]:
    with ollama.Client(gateway.url, timeout=60) as client:
        yield client


def user(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


def test_03_06_07_lists(client: ollama.Client) -> None:
    (model,) = client.list().models
    assert (model.model, model.details and model.details.family) == (MODEL, "qwen2")
    shown = client.show(MODEL)
    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert (shown.modelinfo or {})["qwen2.context_length"] == 4096
    (running_model,) = client.ps().models
    assert running_model.expires_at
    assert running_model.expires_at.year > 2090


def test_14_15_17_chat_in_both_ways(client: ollama.Client) -> None:
    whole = client.chat(MODEL, user(ANSWER), think=True)
    assert (whole.message.content, whole.message.thinking, whole.done_reason) == (WORDS, "Thought.", "stop")
    parts = list(client.chat(MODEL, user(ANSWER), stream=True))
    assert "".join(part.message.content or "" for part in parts) == WORDS
    assert "".join(part.message.thinking or "" for part in parts) == "Thought."
    assert parts[-1].done
    assert (parts[-1].total_duration or 0) >= (parts[-1].eval_duration or 0) > 0
    assert client.chat(MODEL, user(ANSWER), think=False).message.thinking is None


def test_18_19_20_a_tool_from_a_python_function(client: ollama.Client) -> None:
    messages: list[Any] = user(say(CALL))
    first = client.chat(MODEL, messages, tools=[get_weather])
    (call,) = first.message.tool_calls or []
    result = get_weather(**call.function.arguments)
    messages += [first.message, {"role": "tool", "content": result, "tool_name": call.function.name}]
    last = client.chat(MODEL, messages, tools=[get_weather])
    assert "sunny for 2 days" in (last.message.content or "")
    streamed = client.chat(MODEL, user(say(CALL)), tools=[get_weather], stream=True)
    assert [part.message.tool_calls for part in streamed if part.message.tool_calls]


def test_21_json_of_a_schema(client: ollama.Client) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    answer = client.chat(MODEL, user(say('Hm.</think>{"city": "Paris"}')), format=schema)
    assert json.loads(answer.message.content or "") == {"city": "Paris"}


def test_22_options(client: ollama.Client) -> None:
    options = {"num_ctx": 8192, "temperature": 0.2, "stop": [" three"]}
    answer = client.chat(MODEL, user(say("Hm.</think>one two three")), options=options, keep_alive=-1)
    assert answer.message.content == "one two"
    assert client.chat(MODEL, user("你好"), options={"num_predict": 3}).done_reason == "length"


def test_24_26_generate_and_unload(client: ollama.Client) -> None:
    answer = client.generate(MODEL, ANSWER, system="Be kind.")
    assert (answer.response, answer.thinking) == (WORDS, "Thought.")
    assert answer.context == []
    assert "".join(part.response or "" for part in client.generate(MODEL, ANSWER, stream=True)) == WORDS
    assert client.generate(MODEL, keep_alive=0).done_reason == "unload"
    until(lambda: not client.ps().models, what="the model is unloaded")
    assert client.generate(MODEL).done_reason == "load"
    assert client.ps().models


def test_10_pull(client: ollama.Client) -> None:
    assert client.pull(MODEL).status == "success"
    assert [part.status for part in client.pull(MODEL, stream=True)][-1] == "success"
    with pytest.raises(ollama.ResponseError, match="not found"):
        client.pull("llama3")


def test_11_29_errors(client: ollama.Client) -> None:
    for call in (
        lambda: client.chat("llama3", user("Hi")),
        lambda: client.show("llama3"),
        lambda: client.embed(MODEL, "Hi"),
        lambda: client.delete(MODEL),
        lambda: client.copy(MODEL, "x"),
    ):
        with pytest.raises(ollama.ResponseError) as error:
            call()
        assert error.value.status_code == 404
        assert isinstance(error.value.error, str)
    with pytest.raises(ollama.ResponseError, match="only supported by certain models") as error:
        client.chat(MODEL, [{"role": "user", "content": "Hi", "images": [b"\x89PNG"]}])
    assert error.value.status_code == 400


def test_29_an_error_in_a_stream_is_raised(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="crash"):
        list(client.chat(MODEL, user(sim(fault="signal")), stream=True))
    with pytest.raises(ollama.ResponseError, match="crash"):
        client.chat(MODEL, user(sim(fault="signal")))
    assert client.chat(MODEL, user("1+1=?")).message.content


def test_27_whole_lines_while_the_console_is_silent(client: ollama.Client) -> None:
    parts = list(client.chat(MODEL, user(sim("1+1=?", prefill=2)), stream=True))
    assert "2" in "".join(part.message.content or "" for part in parts)
    silent = [part for part in parts[:-1] if not part.message.content and not part.message.thinking]
    assert len(silent) > 2


def test_30_a_prompt_that_is_too_long(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="maximum context length"):
        client.chat(MODEL, user("word " * 5000))
    history = [*user("word " * 3000), {"role": "assistant", "content": "Yes."}, *user("1+1=?")]
    history = [*user("word " * 3000), {"role": "assistant", "content": "Yes."}, *history]
    assert "2" in (client.chat(MODEL, history).message.content or "")


def test_33_keys(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("keys"), env={"BPU_API_KEYS": "k"}) as gateway:
        with ollama.Client(gateway.url, headers={"Authorization": "Bearer k"}) as client:
            assert client.list().models
        with ollama.Client(gateway.url) as client, pytest.raises(ollama.ResponseError, match="API key") as error:
            client.list()
        assert error.value.status_code == 401


def test_the_async_client(gateway: Gateway) -> None:
    async def several() -> list[str]:
        async with ollama.AsyncClient(gateway.url) as client:

            async def one(number: int) -> str:
                return str((await client.chat(MODEL, user(f"1+{number}=?"))).message.content)

            return await asyncio.gather(*map(one, range(3)))

    assert all(str(1 + number) in words for number, words in enumerate(run_async(several())))


def test_the_calls_of_home_assistant(client: ollama.Client) -> None:
    """The list and what is loaded, then streams with these fields; its tool results have neither id nor name."""
    assert client.list().models[0].model == MODEL
    assert sum(model.size_vram or 0 for model in client.ps().models) >= 0
    messages: list[Any] = [{"role": "system", "content": "You control a home."}, *user(say(CALL))]
    fields: Any = {"stream": True, "keep_alive": "-1s", "options": {"num_ctx": 8192}, "think": False}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    parts = list(client.chat(MODEL, messages, tools=[tool], **fields))
    (call,) = [call for part in parts for call in part.message.tool_calls or ()]
    messages.append({"role": "assistant", "content": "", "tool_calls": [call.model_dump()]})
    messages.append({"role": "tool", "content": json.dumps({"result": "sunny, 20 degrees"})})
    last = "".join(part.message.content or "" for part in client.chat(MODEL, messages, tools=[tool], **fields))
    assert "sunny, 20 degrees" in last
