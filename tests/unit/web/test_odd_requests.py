"""What real clients send and small models say, over HTTP: none of it is a 400 or a lost word."""

from __future__ import annotations

from typing import Any

import pytest

from bpu.console.events import Done, Overrun, Text
from tests.support.checker import check_stream
from tests.unit.web.conftest import FlaskClient
from tests.unit.web.fakes import FakeEngine, Step, thought

MODEL = "deepseek-r1:1.5b"
CHAT, RESPONSES, COMPLETIONS = "/v1/chat/completions", "/v1/responses", "/v1/completions"
QUESTION = {"role": "user", "content": "Hello"}
LAMP = {"type": "function", "function": {"name": "set_lamp", "parameters": {"type": "object", "properties": {}}}}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": list(messages or [QUESTION]), **fields}


def content(client: FlaskClient, sent: dict[str, Any], path: str = CHAT) -> str:
    """What the client gets, which must be the same streamed."""
    response = client.post(path, json=sent)
    assert response.status_code == 200, response.json
    whole = str(response.json["choices"][0]["message"]["content"])
    streamed = {**sent, "stream": True}
    assert check_stream(client.post(path, json=streamed).data, streamed)["content"] == whole
    return whole


def line(client: FlaskClient, engine: FakeEngine, *messages: Any) -> str:
    """The line that the console is given."""
    response = client.post(CHAT, json=body(*messages))
    assert response.status_code == 200, response.json
    return engine.jobs[-1].turn.line.decode()


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": -1},
        {"max_tokens": 0},
        {"max_completion_tokens": -1},
        {"max_completion_tokens": 0, "max_tokens": -1},
        {"stop": ""},
        {"stop": [""]},
        {"stop": [None, ""]},
        {"tools": [LAMP], "tool_choice": {"type": "auto"}},
        {"tools": [LAMP], "tool_choice": {"type": "none"}},
        {"tools": [LAMP], "tool_choice": {"type": "any"}},
        {"tool_choice": {"type": "auto"}},
    ],
)
def test_values_that_mean_none_are_taken(client: FlaskClient, fields: dict[str, Any]) -> None:
    assert content(client, body(**fields)) == "Hello!"


@pytest.mark.parametrize("stream", [False, True])
def test_the_other_endpoints_take_them_too(client: FlaskClient, stream: bool) -> None:
    text = {"model": MODEL, "prompt": "Hello", "max_tokens": -1, "stop": "", "stream": stream}
    assert client.post(COMPLETIONS, json=text).status_code == 200
    for choice, repeated in (("auto", "auto"), ("none", "none"), ("required", "required"), ("any", "required")):
        sent = {"model": MODEL, "input": "Hello", "max_output_tokens": 0, "stream": stream, "tools": [LAMP["function"]]}
        response = client.post(RESPONSES, json={**sent, "tool_choice": {"type": choice}})
        assert response.status_code == 200
        if not stream:
            assert (response.json["max_output_tokens"], response.json["tool_choice"]) == (None, repeated)


ABOUT_TAGS = [
    "```python\ntext = re.sub(r'<think>.*?</think>\\s*', '', text, flags=re.S)\n```",
    "Write `</think>` to close it.",
    "Use `<think>` and `</think>`.",
    "<think>\nThis is how it looks.\n</think>\n\nAnd then the answer.",
]


@pytest.mark.parametrize("answer", ABOUT_TAGS)
def test_an_answer_about_the_tags_arrives_whole(client: FlaskClient, engine: FakeEngine, answer: str) -> None:
    engine.script = thought("Is it `</think>`? Yes.\n", answer)
    assert content(client, body()) == answer
    told = client.post(CHAT, json=body()).json["choices"][0]["message"]
    assert told["reasoning_content"] == "Is it `</think>`? Yes.\n"


@pytest.mark.parametrize("answer", [*ABOUT_TAGS[:3], "Here is code: print('</think>') and more"])
def test_an_earlier_answer_about_the_tags_stays_whole(client: FlaskClient, engine: FakeEngine, answer: str) -> None:
    sent = line(client, engine, QUESTION, {"role": "assistant", "content": answer}, {"role": "user", "content": "next"})
    assert sent == f"Hello<｜Assistant｜>{answer}<｜end▁of▁sentence｜><｜User｜>next".replace("\n", "\\n")


@pytest.mark.parametrize(
    "last", ["", None, [], "<think>\n", [{"type": "thinking", "thinking": "hm"}], [{"type": "text", "text": None}]]
)
def test_a_last_answer_that_says_nothing_asks_for_nothing(client: FlaskClient, engine: FakeEngine, last: Any) -> None:
    empty = {"role": "assistant", "content": last}
    assert line(client, engine, QUESTION, empty) == "Hello"
    assert line(client, engine, QUESTION, empty, {"role": "user", "content": "there?"}) == "Hello\\n\\nthere?"


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
HISTORIES: dict[str, list[Any]] = {
    "a thinking part": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text",
                         "text": "a"}]}],
    "a reasoning part": [{"role": "assistant", "content": [{"type": "reasoning", "text": "hm"}, "a"]}],
    "a call without a name": [
        {"role": "assistant", "content": None, "tool_calls": [{**CALL, "function": {"name": "", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "c", "content": "no such tool"},
    ],
    "ids that are numbers": [
        {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": 1}]},
        {"role": "tool", "tool_call_id": 1, "content": "x"},
    ],
    "a result that is an object": [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": {"t": 3}},
    ],
    "a text part without text": [{"role": "assistant", "content": [{"type": "text", "text": None}]}],
}  # fmt: skip


@pytest.mark.parametrize("odd", HISTORIES.values(), ids=HISTORIES.keys())
def test_one_odd_message_does_not_end_a_conversation(client: FlaskClient, engine: FakeEngine, odd: list[Any]) -> None:
    assert line(client, engine, QUESTION, *odd, {"role": "user", "content": "next"}).endswith("next")
    assert "hm" not in engine.jobs[-1].turn.line.decode()


OVERRUN: list[Step] = [Text("Hm.</think>\n\nPar"), Text("is."), Overrun(), AssertionError("the answer had ended")]


@pytest.mark.parametrize("path", [CHAT, RESPONSES, COMPLETIONS])
@pytest.mark.parametrize("stream", [True, False])
def test_an_invented_turn_ends_the_answer_and_lets_the_job_go(
    client: FlaskClient, engine: FakeEngine, path: str, stream: bool
) -> None:
    """After the model's end-of-turn token nothing is read, and the answer is counted up to there."""
    engine.script = OVERRUN
    given = {CHAT: body(), RESPONSES: {"model": MODEL, "input": "q"}, COMPLETIONS: {"model": MODEL, "prompt": "q"}}
    response = client.post(path, json={**given[path], "stream": stream})
    assert response.status_code == 200
    assert "is." in response.text
    assert engine.jobs[0].closed
    if path == CHAT and stream:
        seen = check_stream(response.data, body())
        assert (seen["content"], seen["finish_reason"]) == ("Paris.", "stop")
        assert seen["usage"]["completion_tokens"] > 0
    elif path == CHAT:
        (choice,) = response.json["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("Paris.", "stop")


def test_without_an_invented_turn_the_answer_ends_as_ever(client: FlaskClient, engine: FakeEngine) -> None:
    engine.script = [*OVERRUN[:2], Done()]
    assert content(client, body()) == "Paris."
