"""Measures how much later the first token comes through the gateway than through a relay.

`python -m tests.unit.bench.first_token [ROUNDS]` prints what `python -m benchmarks` measures of it; here the aim is at
most 5 ms more than from pipe to socket. It never fails: a busy machine is not a mistake of the code.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.plan import FULL, Benchmark
from benchmarks.speed import first_token

AIM_MS = 5


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (row,) = first_token(Benchmark(replace(FULL, rounds=rounds), Path(folder), process_per_request=False))
    more = {check.name: check.value for check in row.checks}
    print(f"first token, {rounds} rounds, warm, at 50 tokens/s:")
    print(f"  bare relay  median {row.relay:.1f} ms")
    print(f"  gateway     median {row.gateway:.1f} ms")
    print(f"  overhead    median {more['median_over_relay_ms']:.1f} ms (aim: {AIM_MS} ms)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
