"""Images by the official packages for Python, to a model that sees."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anthropic
import ollama
import openai
import pytest

from tests.live.gateway import FAST, ROOT, Gateway, running
from tests.live.wire import MODEL
from tests.support.pictures import RED, base64_of, data_url, stripes

pytestmark = pytest.mark.live

ASK = "What colour is the picture?"
SEEN = f"1 image: 448x448: {RED} 100 %"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    # A console takes a moment to read an image in; one that speaks at once may seem to have spoken too early.
    env = {"BPU_CONSOLE_PROFILE": "vlm", "BPU_CONSOLE_ARGS": f"{FAST} --prefill-rate 1000"}
    with running(tmp_path_factory.mktemp("images"), env=env) as started:
        yield started


def test_openai(gateway: Gateway) -> None:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
        url = data_url(stripes(RED))
        answer = client.chat.completions.create(
            model=MODEL,
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": ASK},
                        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
                    ],
                }
            ],
        )
        assert SEEN in str(answer.choices[0].message.content)
        response = client.responses.create(
            model=MODEL,
            input=[
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": ASK},
                        {"type": "input_image", "image_url": url, "detail": "auto"},
                    ],
                }
            ],
        )
        assert SEEN in response.output_text


def test_anthropic(gateway: Gateway) -> None:
    with anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as client:
        message = client.messages.create(
            model=MODEL,
            max_tokens=200,
            messages=[
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": base64_of(stripes(RED))},
                        },
                        {"type": "text", "text": ASK},
                    ],
                }
            ],
        )
    assert SEEN in "".join(block.text for block in message.content if block.type == "text")


def test_ollama(gateway: Gateway) -> None:
    data = stripes(RED)
    with ollama.Client(host=gateway.url) as client:
        answer = client.chat(MODEL, [{"role": "user", "content": ASK, "images": [data]}])
        assert SEEN in str(answer.message.content)
        assert SEEN in client.generate(MODEL, ASK, images=[data]).response


@pytest.mark.parametrize("command", [["examples/look.py", "--file"], ["-m", "bpu", "chat", "--image"]])
def test_the_commands_that_show_a_picture(gateway: Gateway, tmp_path: Path, command: list[str]) -> None:
    picture = tmp_path / "wall.jpg"
    picture.write_bytes(stripes(RED, size=(2000, 1500), form="JPEG"))
    address = ["--url", f"{gateway.url}/v1"]
    done = subprocess.run(
        [sys.executable, *command, str(picture), *address, ASK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"448x448: {RED}" in done.stdout


def test_the_picture_of_a_command_must_be_one(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    command = [sys.executable, "-m", "bpu", "chat", "--url", gateway.url, "--image", str(tmp_path / "notes.jpg"), ASK]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "no picture that can be sent" in done.stderr
