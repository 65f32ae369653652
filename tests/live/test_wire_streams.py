"""The wire checklist, items 16 to 32: events, keep-alives, reasoning, requests beside the chat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live.gateway import Gateway, running, sim
from tests.live.wire import THINK, body, message, post, say, streamed, whole
from tests.support.checker import check_stream, parse_sse
from tests.support.waits import until

Start = Callable[..., Gateway]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose patience is short."""
    with running(tmp_path_factory.mktemp("slow"), env={"BPU_KEEPALIVE_S": "0.3"}) as started:
        yield started


def test_16_each_event_goes_out_as_it_comes(gateway: Gateway) -> None:
    stream = gateway.stream(sim(tokens=600, rate=60))
    events = iter(stream)
    assert next(events)["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert next(events)["choices"][0]["finish_reason"] is None
    until(lambda: gateway.state() == "busy", what="the answer is still being made")
    stream.close()


def test_17_nothing_but_data_lines(gateway: Gateway) -> None:
    gateway.wait_for("ready")  # while a model loads, comments keep the connection alive
    data = post(gateway, body("1+1=?", stream=True)).data
    for line in data.decode("ascii").splitlines():
        assert line == "" or (line.startswith("data: ") and len(line) > 6)


def test_18_the_first_chunk_does_not_wait_for_the_model(gateway: Gateway) -> None:
    first = gateway.stream(sim(prefill=30))
    until(lambda: gateway.slots()["slots"][0]["is_processing"])
    stream = gateway.stream(sim(tokens=5))  # behind it in the queue
    chunk = next(iter(stream))
    assert chunk["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    until(lambda: gateway.slots()["waiting"], what="its job still waits")
    stream.close()
    first.close()


def test_19_one_head(gateway: Gateway) -> None:
    chunks = parse_sse(post(gateway, body("1+1=?", stream=True)).data)
    assert len({(one["id"], one["object"], one["created"], one["model"]) for one in chunks}) == 1
    deltas = [one["choices"][0]["delta"] for one in chunks]
    assert not any("reasoning_content" in delta and "content" in delta for delta in deltas)
    assert all(value is not None for delta in deltas for value in delta.values())


@pytest.mark.parametrize(("fields", "reason"), [({}, "stop"), ({"max_tokens": 3}, "length")])
def test_20_one_finish_reason_on_an_empty_delta(gateway: Gateway, fields: dict[str, Any], reason: str) -> None:
    chunks = parse_sse(post(gateway, body("1+1=?", stream=True, **fields)).data)
    finishing = [one["choices"][0] for one in chunks if one["choices"][0]["finish_reason"]]
    assert [(one["delta"], one["finish_reason"]) for one in finishing] == [({}, reason)]


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": True}])
def test_21_usage_on_the_last_chunk_or_in_one_of_its_own(gateway: Gateway, options: Any) -> None:
    sent = body("1+1=?", stream=True, stream_options=options)
    data = post(gateway, sent).data
    check_stream(data, sent)
    last = parse_sse(data)[-1]
    assert (last["choices"] == []) is bool(options and options["include_usage"])
    assert last["usage"]["total_tokens"] > 0


def test_22_done_and_then_the_body_ends(gateway: Gateway) -> None:
    assert post(gateway, body("1+1=?", stream=True)).data.endswith(b"\n\ndata: [DONE]\n\n")


def test_23_silence_sends_empty_chunks_with_the_streams_own_id(slow: Gateway) -> None:
    assert streamed(slow, sim("1+1=?", prefill=1.5))["keepalives"] >= 3
    quiet = streamed(slow, sim("1+1=?", pause=1.5, at=4))
    assert quiet["keepalives"] >= 3
    assert "2" in quiet["content"]


@pytest.mark.parametrize("text", ["你好，世界！🎉", "👩‍🚀 𝄞 e\u0301", "line\u2028separator\u0085end", "a\nb\n\n  c"])
def test_24_any_text_goes_round(gateway: Gateway, text: str) -> None:
    assert streamed(gateway, say(f"想一想</think>\n\n{text}"))["content"] == text
    assert message(gateway, say(f"想一想</think>\n\n{text}"))["content"] == text


def test_25_reasoning_first_and_no_tag_in_either(gateway: Gateway) -> None:
    seen = streamed(gateway, say("One.\nTwo.\n</think>\n\nThree."))
    assert (seen["reasoning"].strip(), seen["content"]) == ("One.\nTwo.", "Three.")


def test_26_the_same_in_one_piece(gateway: Gateway) -> None:
    told = message(gateway, say("One.\nTwo.\n</think>\n\nThree."))
    assert (told["reasoning_content"].strip(), told["content"]) == ("One.\nTwo.", "Three.")


RAW = {
    "the opening tag is missing": ("Thought.</think>\n\nSaid.", "Thought.", "Said."),
    "the opening tag is there": ("<think>\nThought.\n</think>\n\nSaid.", "Thought.", "Said."),
    "the closing tag comes first": ("</think>\n\nSaid.", "", "Said."),
    "two blocks before a word": (
        "One.</think>\n<think>Two.</think>\n\nSaid.",
        "One.",
        "<think>Two.</think>\n\nSaid.",
    ),
    "a block in the answer": ("One.</think>Said <think>and</think> more.", "One.", "Said <think>and</think> more."),
    "a tag in quotation marks": ("Is `</think>` it?</think>Use '</think>'.", "Is `</think>` it?", "Use '</think>'."),
}


@pytest.mark.parametrize(("raw", "reasoning", "content"), RAW.values(), ids=RAW.keys())
def test_27_tags_as_models_write_them(gateway: Gateway, raw: str, reasoning: str, content: str) -> None:
    seen = streamed(gateway, say(raw))
    assert (seen["reasoning"].strip(), seen["content"]) == (reasoning, content)
    told = message(gateway, say(raw))
    assert (told.get("reasoning_content", "").strip(), told["content"]) == (reasoning, content)


def test_27_a_closing_tag_that_never_comes(gateway: Gateway) -> None:
    raw = "I think.\n\nIt is two."
    seen = streamed(gateway, say(raw))
    assert (seen["reasoning"], seen["content"], seen["finish_reason"]) == (raw, "It is two.", "stop")
    assert message(gateway, say(raw))["content"] == raw


def test_28_inline_thinking(gateway: Gateway) -> None:
    expected = "<think>\nThought.\n</think>\n\nSaid."
    told = message(gateway, say("Thought.</think>\n\nSaid."), model=THINK)
    assert told["content"] == expected
    assert "reasoning_content" not in told
    assert streamed(gateway, say("Thought.</think>\n\nSaid."), model=THINK)["content"] == expected


OFF: list[dict[str, Any]] = [
    {"thinking": {"type": "disabled"}},
    {"enable_thinking": False},
    {"chat_template_kwargs": {"enable_thinking": False}},
    {"reasoning_effort": "none"},
    {"think": False},
]


@pytest.mark.parametrize("switch", OFF, ids=[next(iter(one)) for one in OFF])
def test_29_thinking_off(gateway: Gateway, switch: dict[str, Any]) -> None:
    seen = streamed(gateway, "1+1=?", **switch)
    assert seen["reasoning"] == ""
    assert "2" in seen["content"]
    assert "reasoning_content" not in message(gateway, "1+1=?", **switch)


def test_30_reasoning_of_earlier_turns_leaves_the_history(gateway: Gateway) -> None:
    def tokens(**answer: Any) -> int:
        said = {"role": "assistant", **answer}
        return int(whole(gateway, "Hi", said, "1+1=?")["usage"]["prompt_tokens"])

    plain = tokens(content="Hello.")
    assert tokens(content="Hello.", reasoning_content="A long thought. " * 30) == plain
    assert tokens(content="<think>\nA long thought.\n</think>\n\nHello.") == plain
    assert tokens(content="A bare </think> is text.") == tokens(content="A bare <think> is text.") > plain


@pytest.mark.parametrize("raw", ["Only a thought.", "Thought.</think>", "Thought.</think>\n\n \n", "<think></think>x"])
def test_31_a_natural_end_is_never_empty(gateway: Gateway, raw: str) -> None:
    assert message(gateway, say(raw))["content"].strip()
    assert streamed(gateway, say(raw))["content"].strip()


@pytest.mark.parametrize("raw", ["</think>", "\n", "</think>\n\n"])
def test_31_nothing_said_at_all_is_an_error(gateway: Gateway, raw: str) -> None:
    assert post(gateway, body(say(raw))).status == 502
    assert streamed(gateway, say(raw), error=True)["error"]["code"] == "engine_crashed"


NAMING = """Based on the chat history, give this conversation a name.
Keep it short - 10 characters max, no quotes.
Use the language of the conversation.

```
How do I bake bread?

---------

Flour, water, salt and time.
```

The name is:"""


@pytest.mark.parametrize("stream", [True, False])
def test_32_a_conversations_name_costs_no_time_on_the_bpu(gateway: Gateway, stream: bool) -> None:
    busy = gateway.stream(sim(tokens=600, rate=60)).until_text()
    reply = post(gateway, body(NAMING, stream=stream))
    gateway.wait_for("busy")
    busy.close()
    assert reply.headers["X-BPU-Answered-By"] == "gateway"
    if stream:
        assert check_stream(reply.data, body(NAMING))["content"] == "How do I"
    else:
        assert reply.json["choices"][0]["message"]["content"] == "How do I"


def test_32_other_side_requests_run_under_their_cap(gateway: Gateway) -> None:
    probe = whole(gateway, "### Task:\nSuggest 3 follow-up questions.", max_tokens=8)
    assert probe["usage"]["completion_tokens"] <= 8
    assert probe["choices"][0]["finish_reason"] == "length"
