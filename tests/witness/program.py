"""Compiles the console in C and runs a gateway over it, as over the console of an SDK, with default settings."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bpu.settings import Settings
from tests.live.gateway import ROOT, Gateway

SOURCE = Path(__file__).parent / "console.c"
MODEL = ROOT / "bpu" / "simulator" / "model"
FLAGS = ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread")


def compile_console(folder: Path) -> Path:
    """The compiled console in `folder`. Raises `FileNotFoundError` where no C compiler is installed."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise FileNotFoundError("no C compiler is installed (apt install gcc libc6-dev)")
    program = folder / "console"
    subprocess.run([compiler, *FLAGS, "-o", program, SOURCE], check=True)
    return program


def _model_files(folder: Path, program: str) -> str:
    """Make the files of a model that `program` can be started with; the name of the language model's."""
    image = "Qwen3-VL-2B-Instruct"
    names = ["model_4096.hbm"]
    if program == "vlm":
        names = [
            f"{image}_language_chunk_512_cache_4096_w4_nash-p_corenum_4_4.hbm",
            f"{image}_vision_448x448_w8-4_nash-p_corenum_4.hbm",
            f"{image}_embed_tokens_w4_fp16.bin",
        ]
    for name in names:
        (folder / name).write_bytes(b"no model")
    return names[0]


@dataclass(frozen=True)
class Event:
    """One line of the console's own trace; `at` is a moment of the monotonic clock."""

    at: float
    name: str
    text: str


class WitnessGateway(Gateway):
    """The real gunicorn over the console in C, with a state and a data folder of its own."""

    def __init__(
        self,
        folder: Path,
        compiled: Path,
        *,
        program: str = "xlm_demo",
        options: Sequence[str] = (),
        workers: int = 4,
        env: Mapping[str, str] = {},
    ) -> None:
        self.program = folder / "runtime" / "bin" / program
        self.program.parent.mkdir(parents=True)
        shutil.copy(compiled, self.program)
        hbm = _model_files(folder / "runtime", program)
        self._trace = folder / "trace"
        settings = {
            "BPU_ENGINE": "console",
            "BPU_RUNTIME_DIR": str(folder / "runtime"),
            "BPU_CONSOLE": f"bin/{program}",
            "BPU_HBM_PATH": hbm,
            "BPU_TOKENIZER_DIR": str(MODEL),
            "BPU_TEMPLATE_PATH": str(next(MODEL.glob("*.jinja"))),
            "BPU_CONSOLE_ARGS": shlex.join([*options, "--trace", str(self._trace)]),
            # Empty counts as not set: what a user has who set nothing.
            "BPU_RESET": "",
            "BPU_CONTINUE": "",
            **({"BPU_DATA_DIR": str(folder / "data")} if "data_dir" in Settings.model_fields else {}),
        }
        (folder / "data").mkdir(exist_ok=True)
        super().__init__(folder, workers=workers, reuse_port=workers > 1, env={**settings, **env})

    def consoles(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._runs_program(process)]

    def _runs_program(self, process: psutil.Process) -> bool:
        try:
            return bool(process.exe() == str(self.program) and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def trace(self) -> list[Event]:
        """What the console has noted so far, whole lines only."""
        if not self._trace.exists():
            return []
        lines = self._trace.read_text(errors="replace").split("\n")[:-1]
        words = [line.split(" ", 2) for line in lines]
        return [Event(float(at), name, text[0] if text else "") for at, name, *text in words]


@contextmanager
def witness_gateway(
    folder: Path,
    compiled: Path,
    *,
    program: str = "xlm_demo",
    options: Sequence[str] = (),
    workers: int = 4,
    env: Mapping[str, str] = {},
) -> Iterator[WitnessGateway]:
    """A started gateway; no process of it is left afterwards. It may still be loading."""
    folder.mkdir(parents=True, exist_ok=True)
    gateway = WitnessGateway(folder, compiled, program=program, options=options, workers=workers, env=env)
    try:
        yield gateway
    finally:
        for process in gateway.workers() + gateway.consoles():
            process.send_signal(signal.SIGCONT)
        try:
            gateway.stop(signal.SIGINT, seconds=20)
        except (AssertionError, subprocess.TimeoutExpired):
            pass
        finally:
            gateway.kill_all()
