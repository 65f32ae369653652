"""Starts a console program and talks to it over pipes, with deadlines."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PROMPT = b"[User] <<< "
ANSWER = b"[Assistant] >>> "
SIMULATOR = (sys.executable, "-m", "bpu.simulator")
#: What CPython does with C stdio when it is set would hide what stdbuf does.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
ENVIRONMENT["PYTHONPATH"] = str(ROOT)


class Program:
    """One child.

    `with` ends it. `reads` are the sizes of what each read of stdout gave.

    `packets`: stdout is a socket that keeps the boundaries of writes, so that each read is exactly one write of the
    program, however busy the machine is. C stdio buffers for it as it does for a pipe.
    """

    def __init__(
        self,
        *arguments: str,
        command: Sequence[str] = SIMULATOR,
        fast: bool = True,
        stdbuf: bool = True,
        packets: bool = False,
        cwd: Path = ROOT,
    ) -> None:
        words = [*(["stdbuf", "-i0", "-o0", "-e0"] if stdbuf else []), *command, *arguments]
        if fast:
            words += ["--speed", "max"]
        pipe: Any = subprocess.PIPE
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) if packets else (None, None)
        stdout: Any = pipe if theirs is None else theirs
        self.process = subprocess.Popen(words, stdin=pipe, stdout=stdout, stderr=pipe, cwd=cwd, env=ENVIRONMENT)
        if ours is not None and theirs is not None:
            theirs.close()
            self.process.stdout = open(ours.detach(), "rb", buffering=0)  # noqa: PTH123, SIM115  # closed by `__exit__`
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.stdin, self.stdout, self.stderr = self.process.stdin, self.process.stdout, self.process.stderr
        self.out = self.err = b""
        self.reads: list[int] = []

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def until(self, mark: bytes, seconds: float = 20) -> bytes:
        """Take stdout up to and with `mark`, which must be its end."""
        assert self.wait(lambda: self.out.endswith(mark), seconds), (mark, self.out[-300:], self.err[-300:])
        text, self.out = self.out, b""
        return text

    def end(self, seconds: float = 20) -> int:
        """Read both streams to their end; the exit code."""
        self.wait(lambda: False, seconds)
        return self.process.wait(seconds)

    def wait(self, true: Any, seconds: float) -> bool:
        """Read until `true()`, the end of stdout, or the deadline."""
        deadline = time.monotonic() + seconds
        streams = [self.stdout, self.stderr]
        while streams and not true():
            ready = select.select(streams, [], [], max(0, deadline - time.monotonic()))[0]
            if not ready:
                return bool(true())
            for stream in ready:
                data = os.read(stream.fileno(), 65536)
                if not data:
                    streams.remove(stream)
                elif stream is self.stdout:
                    self.out += data
                    self.reads.append(len(data))
                else:
                    self.err = (self.err + data)[-1_000_000:]
        return bool(true())

    def ready(self) -> bytes:
        return self.until(PROMPT)

    def send(self, line: str | bytes) -> None:
        data = line.encode() if isinstance(line, str) else line
        self.stdin.write(data + b"\n")
        self.stdin.flush()

    def ask(self, line: str | bytes) -> str:
        """One turn; all that the console printed, decoded."""
        self.send(line)
        return self.until(PROMPT).decode("utf-8", "replace")

    def answer(self, line: str | bytes) -> str:
        """One turn; the model's words alone."""
        text = self.ask(line).split(ANSWER.decode(), 1)[1]
        text = text.rsplit(PROMPT.decode(), 1)[0]
        return text.split("\nPerformance prefill")[0].rstrip("\n")

    def reply(self, line: str | bytes) -> str:
        """One turn; the words after the reasoning."""
        return self.answer(line).split("</think>")[-1].strip()

    def exit(self) -> int:
        self.send("exit")
        return self.end()


def say(text: str) -> str:
    """The directive that makes the simulator answer exactly `text`."""
    return f"[[sim say={base64.b64encode(text.encode()).decode()}]]"


LLM = {
    "hbm_path": "Qwen3-8B_language_chunk_512_cache_256_w4_nash-p_corenum_4_4.hbm",
    "tokenizer_dir": "",
    "model_type": 9,
}


def llm(folder: Path, l2m: str = "6:6:6:6", **values: object) -> Program:
    """The S600's program with a configuration, in a shell that gives its cores memory."""
    model, config = folder / LLM["hbm_path"], folder / "config.json"  # type: ignore[operator]
    model.touch()
    tokenizer = str(ROOT / "bpu/simulator/model")
    fields = {**LLM, "hbm_path": str(model), "tokenizer_dir": tokenizer, "bpu_core": [0, 1, 2, 3], **values}
    config.write_text(json.dumps(fields))
    command = ("env", f"HB_DNN_USER_DEFINED_L2M_SIZES={l2m}", sys.executable, "-m", "bpu.simulator")
    return Program("--profile", "llm", "-c", str(config), command=command)
