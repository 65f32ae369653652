"""Defines how much a run measures, and what all measurements share."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.programs import Gateway, Server
from bpu.bench.client import Address, Exchange, chat, exchange, request
from bpu.bench.figures import Series

#: The aims are about this rate, which readers find fast.
RATE = 50
#: The fastest published rate (S600). The gateway waits for silence at the end of an answer that comes faster.
FASTEST = 112
#: The closing tag of empty reasoning, which no client receives.
EMPTY_REASONING_BYTES = len(b"</think>\n\n")


@dataclass(frozen=True)
class Plan:
    """The extent of a run.

    `FULL` takes less than five minutes, `SHORT` shows only that everything works.
    """

    rounds: int
    per_request_rounds: int
    paced_rounds: int
    paced_tokens: int
    fast_rounds: int
    fast_tokens: int
    clients: int
    handovers: int
    chats: int
    turns: int
    waiting: int
    waiting_s: float
    jobs: int
    warm_up_jobs: int
    long_tokens: int
    length_ratio: int
    starts: int
    bodies: int
    images: int


FULL = Plan(
    rounds=200,
    per_request_rounds=5,
    paced_rounds=3,
    paced_tokens=250,
    fast_rounds=5,
    fast_tokens=50_000,
    clients=20,
    handovers=100,
    chats=3,
    turns=20,
    waiting=500,
    waiting_s=11.0,  # more than one period of keep-alives
    jobs=4_000,
    warm_up_jobs=1_000,
    long_tokens=22_400,  # about 64,000 characters
    length_ratio=64,
    starts=3,
    bodies=20,
    images=9,
)
SHORT = Plan(
    rounds=5,
    per_request_rounds=1,
    paced_rounds=1,
    paced_tokens=25,
    fast_rounds=1,
    fast_tokens=20_000,
    clients=5,
    handovers=15,
    chats=1,
    turns=3,
    waiting=20,
    waiting_s=0.5,
    jobs=60,
    warm_up_jobs=20,
    long_tokens=1_400,
    length_ratio=4,
    starts=1,
    bodies=2,
    images=3,
)


@dataclass
class Benchmark:
    """One run. `folder` holds state, stamps and logs; `process_per_request`: that way of serving takes part."""

    plan: Plan
    folder: Path
    process_per_request: bool
    series: Series = field(default_factory=dict)
    _folders: int = 0

    def new_folder(self, *, create: bool = False) -> Path:
        """A folder for one more gateway, short because a socket's path must be."""
        self._folders += 1
        folder = self.folder / str(self._folders)
        if create:
            folder.mkdir()
        return folder


def question(**directives: object) -> str:
    """A question with directives to the simulator (`bpu simulator --help`), answered without reasoning."""
    words = " ".join(f"{name}={value}" for name, value in {"think": 0, **directives}.items())
    return f"go on [[sim {words}]]"


def ask(address: Address, text: str) -> Exchange:
    """Ask the gateway or the server that starts one process a request."""
    return exchange(address, chat(text))


def ask_relay(server: Server, text: str) -> Exchange:
    return exchange(server.address, request("/", text.encode()))


def first_ms(answer: Exchange) -> float:
    """From the request to the first piece of text, in milliseconds."""
    return (answer.first_text() - answer.sent) / 1e6


def warm_up(gateway: Gateway) -> None:
    """Run a few jobs, so that the gateway knows the console's pace."""
    for _ in range(3 * gateway.workers):
        ask(gateway.address, question(tokens=20, rate=FASTEST))


def queued_client(gateway: Gateway, text: str) -> socket.socket:
    """Open a client with a place in the queue; its first chunk has come."""
    sock = socket.create_connection(gateway.address, timeout=30)
    sock.sendall(chat(text))
    sock.recv(65536)
    return sock


def tokens_per_s(answer: Exchange, tokens: int) -> float:
    """Tokens a second of an answer, counted after its first read.

    An answer that came in a single read is counted from the question on.
    """
    texts = answer.texts()
    begun, ended = texts[0][0], texts[-1][0]
    if begun == ended:
        return tokens * 1e9 / (ended - answer.sent)
    later = sum(len(text) for at, text in texts if at > begun)
    return tokens * later / sum(len(text) for _, text in texts) * 1e9 / (ended - begun)
