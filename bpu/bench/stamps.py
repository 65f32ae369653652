"""What the simulator stamped, beside what a client heard: how long each token was under way. Pure but for one file."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path


@dataclass
class Spoken:
    """One turn at the console, in nanoseconds: the line was read, the pieces and the prompt were about to be written.

    `pieces` are (bytes of the answer so far, time).
    """

    line: int
    pieces: list[tuple[int, int]] = field(default_factory=list)
    prompt: int = 0


def read(path: Path, after: int = 0) -> list[Spoken]:
    """All whole turns whose line was read after `after`."""
    return [turn for turn in _turns(path) if turn.prompt and turn.line >= after]


def _turns(path: Path) -> Iterator[Spoken]:
    turn: Spoken | None = None
    for line in path.read_text().splitlines():
        _, what, size, at = line.split()
        if what == "line":
            turn = Spoken(int(at))
        elif turn is not None and what == "piece":
            turn.pieces.append((int(size), int(at)))
        elif turn is not None:
            turn.prompt = int(at)
            yield turn


def latencies(turn: Spoken, texts: Sequence[tuple[int, str]], dropped: int = 0) -> list[float]:
    """Milliseconds from the console's write to the client's read, token by token.

    A token is there when its last byte is. `dropped` bytes at the beginning of the answer reach no client (the end of
    an empty thinking). What the end of the answer holds beyond the texts (a newline) is not counted.
    """
    ends, total = [], dropped
    for _, text in texts:
        total += len(text.encode())
        ends.append(total)
    found = []
    for size, at in turn.pieces:
        place = bisect_left(ends, size)
        if size > dropped and place < len(ends):
            found.append((texts[place][0] - at) / 1e6)
    return found


def idle_ms(turns: Sequence[Spoken]) -> list[float]:
    """Milliseconds without a job, between each prompt and the line after it."""
    return [(later.line - earlier.prompt) / 1e6 for earlier, later in pairwise(turns)]
