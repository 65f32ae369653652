"""The robot arm of the examples on the real gateway: a request ends in the arm's calls."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.examples.arm import arm, fetch
from tests.live.gateway import ROOT, Gateway, running, sim
from tests.live.wire import say
from tests.support.pictures import RED, stripes

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("robot")) as started:
        yield started


def client_of(gateway: Gateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0)


CALLS = "\n".join(
    f'<tool_call>{{"name": "{name}", "arguments": {{"{key}": "{what}"}}}}</tool_call>'
    for name, key, what in (("move_to", "place", "水"), ("grasp", "thing", "水"), ("move_to", "place", "user"))
)
REQUEST = f"帮我拿杯水 {say(f'用户想喝水。</think>{CALLS}')}"


def test_the_models_calls_are_the_arms_movements(gateway: Gateway) -> None:
    mover = arm()
    with client_of(gateway) as client:
        words = fetch(client, REQUEST, mover)
    assert mover.moves == ["move_to(water)", "grasp(水)", "move_to(user)"]
    assert mover.holds == "水"
    assert mover.position == mover.places["user"]
    assert words


@pytest.mark.parametrize("text", ["帮我拿杯水", "Bring me a cup of water"])
def test_a_request_in_plain_words_ends_in_the_arms_calls(gateway: Gateway, text: str) -> None:
    mover = arm()
    with client_of(gateway) as client:
        words = fetch(client, text, mover)
    assert [move.partition("(")[0] for move in mover.moves] == ["move_to", "grasp", "move_to"]
    assert mover.holds
    assert mover.position == mover.places["user"]
    assert words


def test_without_a_word_nothing_moves(gateway: Gateway) -> None:
    command = [sys.executable, "examples/robot_arm.py", "--base-url", f"{gateway.url}/v1", REQUEST]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "would do: move_to(water)" in done.stdout
    assert "would do: grasp(水)" in done.stdout
    assert "moving" not in done.stdout


def test_a_console_that_crashes_in_a_call_moves_nothing(gateway: Gateway) -> None:
    mover = arm()
    with client_of(gateway) as client, pytest.raises(openai.APIError):
        fetch(client, sim("Bring me water", fault="signal", after=5), mover)
    assert mover.moves == []


def test_a_picture_of_the_scene_goes_with_the_request(tmp_path: Path) -> None:
    picture, folder = tmp_path / "scene.png", tmp_path / "gateway"
    picture.write_bytes(stripes(RED))
    folder.mkdir()
    mover = arm()
    with running(folder, env={"BPU_CONSOLE_PROFILE": "vlm"}) as gateway, client_of(gateway) as client:
        words = fetch(client, "What colour is the picture?", mover, image=picture)
    assert f"1 image: 448x448: {RED} 100 %" in words
    assert mover.moves == []


def test_a_picture_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "examples/robot_arm.py", "--image", str(tmp_path / "none.jpg"), REQUEST]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "none.jpg" in done.stderr
    assert "Traceback" not in done.stderr
