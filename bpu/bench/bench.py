"""How much a run measures, and what all measurements share: a folder, the series for the plots, who takes part."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

from bpu.bench.client import Address, Heard, chat, exchange, request
from bpu.bench.figures import Series
from bpu.bench.programs import Gateway, Server

#: The published rate that is felt as fast; what the aims are about.
RATE = 50
#: The fastest published rate (S600). No pace at all would be no model's, so the end of such an answer is never believed
#: before silence.
FASTEST = 112
#: What a client never gets of an answer without thinking: the end of the tag.
UNTHOUGHT = len(b"</think>\n\n")


@dataclass(frozen=True)
class Plan:
    """How much is measured. `FULL` takes less than five minutes, `SHORT` shows only that everything works."""

    rounds: int
    article_rounds: int
    paced_rounds: int
    paced_tokens: int
    fast_rounds: int
    fast_tokens: int
    clients: int
    hand_overs: int
    chats: int
    turns: int
    waiting: int
    waiting_s: float
    jobs: int
    settled_after: int
    long_tokens: int
    length_ratio: int
    starts: int
    bodies: int


FULL = Plan(
    rounds=200,
    article_rounds=5,
    paced_rounds=3,
    paced_tokens=250,
    fast_rounds=5,
    fast_tokens=50_000,
    clients=20,
    hand_overs=100,
    chats=3,
    turns=20,
    waiting=500,
    waiting_s=11.0,  # more than one period of keep-alives
    jobs=4_000,
    settled_after=1_000,
    long_tokens=22_400,  # about 64,000 characters
    length_ratio=64,
    starts=3,
    bodies=20,
)
SHORT = Plan(
    rounds=5,
    article_rounds=1,
    paced_rounds=1,
    paced_tokens=25,
    fast_rounds=1,
    fast_tokens=20_000,
    clients=5,
    hand_overs=15,
    chats=1,
    turns=3,
    waiting=20,
    waiting_s=0.5,
    jobs=60,
    settled_after=20,
    long_tokens=1_400,
    length_ratio=4,
    starts=1,
    bodies=2,
)


@dataclass
class Bench:
    """One run: `folder` for state, stamps and logs; `article` whether the article's way takes part."""

    plan: Plan
    folder: Path
    article: bool
    series: Series = field(default_factory=dict)
    _folders: int = 0

    def place(self) -> Path:
        """A folder for one more gateway; short, because a socket's path is."""
        self._folders += 1
        return self.folder / str(self._folders)


def question(**directives: object) -> str:
    """A question that makes the simulator answer so (`python -m bpu simulator --help`), without thinking first."""
    words = " ".join(f"{name}={value}" for name, value in {"think": 0, **directives}.items())
    return f"go on [[sim {words}]]"


def ask(address: Address, text: str) -> Heard:
    """Ask the gateway or the article's server."""
    return exchange(address, chat(text))


def ask_relay(server: Server, text: str) -> Heard:
    return exchange(server.address, request("/", text.encode()))


def first_ms(heard: Heard) -> float:
    """From the request to the first piece of text, in milliseconds."""
    return (heard.first_text() - heard.sent) / 1e6


def warm(gateway: Gateway) -> None:
    """A few jobs, so that nothing is done for the first time while it is measured, and the console's pace is known."""
    for _ in range(3 * gateway.workers):
        ask(gateway.address, question(tokens=20, rate=FASTEST))


def joined(gateway: Gateway, text: str) -> socket.socket:
    """A client whose first chunk has come: it has its place in the queue, until it is closed."""
    sock = socket.create_connection(gateway.address, timeout=30)
    sock.sendall(chat(text))
    sock.recv(65536)
    return sock


def tokens_per_s(heard: Heard, tokens: int) -> float:
    """Tokens a second of an answer of `tokens`, counted behind its first read, which may hold many; an answer that
    came in a single read is counted from the question on."""
    texts = heard.texts()
    begun, ended = texts[0][0], texts[-1][0]
    if begun == ended:
        return tokens * 1e9 / (ended - heard.sent)
    later = sum(len(text) for at, text in texts if at > begun)
    return tokens * later / sum(len(text) for _, text in texts) * 1e9 / (ended - begun)
