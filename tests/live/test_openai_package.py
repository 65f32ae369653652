"""The official Python package against the gateway, as its documentation shows it."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.live.gateway import Gateway, sim
from tests.support.waits import until

MODEL = "deepseek-r1:1.5b"


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0, timeout=30) as client:
        yield client


def test_the_models_are_listed_and_found(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL, f"{MODEL}-think"]
    assert client.models.retrieve(MODEL).owned_by == "bpu"
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("gpt-4")
    assert error.value.code == "model_not_found"


def test_a_whole_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "1+1=?"}])
    message, usage = answer.choices[0].message, answer.usage
    assert message.content is not None
    assert "2" in message.content
    assert "<think>" not in message.content
    assert getattr(message, "reasoning_content", "")
    assert answer.choices[0].finish_reason == "stop"
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert answer.system_fingerprint == "simulator"


def test_a_streamed_answer_has_its_usage_at_the_end(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "你好"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "模拟器" in text
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []


def test_the_stream_helper_accumulates_the_same_answer(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=[{"role": "user", "content": "1+1=?"}]) as stream:
        said = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert final.choices[0].message.content == said
    assert final.choices[0].finish_reason == "stop"


def test_a_stream_that_is_closed_early_frees_the_bpu(client: openai.OpenAI, gateway: Gateway) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": sim(tokens=5000, rate=50)}], stream=True
    )
    for chunk in stream:
        if chunk.choices and getattr(chunk.choices[0].delta, "reasoning_content", None):
            break
    gateway.wait_for("busy")
    stream.close()
    until(lambda: gateway.slots()["slots"][0]["is_processing"] is False, what="the slot is free")
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "1+2=?"}])
    assert "3" in str(answer.choices[0].message.content)


def test_errors_are_the_packages_own_classes(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 9000}])
    assert error.value.code == "context_length_exceeded"
