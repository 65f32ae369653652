"""Starts and stops the programs under measurement, and reads their processor time and memory.

It works on Linux only.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
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

from benchmarks.clients import wait_for
from bpu.bench.client import Address, exchange, request
from bpu.errors import EngineUnavailable
from bpu.project import PROJECT

HOST = "127.0.0.1"
#: A context that holds the longest answer that is measured.
CONTEXT = 65536
#: The relay never sends `reset`, so its console must hold all answers of a run.
ENDLESS_CONTEXT = 1 << 24
_ANSWERED = re.compile(r"\[(\d+)\] INFO request .*path=/v1/chat/completions .*status=200")


def simulator(*options: str, load_s: float = 0.0, context: int = CONTEXT) -> list[str]:
    """The command of the simulated console."""
    fixed = ["--speed", "max", "--load-seconds", f"{load_s:g}", "--context", str(context)]
    return [sys.executable, "-S", "-m", "bpu.simulator", *fixed, *options]


def compile_console(folder: Path) -> Path | None:
    """Compile the console that is as fast as the machine can be.

    Return None without a C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    program = folder / "xlm_demo"
    subprocess.run([compiler, "-O2", "-o", program, Path(__file__).with_name("console.c")], check=True)
    return program


def console_settings(program: Path) -> dict[str, str]:
    """Return the settings of a gateway over the compiled console.

    The files of a model are made beside it.
    """
    model = program.with_name("model_4096.hbm")
    model.write_bytes(b"no model")
    files = PROJECT / "bpu" / "simulator" / "model"
    return {
        "BPU_ENGINE": "console",
        "BPU_RUNTIME_DIR": str(program.parent),
        "BPU_CONSOLE": program.name,
        "BPU_CONSOLE_ARGS": "",
        "BPU_HBM_PATH": model.name,
        "BPU_TOKENIZER_DIR": str(files),
        "BPU_TEMPLATE_PATH": str(next(files.glob("*.jinja"))),
    }


def can_run_process_per_request() -> bool:
    """Whether FastAPI and uvicorn are installed."""
    return all(find_spec(name) for name in ("fastapi", "uvicorn"))


@dataclass(frozen=True)
class Server:
    """A server at `address`. `pids` are its processes without the console."""

    address: Address
    pids: Sequence[int]


class Gateway:
    """The real gunicorn, with the given settings only. `stop` ends its keeper and console, too."""

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
        """The body of `/health`, empty while there is no answer."""
        try:
            answer = exchange(self.address, request("/health", None), limit_s=5)
            return dict(json.loads(answer.data.partition(b"\r\n\r\n")[2]))
        except (OSError, ValueError, IndexError):
            return {}

    def ready(self) -> Gateway:
        """Wait for all workers and the loaded model.

        Raises `EngineUnavailable` with the log if that fails.
        """
        wait_for(self._ready, what="the gateway is ready", pause_s=0.02)
        return self

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise EngineUnavailable((self.folder / "log").read_text(errors="replace")[-2000:])
        if self.health().get("engine", {}).get("state") != "ready":
            return False
        return len(self.worker_pids()) == self.workers

    @property
    def pid(self) -> int:
        """The master's process id."""
        return self._process.pid

    def worker_pids(self) -> list[int]:
        return children(self._process.pid)

    def keeper_pid(self) -> int:
        return int(self.health()["engine"]["keeper_pid"])

    def answered(self) -> Counter[int]:
        """The number of chats that each worker (pid) has answered, by the log."""
        return Counter(int(pid) for pid in _ANSWERED.findall((self.folder / "log").read_text(errors="replace")))

    def server(self) -> Server:
        return Server(self.address, [*self.worker_pids(), self.keeper_pid()])

    def stop(self) -> None:
        """Stop it and wait for its keeper, because a remaining console would disturb measurements."""
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
    """Run a gateway that is ready, and stop it afterwards."""
    started = Gateway(folder, *options, **settings)
    try:
        yield started.ready()
    finally:
        started.stop()


@contextlib.contextmanager
def relay(*options: str, console: Sequence[str] = ()) -> Iterator[Server]:
    """Run the bare relay over a console of its own.

    By default that is the simulator with `options`.
    """
    port = free_port()
    words = [sys.executable, "-S", "-m", "benchmarks.relay", str(port)]
    words += console or simulator(*options, context=ENDLESS_CONTEXT)
    with running(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise EngineUnavailable("The relay did not start.")
        yield Server((HOST, port), [process.pid])


@contextlib.contextmanager
def process_per_request(*options: str, load_s: float, console: Sequence[str] = ()) -> Iterator[Server]:
    """Run an asyncio server that starts one console process for each request.

    By default that is the simulator.
    """
    port = free_port()
    words = [sys.executable, "-m", "benchmarks.process_per_request", str(port)]
    words += console or simulator(*options, load_s=load_s)
    with running(words) as process:
        wait_for(lambda: _is_up((HOST, port)), what="the server of one process a request is ready", pause_s=0.02)
        yield Server((HOST, port), [process.pid])


def _is_up(address: Address) -> bool:
    try:
        return exchange(address, request("/health", None), limit_s=5).status == 200
    except OSError:
        return False


@contextlib.contextmanager
def running(words: Sequence[str], stdout: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        words, cwd=PROJECT, env=environment({}), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without settings of the gateway and of Python, and `extra`."""
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
    """Processor seconds of all threads of these processes, to the nanosecond."""
    # The clock id of another process's processor time, as `clock_getcpuclockid` computes it.
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def memory_mb(pid: int, field: str = "Rss") -> float:
    """Resident memory (`Rss`) or its private part (`Anonymous`) in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024 / 1e6
    raise KeyError(field)
