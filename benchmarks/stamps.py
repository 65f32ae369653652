"""Compares the simulator's stamps with a client's reads: the latency of each token.

Reads one file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path


@dataclass
class StampedTurn:
    """One turn: the times in nanoseconds of its line, pieces and prompt.

    `pieces` are (bytes of the answer so far, time).
    """

    line: int
    pieces: list[tuple[int, int]] = field(default_factory=list)
    prompt: int = 0


def read(path: Path, after: int = 0) -> list[StampedTurn]:
    """Read all complete turns whose line was read after `after`."""
    return [turn for turn in _turns(path) if turn.prompt and turn.line >= after]


def _turns(path: Path) -> Iterator[StampedTurn]:
    turn: StampedTurn | None = None
    for line in path.read_text().splitlines():
        _, what, size, at = line.split()
        if what == "line":
            turn = StampedTurn(int(at))
        elif turn is not None and what == "piece":
            turn.pieces.append((int(size), int(at)))
        elif turn is not None:
            turn.prompt = int(at)
            yield turn


def latencies(turn: StampedTurn, texts: Sequence[tuple[int, str]], dropped: int = 0) -> list[float]:
    """Milliseconds from the console's write to the client's read, token by token.

    A token has arrived with its last byte. `dropped` bytes at the beginning of the answer reach no client (the tag of
    empty reasoning). A newline at its end, which no client receives either, is not counted.
    """
    ends, total = [], dropped
    for _, text in texts:
        total += len(text.encode())
        ends.append(total)
    found = []
    for size, at in turn.pieces:
        index = bisect_left(ends, size)
        if size > dropped and index < len(ends):
            found.append((texts[index][0] - at) / 1e6)
    return found


def idle_ms(turns: Sequence[StampedTurn]) -> list[float]:
    """Milliseconds between each prompt and the line after it."""
    return [(later.line - earlier.prompt) / 1e6 for earlier, later in pairwise(turns)]
