"""Measures by hand how soon a robot speaks and stops: `python -m tests.examples.ros2`.

The simulator answers at the published speed of an S100 (17 tokens/s). Each figure is the median of five rounds.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.examples.ros2.test_node import Robot, robot
from tests.live.gateway import Gateway, running
from tests.support.waits import let_pass, until

ROUNDS = 5
QUESTION = "你好，请介绍一下你自己。"


def first_words(one: Robot, gateway: Gateway, reasoning: int) -> float:
    """From the recogniser's sentence to the first /tts_text; the model would think for `reasoning` tokens."""
    before, answers = len(one.bus.sent), len(one.bus.texts("/bpu_chat/answer"))
    began = time.monotonic()
    one.receive(f"{QUESTION} [[sim think={reasoning}]]")
    until(lambda: len(one.bus.texts("/bpu_chat/answer")) > answers, seconds=120)
    until(lambda: gateway.slots()["slots"][0]["job"] is None)
    return next(at for topic, _, at in one.bus.sent[before:] if topic == "/tts_text") - began


def barge_in(one: Robot, gateway: Gateway) -> float:
    """From a new sentence to the end of the old job, looked at every few milliseconds."""
    before = len(one.spoken)
    one.receive(f"{QUESTION} [[sim think=0 tokens=400]]")
    until(lambda: len(one.spoken) > before, seconds=120)
    let_pass(0.3)
    job = gateway.slots()["slots"][0]["job"]["id"]
    began = time.monotonic()
    one.receive("现在几点？")

    def is_gone() -> bool:
        running_job = gateway.slots()["slots"][0]["job"]
        return running_job is None or running_job["id"] != job

    until(is_gone, every=0.002)
    took = time.monotonic() - began
    one.receive("停")
    until(lambda: gateway.slots()["slots"][0]["job"] is None)
    return took


def median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(ROUNDS))


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), env={"BPU_CONSOLE_ARGS": "--preset s100-1.5b --load-seconds 0"}) as gateway,
    ):
        # R1's template opens the reasoning itself, so on this console it cannot be switched off.
        for thinking, reasoning in ((True, 150), (False, 150), (True, 50), (True, 0)):
            with robot(gateway.url, thinking=thinking, memory_turns=0) as one:
                took = median(lambda: first_words(one, gateway, reasoning))  # noqa: B023
                print(f"thinking {thinking}, {reasoning} tokens of it: first /tts_text after {took:.2f} s")
        with robot(gateway.url) as one:
            print(f"barge-in: the old job is gone after {median(lambda: barge_in(one, gateway)) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
