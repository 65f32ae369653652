"""How much later the first token comes through the gateway than through a bare relay, warm, at 50 tokens/s.

`python -m tests.bench.first_token [ROUNDS]` prints medians of the same run, one after the other in turn; the aim is
at most 5 ms. It never fails: a busy machine is not a mistake of the code.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.live.gateway import ROOT, Gateway, free_port, running, sim

QUESTION = sim("bench", tokens=12, rate=50, prefill=0.1)
CONSOLE = [sys.executable, "-S", "-m", "bpu.simulator", "--speed", "max", "--load-seconds", "0"]
MARK = "[Assistant] >>> "


def through_relay(port: int) -> float:
    """Seconds from the question to the first piece after the echo."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        began, seen = time.perf_counter(), ""
        sock.sendall(QUESTION.encode() + b"\n")
        found = 0.0
        for line in sock.makefile("rb"):
            if line.startswith(b"data: "):
                seen += json.loads(line[6:])["piece"]
                if not found and seen.partition(MARK)[2]:
                    found = time.perf_counter() - began
    return found


def through_gateway(gateway: Gateway) -> float:
    """Seconds from the request to the first chunk with text."""
    began = time.perf_counter()
    stream = gateway.stream(QUESTION).until_text()
    found = time.perf_counter() - began
    stream.rest()
    return found


def main(rounds: int) -> None:
    port = free_port()
    relay = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.relay", str(port), *CONSOLE], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert relay.stdout is not None
    try:
        relay.stdout.readline()
        with tempfile.TemporaryDirectory() as folder, running(Path(folder), application="wsgi:app") as gateway:
            through_relay(port)
            through_gateway(gateway)
            pairs = [(through_relay(port), through_gateway(gateway)) for _ in range(rounds)]
    finally:
        relay.terminate()
        relay.wait()
        relay.stdout.close()
    bare, ours = ([pair[side] * 1000 for pair in pairs] for side in (0, 1))
    over = sorted(b - a for a, b in zip(bare, ours, strict=True))
    print(f"first token, {rounds} rounds, 100 ms of it prefill:")
    print(f"  bare relay  median {statistics.median(bare):6.1f} ms")
    print(f"  gateway     median {statistics.median(ours):6.1f} ms")
    print(f"  overhead    median {statistics.median(over):6.1f} ms, highest {over[-1]:.1f} ms (aim: 5 ms)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
