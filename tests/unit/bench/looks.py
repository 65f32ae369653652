"""Measures `/health`, `/ready`, `/slots` and `/metrics` while 200 streams are open.

`python -m tests.unit.bench.looks [ROUNDS]` prints the rows of the table in docs/observing.md: medians and the 99th of a
hundred, with the keeper at work and with the keeper stopped dead. It never fails.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from tests.live.gateway import Gateway, running, sim
from tests.support.waits import until

STREAMS = 200
PATHS = ("/health", "/ready", "/slots", "/metrics")


def measure_endpoint(gateway: Gateway, path: str, rounds: int) -> list[float]:
    """Milliseconds of `rounds` requests, one after the other on one connection."""
    taken = []
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as connection:
        for _ in range(rounds):
            began = time.perf_counter()
            connection.request("GET", path)
            connection.getresponse().read()
            taken.append((time.perf_counter() - began) * 1000)
    return taken


def table(gateway: Gateway, rounds: int) -> str:
    taken = [measure_endpoint(gateway, path, rounds) for path in PATHS]
    medians = " | ".join(f"{statistics.median(one):.1f} ms" for one in taken)
    slowest = " | ".join(f"{statistics.quantiles(one, n=100)[98]:.1f} ms" for one in taken)
    return f"| median | {medians} |\n| 99 of 100 within | {slowest} |"


def main(rounds: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), env={"BPU_QUEUE_LIMIT": "300"}) as gateway,
        ExitStack() as stack,
    ):
        for number in range(STREAMS):
            stack.enter_context(closing(gateway.open_stream(sim(f"Question {number}", tokens=5000, rate=20))))
        until(lambda: len(gateway.slots()["waiting"]) == STREAMS - 1)
        print(f"{', '.join(PATHS)}\nthe keeper at work\n{table(gateway, rounds)}")
        (keeper,) = gateway.keepers()
        keeper.suspend()
        try:
            print(f"the keeper stopped\n{table(gateway, rounds)}")
        finally:
            keeper.resume()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
