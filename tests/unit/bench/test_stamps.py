"""Latency of each token, from the simulator's stamps and a client's reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.plan import question
from benchmarks.programs import environment, simulator
from benchmarks.stamps import StampedTurn, idle_ms, latencies, read
from bpu.project import PROJECT

MS = 1_000_000
TURNS = """1 line 0 1000
1 piece 3 2000
1 piece 8 3000
1 prompt 8 4000
2 line 0 5000
2 prompt 0 6000
3 line 0 7000
3 piece 4 8000
"""


def test_whole_turns_are_read_and_one_that_has_not_ended_is_not(tmp_path: Path) -> None:
    path = tmp_path / "stamps"
    path.write_text(TURNS)
    assert read(path) == [StampedTurn(1000, [(3, 2000), (8, 3000)], 4000), StampedTurn(5000, [], 6000)]
    assert read(path, 5000) == [StampedTurn(5000, [], 6000)]


def test_a_token_is_there_with_the_read_that_holds_its_last_byte() -> None:
    turn = StampedTurn(0, [(3, 10 * MS), (6, 20 * MS), (9, 30 * MS)], 40 * MS)
    texts = [(11 * MS, "ab"), (22 * MS, "cde"), (35 * MS, "fghi")]
    assert latencies(turn, texts) == [12.0, 15.0, 5.0]


def test_bytes_are_counted_not_characters() -> None:
    turn = StampedTurn(0, [(3, 0), (6, MS)], 2 * MS)
    assert latencies(turn, [(MS, "海"), (3 * MS, "风")]) == [1.0, 2.0]


def test_what_no_client_gets_is_not_counted() -> None:
    """Dropped bytes shift the rest; a newline at the end has no read."""
    turn = StampedTurn(0, [(5, 0), (8, 10 * MS), (9, 20 * MS)], 30 * MS)
    assert latencies(turn, [(14 * MS, "abc")], dropped=5) == [4.0]


def test_idle_is_from_each_prompt_to_the_next_line() -> None:
    turns = [StampedTurn(0, [], 2 * MS), StampedTurn(3 * MS, [], 5 * MS), StampedTurn(9 * MS, [], 10 * MS)]
    assert idle_ms(turns) == [1.0, 4.0]
    assert idle_ms(turns[:1]) == []


def test_the_simulator_stamps_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "stamps"
    subprocess.run(
        simulator("--stamp", str(path)),
        cwd=PROJECT,
        env=environment({}),
        input=question(tokens=5).encode() + b"\nexit\n",
        check=True,
        capture_output=True,
    )
    (turn,) = read(path)
    sizes = [size for size, _ in turn.pieces]
    assert len(sizes) == 5
    assert sizes == sorted(sizes)
    assert turn.line < turn.pieces[0][1] <= turn.pieces[-1][1] <= turn.prompt
