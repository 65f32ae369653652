"""The shapes of Chat Completions, streamed and joined, and the checker that holds for every stream."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from bpu.chat.chunks import ChunkFormat, CompletionBuilder, ResponseMetadata, completion, keepalive_chunk
from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning
from bpu.chat.usage import Usage
from tests.support.checker import check_stream, parse_sse

from .kit import MODEL, body, head, read, request, streamed

USAGE = Usage(12, 5, cached_tokens=4, reasoning_tokens=2, prompt_ms=10, predicted_n=5, predicted_ms=100)
TOLD: list[Delta] = [KeepAlive("prefill"), Reasoning("Hm"), Content("Ja"), Content(", 好"), Finish("stop", USAGE)]


def chunks(deltas: Iterable[Delta], metadata: ResponseMetadata) -> Iterator[dict[str, Any]]:
    """Yield the chunks as a client gets them, where keep-alives are chunks."""
    for event in streamed(ChunkFormat(metadata), deltas):
        yield keepalive_chunk(metadata) if isinstance(event, KeepAlive) else event


def sse(stream: list[dict[str, object]]) -> bytes:
    return "".join(f"data: {json.dumps(one)}\n\n" for one in stream).encode() + b"data: [DONE]\n\n"


def test_a_stream_passes_the_checker_and_the_official_types() -> None:
    for usage_apart in (False, True):
        stream = list(chunks(TOLD, head(include_usage=usage_apart, system_fingerprint="simulator")))
        for one in stream:
            ChatCompletionChunk.model_validate(one, strict=True)
        seen = check_stream(sse(stream), body(stream_options={"include_usage": usage_apart}))
        assert (seen["reasoning"], seen["content"], seen["finish_reason"]) == ("Hm", "Ja, 好", "stop")
        assert seen["keepalives"] == 1


def test_18_the_role_comes_before_the_first_delta_is_asked_for() -> None:
    def never() -> Iterator[Delta]:
        raise AssertionError("asked too early")
        yield

    assert next(chunks(never(), head()))["choices"][0]["delta"] == {"role": "assistant", "content": ""}


def test_20_21_the_last_chunk() -> None:
    last = list(chunks(TOLD, head()))[-1]
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert last["usage"]["total_tokens"] == 17
    *_, finish, usage = chunks(TOLD, head(include_usage=True))
    assert "usage" not in finish
    assert usage["choices"] == []
    assert usage["timings"]["predicted_per_second"] == 50


def test_23_keep_alives_stay_keep_alives() -> None:
    stream = list(streamed(ChunkFormat(head(include_usage=True)), TOLD))
    assert [isinstance(one, KeepAlive) for one in stream] == [False, True, False, False, False, False, False]
    assert keepalive_chunk(head())["choices"] == [{"index": 0, "delta": {}, "finish_reason": None}]


def test_the_other_name_of_reasoning() -> None:
    assert list(chunks(TOLD, head(reasoning_key="reasoning")))[2]["choices"][0]["delta"] == {"reasoning": "Hm"}
    assert completion(TOLD, head(reasoning_key="reasoning"))["choices"][0]["message"]["reasoning"] == "Hm"


def test_26_the_body_is_the_join() -> None:
    one = completion(TOLD, head(system_fingerprint="simulator"))
    ChatCompletion.model_validate(one, strict=True)
    message = one["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Hm", "Ja, 好")
    assert one["system_fingerprint"] == "simulator"
    assert "reasoning_content" not in completion(TOLD[2:], head())["choices"][0]["message"]


def test_a_body_before_its_end_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        CompletionBuilder(head()).body()


def test_43_what_is_read_from_a_console_passes_too() -> None:
    for raw in ("a</think>b", "only thoughts", "<think>x</think>\n\ny"):
        for fields in ({}, {"max_tokens": 1}, {"stop": "b"}):
            deltas = read(raw, request(stream=True, **fields))
            check_stream(chunks(deltas, head()), body(**fields))


BROKEN: dict[str, Callable[[list[Any]], list[Any]]] = {
    "two finish reasons": lambda s: [*s, s[-1]],
    "a role twice": lambda s: [s[0], s[0], *s[1:]],
    "no role": lambda s: s[1:],
    "another id": lambda s: [*s[:-1], {**s[-1], "id": "x"}],
    "no finish reason": lambda s: s[:-1],
    "no usage": lambda s: [*s[:-1], {key: value for key, value in s[-1].items() if key != "usage"}],
    "content after the finish reason": lambda s: [*s, s[3]],
    "reasoning after content": lambda s: [*s[:-1], s[2], s[-1]],
    "an error inside": lambda s: [*s, {**s[0], "error": {}}],
}


@pytest.mark.parametrize("fault", BROKEN)
def test_19_the_checker_finds_faults(fault: str) -> None:
    stream = list(chunks(TOLD, head()))
    check_stream(stream, body())
    with pytest.raises(AssertionError):
        check_stream(BROKEN[fault](stream), body())


@pytest.mark.parametrize("text", ["<｜User｜>", "<|im_end|>", "[Assistant] >>> ", " \n"])
def test_25_the_checker_finds_leaks(text: str) -> None:
    with pytest.raises(AssertionError):
        check_stream(chunks([Content(text), Finish("stop", USAGE)], head()), body())


def test_25_the_checker_finds_reasoning_that_does_not_end() -> None:
    answer: list[Delta] = [Content("Use `</think>`."), Finish("stop", USAGE)]
    assert check_stream(chunks([Reasoning("Say '</think>'."), *answer], head()), body())["content"]
    with pytest.raises(AssertionError, match="beyond its end"):
        check_stream(chunks([Reasoning("Hm.</think>"), *answer], head()), body())


@pytest.mark.parametrize(
    "data",
    [b"", b"data: [DONE]\n\ndata: 1\n\n", b"data: \n\ndata: [DONE]\n\n", b"id: 1\n\ndata: [DONE]\n\n",
     b"data: 1\ndata: 2\n\ndata: [DONE]\n\n", b"data: [DONE]\n", b"data: [DONE]\n\ndata: [DONE]\n\n",
     "data: \"好\"\n\ndata: [DONE]\n\n".encode()],
)  # fmt: skip
def test_17_the_checker_finds_bad_framing(data: bytes) -> None:
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        parse_sse(data)


def test_47_the_checker_takes_an_error_at_the_end() -> None:
    error = {"error": {"message": "m", "type": "server_error", "param": None, "code": "engine_crashed"}}
    stream = [*list(chunks(TOLD, head()))[:-1], error]
    assert check_stream(b": keep-alive\n\n" + sse(stream), {"model": MODEL}, error=True)["error"]["code"]
