"""Starts and ends what is measured, and reads what it costs: processor time and memory, from the kernel. Linux only."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from bpu.bench.client import Address, exchange, request, wait_for
from bpu.errors import EngineUnavailable
from bpu.project import IMPORT_ROOT, PROJECT

HOST = "127.0.0.1"
#: A context that holds the longest answer that is measured.
CONTEXT = 65536
#: The relay knows no `reset`: its console must hold all answers of a run.
ENDLESS_CONTEXT = 1 << 24
ARTICLE = "tests.bench.article_server"
_ANSWERED = re.compile(r"\[(\d+)\] INFO request .*path=/v1/chat/completions .*status=200")


def simulator(*options: str, load_s: float = 0.0, context: int = CONTEXT) -> list[str]:
    """The console's command, without the gateway's own part of it."""
    fixed = ["--speed", "max", "--load-seconds", f"{load_s:g}", "--context", str(context)]
    return [sys.executable, "-S", "-m", "bpu.simulator", *fixed, *options]


def article_possible() -> bool:
    """Whether what the article's way needs is installed; a board has no need of it."""
    return all(find_spec(name) for name in ("fastapi", "uvicorn")) and (IMPORT_ROOT / "tests/bench").is_dir()


@dataclass(frozen=True)
class Server:
    """Something that serves at `address`. `pids` are its processes, the console's left out."""

    address: Address
    pids: Sequence[int]


class Gateway:
    """The real gunicorn, started by nobody's settings but those given; its keeper and console end with it."""

    def __init__(
        self, folder: Path, *options: str, workers: int = 1, load_s: float = 0.0, env: Mapping[str, str] = {}
    ) -> None:
        self.folder, self.workers = folder, workers
        folder.mkdir(parents=True, exist_ok=True)
        self.stamps = folder / "stamps"
        self.address = (HOST, free_port())
        words = ["-m", "gunicorn", "-c", "gunicorn.conf.py", *(["--reuse-port"] if workers > 1 else []), "wsgi:app"]
        self._log: IO[bytes] = (folder / "log").open("wb")
        console = " ".join(["--speed max", f"--load-seconds {load_s:g}", *options])
        self.began = time.monotonic_ns()
        self._process = subprocess.Popen(
            [sys.executable, *words],
            cwd=PROJECT,
            env=environment(
                {
                    "BPU_BIND": f"{HOST}:{self.address[1]}",
                    "BPU_WORKERS": str(workers),
                    "BPU_ENGINE": "simulator",
                    "BPU_CONSOLE_ARGS": console,
                    "BPU_CONTEXT_SIZE": str(CONTEXT),
                    "BPU_STATE_DIR": str(folder),
                    "BPU_RESET": "command",
                    "BPU_CONTINUE": "never",
                    **env,
                }
            ),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def health(self) -> dict[str, Any]:
        """Empty while nobody answers."""
        try:
            heard = exchange(self.address, request("/health", None), limit_s=5)
            return dict(json.loads(heard.data.partition(b"\r\n\r\n")[2]))
        except (OSError, ValueError, IndexError):
            return {}

    def ready(self) -> Gateway:
        """All workers are there and the model is loaded. Raises `EngineUnavailable` with the log if that fails."""
        wait_for(self._ready, what="the gateway is ready", pause_s=0.02)
        return self

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise EngineUnavailable((self.folder / "log").read_text(errors="replace")[-2000:])
        if self.health().get("engine", {}).get("state") != "ready":
            return False
        return len(self.worker_pids()) == self.workers

    def worker_pids(self) -> list[int]:
        return children(self._process.pid)

    def keeper_pid(self) -> int:
        return int(self.health()["engine"]["keeper_pid"])

    def answered(self) -> Counter[int]:
        """How many chats each worker has answered so far, by its pid, as the log tells it."""
        return Counter(int(pid) for pid in _ANSWERED.findall((self.folder / "log").read_text(errors="replace")))

    def server(self) -> Server:
        return Server(self.address, [*self.worker_pids(), self.keeper_pid()])

    def stop(self) -> None:
        """Ends it and all that it started; a console that outlives it would hold the processor of the next figure."""
        keeper = self.health().get("engine", {}).get("keeper_pid")
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        if keeper is not None:
            wait_for(lambda: not Path(f"/proc/{keeper}").exists(), seconds=15, what="the keeper has left")


@contextlib.contextmanager
def gateway(folder: Path, *options: str, **settings: Any) -> Iterator[Gateway]:
    """A gateway that is ready; nothing of it is left afterwards."""
    started = Gateway(folder, *options, **settings)
    try:
        yield started.ready()
    finally:
        started.stop()


@contextlib.contextmanager
def relay(*options: str) -> Iterator[Server]:
    """The bare relay over a console of its own."""
    port = free_port()
    words = [sys.executable, "-S", "-m", "bpu.bench.relay", str(port)]
    words += simulator(*options, context=ENDLESS_CONTEXT)
    with _running(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise EngineUnavailable("The relay did not start.")
        yield Server((HOST, port), [process.pid])


@contextlib.contextmanager
def article(*options: str, load_s: float) -> Iterator[Server]:
    """The article's way: one process a request behind an asyncio server."""
    port = free_port()
    words = [sys.executable, "-m", ARTICLE, str(port), *simulator(*options, load_s=load_s)]
    with _running(words) as process:
        wait_for(lambda: _answers((HOST, port)), what="the article's server is ready", pause_s=0.02)
        yield Server((HOST, port), [process.pid])


def _answers(address: Address) -> bool:
    try:
        return exchange(address, request("/health", None), limit_s=5).status == 200
    except OSError:
        return False


@contextlib.contextmanager
def _running(words: Sequence[str], stdout: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        words, cwd=IMPORT_ROOT, env=environment({}), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's, without settings of the gateway and of Python: nobody's own service is measured by accident."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BPU_", "PYTHON"))}
    return {**kept, "BPU_SETTINGS_FILE": os.devnull, **extra}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def cpu_s(pids: Sequence[int]) -> float:
    """Processor seconds that these processes have used, all threads, to the nanosecond."""
    # The kernel's number of another process's clock, as `clock_getcpuclockid` makes it.
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def memory_mb(pid: int, field: str = "Rss") -> float:
    """Resident memory (`Rss`), or what is its own alone (`Anonymous`), in MB of a million bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024 / 1e6
    raise KeyError(field)
