"""The robot arm of the examples: all that it must not do."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

from tests.examples.arm import arm, robot


def call_chunks(*arguments: str, finish: str | None = "tool_calls") -> list[dict[str, Any]]:
    """A call to `grasp` in pieces."""
    opening = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "grasp", "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in arguments]
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        *({"tool_calls": [one]} for one in [opening, *pieces]),
    ]
    chunks = [choice(delta, None) for delta in deltas]
    return [*chunks, choice({}, finish)] if finish else chunks


def choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": robot.MODEL}
    return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def answering(*events: dict[str, Any]) -> openai.OpenAI:
    """A client whose server streams `events`."""
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    reply = httpx.MockTransport(
        lambda request: httpx.Response(200, text=data, headers={"Content-Type": "text/event-stream"})
    )
    return openai.OpenAI(base_url="http://test/v1", api_key="any", http_client=httpx.Client(transport=reply))


def test_nothing_moves_when_a_stream_ends_with_an_error_in_a_call() -> None:
    error = {
        "error": {"message": "The console crashed.", "type": "server_error", "param": None, "code": "engine_crashed"}
    }
    for arguments in ([], ['{"thing": '], ['{"thing": "water"}']):
        mover = arm()
        with answering(*call_chunks(*arguments, finish=None), error) as client, pytest.raises(openai.APIError):
            robot.fetch(client, "Bring me water", mover)
        assert mover.moves == []


@pytest.mark.parametrize("finish", ["length", "stop", None])
def test_nothing_moves_when_an_answer_was_cut(finish: str | None) -> None:
    mover = arm()
    with answering(*call_chunks('{"thing": "water"}', finish=finish)) as client:
        robot.fetch(client, "Bring me water", mover)
    assert mover.moves == []


def calls(*pairs: tuple[str, str]) -> list[Any]:
    return [robot.Call(f"call_{number}", name, arguments) for number, (name, arguments) in enumerate(pairs)]


GOOD = ("grasp", '{"thing": "water"}')


@pytest.mark.parametrize(
    "bad",
    [
        ("fly", "{}"),
        ("grasp", "{}"),
        ("grasp", '{"thing": 5}'),
        ("grasp", "no json"),
        ("move_to", '{"place": "the moon"}'),
        ("move_to", '{"place": "cellar"}'),
        ("move_to", '{"place": "water", "speed": 9}'),
    ],
)
def test_one_unsafe_call_stops_all_of_its_answer(bad: tuple[str, str]) -> None:
    mover = arm()
    results = robot.carry_out(mover, calls(GOOD, bad))
    assert mover.moves == []
    assert all("nothing was moved" in one["content"] for one in results)
    assert [one["tool_call_id"] for one in results] == ["call_0", "call_1"]


def test_what_is_far_is_out_of_reach() -> None:
    with pytest.raises(robot.Unsafe):
        arm(places={"shelf": (2.0, 0.0, 0.5)}).check("move_to", {"place": "shelf"})


def test_a_model_that_never_ends_is_left() -> None:
    mover = arm()
    with answering(*call_chunks('{"thing": "water"}')) as client:
        assert "did not come to an end" in robot.fetch(client, "Bring me water", mover)
    assert len(mover.moves) == robot.ROUNDS
