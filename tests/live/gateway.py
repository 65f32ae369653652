"""A gateway as a user starts it: the real gunicorn on a free port, with a state folder of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.live.stream import Stream
from tests.support.ports import reserve_port
from tests.support.streams import check_recorded
from tests.support.waits import until

ROOT = Path(__file__).resolve().parents[2]
#: As fast as the machine allows; tests that need time ask the simulator for it.
FAST = "--speed max --decode-rate 140 --load-seconds 0"
#: Where this variable is set, gateways have the settings of a user who set nothing, and examine their console first.
WITH_DEFAULTS = "TEST_DEFAULTS"
NOTHING_SET = {"BPU_RESET": "auto", "BPU_CONTINUE": "auto"}
WITHOUT_EXAMINATION = {"BPU_RESET": "command", "BPU_CONTINUE": "never"}


class Gateway:
    """A running gateway. `log` is all that gunicorn and the keeper have written so far."""

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 1,
        reuse_port: bool = False,
        own_session: bool = False,
        arguments: Sequence[str] = (),
        env: Mapping[str, str] = {},
        application: str = "wsgi:app",
        wrapper: Sequence[str] = (),
    ) -> None:
        self.port = reserve_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.state_dir = Path(env.get("BPU_STATE_DIR", folder / "state"))
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._log_path = folder / "gunicorn.log"
        self._command = [*wrapper, sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", application]
        self._command += [*(["--reuse-port"] if reuse_port else []), *arguments]
        self._env = environment(self.port, self.state_dir, workers, env)
        self._own_session = own_session
        self.start()

    def start(self) -> None:
        """Start it; also once more, at the same address, after `stop`."""
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=self._own_session,
            )

    @property
    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    # HTTP

    def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] = {}, *, timeout: float = 60
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request over a connection of its own: (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            data = None if body is None else json.dumps(body)
            sent = {"Content-Type": "application/json", **headers} if data is not None else dict(headers)
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: object = None, **options: Any) -> Any:
        return json.loads(self.request(method, path, body, **options)[2])

    def health(self) -> dict[str, Any]:
        try:
            return dict(self.json("GET", "/health", timeout=5))
        except (OSError, ValueError, http.client.HTTPException):
            return {}

    def state(self) -> str:
        return str(self.health().get("engine", {}).get("state", ""))

    def ask(self, text: str, **fields: Any) -> dict[str, Any]:
        """One chat completion, not streamed."""
        body = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": text}], **fields}
        return dict(self.json("POST", "/v1/chat/completions", body))

    def open_stream(self, text: str, **fields: Any) -> socket.socket:
        """A streamed completion as a bare socket, so that a test can leave in any way."""
        body = {"model": "deepseek-r1:1.5b", "stream": True, "messages": [{"role": "user", "content": text}], **fields}
        data = json.dumps(body).encode()
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        sock.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        return sock

    def stream(self, text: str, **fields: Any) -> Stream:
        """A streamed completion whose headers have come."""
        return Stream(self.open_stream(text, **fields))

    def engine(self) -> dict[str, Any]:
        return dict(self.health().get("engine", {}))

    def loads(self) -> tuple[int, dict[str, int]]:
        """The loads of the model, and the reasons of those that were not the first."""
        engine = self.engine()
        return engine["loads"], engine["restarts"]

    def slots(self) -> dict[str, Any]:
        return dict(self.json("GET", "/slots"))

    # Processes

    @contextmanager
    def paused_console(self) -> Iterator[None]:
        """Hold the answer under way where it is, while a test does what may take time on a busy machine."""
        pid = self.engine()["console_pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def wait_for(self, state: str = "ready", seconds: float = 30) -> Gateway:
        until(lambda: self._is_in(state), seconds=seconds, what=f"the engine is {state}")
        return self

    def wait_for_workers(self) -> Gateway:
        """Wait until every worker serves: the log names the one that has answered."""
        until(self._all_serve, seconds=30, what="every worker has answered")
        return self

    def _all_serve(self) -> bool:
        self.request("GET", "/v1/models")
        served = {int(pid) for pid in re.findall(r"\[(\d+)\] INFO .*path=/v1/models ", self.log)}
        return {worker.pid for worker in self.workers()} <= served

    def _is_in(self, state: str) -> bool:
        assert self.process.poll() is None, f"gunicorn has ended:\n{self.log}"
        return self.state() == state

    def workers(self) -> list[psutil.Process]:
        """The gunicorn workers, also those whose master is dead."""
        marked = (process for process in psutil.process_iter() if "gunicorn" in " ".join(command(process)))
        return [
            process
            for process in marked
            if process.pid != self.process.pid and self._has_environment("BPU_STATE_DIR", process)
        ]

    def keepers(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._is_keeper(command(process))]

    def _is_keeper(self, words: list[str]) -> bool:
        return "bpu.engine.keeper" in words and str(self.state_dir) in words

    def consoles(self) -> list[psutil.Process]:
        """Console processes of this gateway: `HOME` is what reaches them unchanged."""
        ours = {"bpu.simulator", "bpu.cpu_console"}
        found = (process for process in psutil.process_iter() if ours & set(command(process)))
        return [process for process in found if self._has_environment("HOME", process)]

    def _has_environment(self, variable: str, process: psutil.Process) -> bool:
        try:
            return bool(process.environ().get(variable) == str(self.state_dir))
        except psutil.Error:
            return False

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        """Signal the master, wait for its end, and for that of keeper and console, unless they serve another."""
        if self.process.poll() is None:
            self.send_signal(number)
        code = self.process.wait(seconds)
        if not self.workers():
            self.wait_nothing_left()
        return code

    def wait_nothing_left(self, seconds: float = 30) -> None:
        gone = f"all gone\n{self.log}"
        until(lambda: not self.keepers() and not self.consoles(), seconds=seconds, what=gone, every=0.05)

    def kill_all(self) -> None:
        for process in [*self.workers(), *self.keepers(), *self.consoles()]:
            try:
                process.kill()
            except psutil.Error:
                continue
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


def command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def environment(port: int, state_dir: Path, workers: int, extra: Mapping[str, str]) -> dict[str, str]:
    """The settings of a test gateway: the fast simulator, nothing of the caller's own `BPU_*`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BPU_", "PYTHON"))}
    settings = {
        "BPU_BIND": f"127.0.0.1:{port}",
        "BPU_WORKERS": str(workers),
        "BPU_ENGINE": "simulator",
        "BPU_CONSOLE_ARGS": FAST,
        "BPU_STATE_DIR": str(state_dir),
        "BPU_DATA_DIR": str(state_dir / "data"),
        "BPU_SETTINGS_FILE": os.devnull,
        **(NOTHING_SET if os.environ.get(WITH_DEFAULTS) else WITHOUT_EXAMINATION),
        # Marks the console of this gateway: it is the one variable that reaches it unchanged.
        "HOME": str(state_dir),
    }
    return {**kept, **settings, **extra}


@contextmanager
def running(
    folder: Path, *, ready: str = "ready", application: str = "tests.live.recorded:app", **options: Any
) -> Iterator[Gateway]:
    """A gateway whose engine is `ready`; whatever the test does, no process of it is left afterwards.

    Every stream that it has sent, to whatever client, is then held against the checker.
    """
    streams = folder / "streams"
    streams.mkdir()
    env = {**options.pop("env", {}), "TEST_STREAMS": str(streams)}
    gateway = Gateway(folder, application=application, env=env, **options)
    try:
        yield gateway.wait_for(ready)
    finally:
        try:
            gateway.stop(signal.SIGINT, seconds=20)
        finally:
            gateway.kill_all()
    check_recorded(streams)


def sim(text: str = "go on", **directives: object) -> str:
    """`text` with directives that the simulator obeys for this one answer (`python -m bpu simulator --help`)."""
    words = " ".join(f"{name}={value}" for name, value in directives.items())
    return f"{text} [[sim {words}]]" if words else text
