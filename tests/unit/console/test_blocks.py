"""A console that buffers its output is recognised by its reads, whatever the pace of its model."""

from __future__ import annotations

import pytest

from bpu.console.pace import Arrival, Pace

LOOK_S = 0.04  # the reader looks at the pipe so often


def read_in_blocks(pace: Pace, *, rate: float, block_bytes: int, blocks: int) -> None:
    words = b"word " * (block_bytes // 5)
    tokens = block_bytes // 5
    for number in range(1, blocks + 1):
        at = number * tokens / rate
        pace.add(Arrival(at - LOOK_S, at), words)


@pytest.mark.parametrize("rate", [3.7, 17, 50, 112])
@pytest.mark.parametrize("block_bytes", [512, 1024, 4096])
@pytest.mark.parametrize("blocks", [1, 2, 3, 10])
def test_blocks_are_recognised_at_every_pace(rate: float, block_bytes: int, blocks: int) -> None:
    pace = Pace()
    read_in_blocks(pace, rate=rate, block_bytes=block_bytes, blocks=blocks)
    assert pace.delivers_blocks


@pytest.mark.parametrize("rate", [2, 17, 50, 112])
@pytest.mark.parametrize("step", [1, 5])
def test_a_model_s_steps_are_no_blocks(rate: float, step: int) -> None:
    pace = Pace()
    for number in range(1, 40):
        at = number * step / rate
        pace.add(Arrival(at - min(LOOK_S, step / rate), at), b" word" * step)
    assert not pace.delivers_blocks


def test_a_program_that_prints_faster_than_any_model_is_not_taken_for_one_that_buffers() -> None:
    pace = Pace()
    read_in_blocks(pace, rate=5000, block_bytes=500, blocks=30)
    assert not pace.delivers_blocks


@pytest.mark.parametrize(("seconds", "is_block"), [(0.03, False), (3.0, True)])
def test_an_answer_in_one_read_is_a_block_where_a_model_has_had_the_time_to_say_it(
    seconds: float, is_block: bool
) -> None:
    pace = Pace()
    pace.add(Arrival(seconds - LOOK_S, seconds, begun_at=0.0), b"word " * 50)
    assert pace.delivers_blocks is is_block
