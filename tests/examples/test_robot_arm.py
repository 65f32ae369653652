"""The robot arm of the examples: all that it must not do."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples.arm import arm, fetch, robot
from tests.support.waits import until


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
    transported: Any = httpx.Client(transport=reply)  # the package takes an httpx of any version
    return openai.OpenAI(base_url="http://test/v1", api_key="any", http_client=transported)


def test_nothing_moves_when_a_stream_ends_with_an_error_in_a_call() -> None:
    error = {
        "error": {"message": "The console crashed.", "type": "server_error", "param": None, "code": "engine_crashed"}
    }
    for arguments in ([], ['{"thing": '], ['{"thing": "water"}']):
        mover = arm()
        with answering(*call_chunks(*arguments, finish=None), error) as client, pytest.raises(openai.APIError):
            fetch(client, "Bring me water", mover)
        assert mover.moves == []


@pytest.mark.parametrize("finish", ["length", "stop", None])
def test_nothing_moves_when_an_answer_was_cut(finish: str | None) -> None:
    mover = arm()
    with answering(*call_chunks('{"thing": "water"}', finish=finish)) as client:
        fetch(client, "Bring me water", mover)
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
        ("grasp", '{"thing": ""}'),
        ("grasp", '{"thing": "a\\u0000b"}'),
        ("grasp", '{"thing": "' + "x" * 41 + '"}'),
        ("grasp", "no json"),
        ("grasp", "[" * 100_000),
        ("grasp", "null"),
        ("move_to", '{"place": "the moon"}'),
        ("move_to", '{"place": "cellar"}'),
        ("move_to", '{"place": ["water"]}'),
        ("move_to", '{"place": "water", "height": 9}'),
        ("move_to", '{"place": "water", "speed": 9}'),
        ("move_to", '{"place": "water", "speed": 0}'),
        ("move_to", '{"place": "water", "speed": "0.1"}'),
        ("move_to", '{"place": "water", "speed": true}'),
        ("move_to", '{"place": "water", "speed": NaN}'),
        ("move_to", '{"place": "water", "speed": -Infinity}'),
    ],
)
def test_one_unsafe_call_stops_all_of_its_answer(bad: tuple[str, str]) -> None:
    mover = arm()
    results = robot.carry_out(mover, calls(GOOD, bad), yes)
    assert mover.moves == []
    assert all("nothing was moved" in one["content"] for one in results)
    assert [one["tool_call_id"] for one in results] == ["call_0", "call_1"]


def test_too_many_calls_are_none() -> None:
    mover = arm()
    robot.carry_out(mover, calls(*[GOOD] * (robot.MOST_STEPS + 1)), yes)
    assert mover.moves == []
    robot.carry_out(mover, calls(*[GOOD] * robot.MOST_STEPS), yes)
    assert len(mover.moves) == robot.MOST_STEPS


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.fixed_dictionaries(
    {"place": JSON | st.sampled_from(["water", "水", "cellar", "home"])}, optional={"speed": st.floats() | JSON}
).map(json.dumps)


@given(ARGUMENTS | st.text(max_size=30))
def test_whatever_the_model_says_the_arm_stays_within_its_limits(arguments: str) -> None:
    slow: list[float] = []
    mover = arm(pause=slow.append)
    robot.carry_out(mover, calls(("move_to", arguments)), yes)
    assert mover.is_within_reach(mover.position)
    assert len(slow) < 100
    way = math.dist(mover.position, arm().position)
    assert sum(slow) >= way / robot.SPEEDS[1] - 1e-9


def test_the_schema_names_what_can_be_reached_and_how_fast() -> None:
    schema = {one["function"]["name"]: one["function"]["parameters"] for one in robot.tools(arm())}
    assert schema["move_to"]["properties"]["place"]["enum"] == ["home", "table", "user", "water"]
    assert schema["move_to"]["properties"]["speed"]["maximum"] == robot.SPEEDS[1]
    assert all(one["additionalProperties"] is False for one in schema.values())


# Plan and confirmation


def yes(steps: Any) -> bool:
    return True


def test_the_plan_is_shown_whole_before_anything_moves_and_no_is_no() -> None:
    said: list[str] = []
    mover = arm(say=said.append)
    wanted = calls(("move_to", '{"place": "water"}'), GOOD)

    def refuse(steps: Any) -> bool:
        assert said == ["plan: 1. move_to(water), 2. grasp(water)"]
        assert [step.words for step in steps] == ["move_to(water)", "grasp(water)"]
        return False

    results = robot.carry_out(mover, wanted, refuse)
    assert mover.moves == []
    assert robot.plan(mover, calls(("move_to", '{"place": "我家的地下室"}')))[0].words == "move_to(user)", (
        "where it goes"
    )
    assert all("refused" in one["content"] for one in results)


@pytest.mark.parametrize(
    ("allowed", "answer", "moves"),
    [("", "y", 2), ("", "", 0), ("", "n", 0), ("grasp", "", 0), ("grasp,move_to", "", 2), ("grasp", "好", 2)],
)
def test_tools_that_are_allowed_need_no_word_and_others_do(allowed: str, answer: str, moves: int) -> None:
    mover = arm()
    approve = robot.Approval(frozenset(allowed.split(",")), ask=lambda question: answer)
    robot.carry_out(mover, calls(("move_to", '{"place": "water"}'), GOOD), approve)
    assert len(mover.moves) == moves


def test_a_line_that_was_typed_before_the_question_confirms_nothing() -> None:
    read, write = os.pipe()
    with os.fdopen(read) as lines, os.fdopen(write, "w", buffering=1) as typed:
        keyboard = robot.Keyboard(lines, robot.EmergencyStop())
        typed.write("y\ny\n")
        until(lambda: keyboard._queue.qsize() == 2)
        typed.close()
        assert keyboard.answer("? ") == ""
        assert keyboard.line("> ") is None


# The emergency stop


@pytest.mark.parametrize("words", ["停", "停！", "快停下来", "STOP", "please stop now", "别动", "马上stop一下"])
def test_a_stop_word_asks_no_model_and_holds_until_a_person_resumes(words: str) -> None:
    mover = arm()
    with answering(choice({"content": "Fine."}, "stop")) as client:
        assert fetch(client, words, mover) == "Stopped."
        with pytest.raises(robot.Stopped):
            fetch(client, "Bring me water", mover)
        assert fetch(client, "继续", mover) == "Ready."
        assert fetch(client, "Bring me water", mover) == "Fine."
    with pytest.raises(openai.APIError):  # with a model that fails, a stop word works and another word does not
        fetch(openai.OpenAI(base_url="http://127.0.0.1:1", api_key="any", max_retries=0), "水", mover)
    assert fetch(openai.OpenAI(base_url="http://127.0.0.1:1", api_key="any"), words, mover) == "Stopped."


@pytest.mark.parametrize("resumes", [False, True])
def test_a_stop_in_the_middle_of_a_movement_ends_it_and_the_rest_of_the_plan(resumes: bool) -> None:
    mover = arm()
    steps: list[float] = []

    def pause(seconds: float) -> None:
        steps.append(seconds)
        if len(steps) == 3:
            mover.stop.take("停")
            if resumes:
                mover.stop.take("继续")

    mover.pause = pause
    wanted = calls(("move_to", '{"place": "water"}'), GOOD)
    mover.stop.begin()
    with pytest.raises(robot.Stopped):
        robot.carry_out(mover, wanted, yes)
    assert len(steps) == 3
    assert mover.moves == []
    assert mover.position not in (mover.places["water"], mover.places["home"])


def test_a_stop_while_the_model_answers_ends_the_answer() -> None:
    mover = arm()

    def stream() -> Iterator[Any]:
        yield from ()
        mover.stop.take("stop")
        yield None

    with pytest.raises(robot.Stopped):
        robot.read(stream(), mover)


def test_a_stop_instead_of_a_confirmation_stops() -> None:
    mover = arm()
    approve = robot.Approval(ask=lambda question: "" if mover.stop.take("停") else "y")
    with pytest.raises(robot.Stopped):
        robot.carry_out(mover, calls(GOOD), approve)
    assert mover.moves == []


def test_what_is_far_is_out_of_reach() -> None:
    shelf = arm(places={"shelf": (2.0, 0.0, 0.5)})
    with pytest.raises(robot.Unsafe, match="out of reach"):
        robot.plan(shelf, calls(("move_to", '{"place": "shelf"}')))


def test_a_picture_goes_with_the_request(tmp_path: Path) -> None:
    picture = tmp_path / "scene.jpg"
    picture.write_bytes(b"\xff\xd8\xff")
    image, text = robot.content("What is on the table?", picture)
    assert image["image_url"]["url"] == "data:image/jpeg;base64,/9j/"
    assert text["text"] == "What is on the table?"


def test_a_model_that_never_ends_is_left() -> None:
    mover = arm()
    with answering(*call_chunks('{"thing": "water"}')) as client:
        assert "did not come to an end" in fetch(client, "Bring me water", mover)
    assert len(mover.moves) == robot.ROUNDS
