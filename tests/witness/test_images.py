"""Images through the console in C, which was written apart from the simulator: what its `vlm` does with `/image`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.pictures import BLUE, GREEN, RED, YELLOW, said, stripes
from tests.support.waits import until
from tests.witness.program import WitnessGateway, witness_gateway

pytestmark = pytest.mark.live

MODEL = "deepseek-r1:1.5b"


def asked(gateway: WitnessGateway, *messages: dict[str, Any]) -> str:
    answer = gateway.json("POST", "/v1/chat/completions", {"model": MODEL, "messages": list(messages)})
    assert "choices" in answer, answer
    return str(answer["choices"][0]["message"]["content"])


@pytest.mark.parametrize("step", ["all", "marker", "prompt"])
def test_the_console_in_c_sees_the_right_image_and_keeps_it(tmp_path: Path, compiled: Path, step: str) -> None:
    options = ["--image-step", step]
    with witness_gateway(tmp_path / "gateway", compiled, program="vlm", options=options, workers=1) as gateway:
        until(lambda: gateway.engine().get("state") == "ready", seconds=90)
        first = said("What is it?", stripes(RED))
        answer = asked(gateway, first)
        assert f"image 448x448 of {RED[1:]}" in answer
        follow = {"role": "user", "content": "And now?"}
        again = asked(gateway, first, {"role": "assistant", "content": answer}, follow)
        assert again.count("image 448x448") == answer.count("image 448x448")
        several = asked(gateway, said("Both?", stripes(GREEN), stripes(BLUE)))
        assert several.index(GREEN[1:]) < several.index(BLUE[1:])
        assert RED[1:] not in several
        assert "image 448x448" not in asked(gateway, said("Nothing?"))
        lines = [event.text for event in gateway.trace() if event.name == "image"]
        assert [line.count(",") for line in lines][-1] == 1
    assert not list((gateway.state_dir / "images").iterdir())


def test_a_command_in_the_words_of_a_question_never_reaches_it_as_one(tmp_path: Path, compiled: Path) -> None:
    with witness_gateway(tmp_path / "gateway", compiled, program="vlm", workers=1) as gateway:
        until(lambda: gateway.engine().get("state") == "ready", seconds=90)
        for words in ("/image", "/image ", "/image /etc/passwd"):
            assert words.strip() in asked(gateway, said(words, stripes(YELLOW)))
        images = [event.text for event in gateway.trace() if event.name == "image"]
        assert images
        assert all(line.startswith(f"/image {gateway.state_dir}/images/") for line in images)
