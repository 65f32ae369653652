"""A keeper without processes, sockets or time: real scheduler and supervisor around a console made of bytes."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bpu.console.traits import TurnReport
from bpu.engine.console_examination import Findings
from bpu.engine.console_process import Exit, Log
from bpu.engine.console_record import Code, ConsoleRecord
from bpu.engine.keeper.event_loop import Loop
from bpu.engine.keeper.kv_cache import UNKNOWN, Cache
from bpu.engine.keeper.queue import Ticket
from bpu.engine.keeper.scheduler import Scheduler
from bpu.engine.keeper.supervisor import Supervisor
from bpu.engine.launch_spec import LaunchSpec
from bpu.engine.messages import Message, Packet, RefusalCode, to_packet
from bpu.engine.states import State, Transition

BANNER = "板端大模型多轮对话交互demo，请输入你的问题并按下回车 \n- 退出请输入exit\n- 清除缓存请输入reset\n"
PROMPT = b"[User] <<< "
STATISTICS = "\nPerformance prefill: 1113.04tokens/s    decode: 20.22tokens/s\n"
STDOUT, STDERR = 1001, 1002
#: The report of a turn whose end is proven.
PROVEN = TurnReport(proven=True)


def launch(folder: Path, **changes: Any) -> LaunchSpec:
    fields: dict[str, Any] = {
        "argv": ("console",),
        "cwd": str(folder),
        "env": {},
        "profile": "xlm_demo",
        "simulated": True,
        "model": "deepseek-r1:1.5b",
        "lock_path": str(folder / "engine.lock"),
        "state_dir": str(folder),
        "files": {},
        "context": 4096,
        "per_job": False,
        "reset": "command",
        "continues": "always",
        "preload": True,
        "idle_unload_s": 0.0,
        "load_timeout_s": 120.0,
        "first_token_timeout_s": 120.0,
        "stall_timeout_s": 30.0,
        "job_timeout_s": 0.0,
        "memory_mb": 0,
        "core_mb": 0,
        "queue_limit": 3,
        "log_format": "text",
        "data_dir": str(folder / "data"),
        "exam_limit_s": 45.0,
    }
    return LaunchSpec(**{**fields, **changes})


class FakeLoop:
    """Keeps the callbacks of the descriptors; a fake console calls them when it has output."""

    def __init__(self) -> None:
        self.callbacks: dict[int, Callable[[], None]] = {}

    def listen(self, fd: int, callback: Callable[[], None]) -> None:
        assert fd not in self.callbacks
        self.callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        self.callbacks.pop(fd, None)

    def listens(self, fd: int) -> bool:
        return fd in self.callbacks


class FakeConsole:
    """A console whose output and end the test controls."""

    def __init__(self, rig: Rig, log: Log) -> None:
        self.rig, self.log = rig, log
        self.pid, self.stdin, self.stdout, self.stderr = 4711, 1000, STDOUT, STDERR
        self.written: list[bytes] = []
        self.signals: list[int] = []
        self.pending: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}
        self.ended: Exit | None = None
        self.closed = False

    def say(self, data: bytes, fd: int = STDOUT) -> None:
        self.pending[fd].append(data)
        while self.pending[fd] and (callback := self.rig.loop.callbacks.get(fd)) is not None:
            callback()
        self.rig.settle()

    def answer(self, line: str, text: str) -> None:
        """Answer `line` at a model's pace, so that the end is proven."""
        self.say(f"<｜begin▁of▁sentence｜><｜User｜>{line}<｜Assistant｜><think>\n\n[Assistant] >>> ".encode())
        for piece in [*["well "] * 9, *re.findall(r"\S+\s*|\s+", text), f"{STATISTICS}{PROMPT.decode()}"]:
            self.rig.now += 0.01
            self.say(piece.encode())

    def die(self, ended: Exit) -> None:
        self.ended = ended
        self.rig.supervisor.on_child()
        self.rig.settle()

    def read(self, fd: int) -> bytes | None:
        return self.pending[fd].pop(0) if self.pending[fd] else None

    def write(self, data: bytes) -> bool:
        self.written.append(data)
        return True

    def signal(self, number: int) -> None:
        self.signals.append(number)

    def drain_stderr(self) -> None:
        while (data := self.read(STDERR)) is not None:
            self.log.feed(data)

    def session(self) -> list[int]:
        return []

    def reap(self) -> Exit | None:
        return self.ended

    def kill_orphans(self) -> list[int]:
        return []

    def close(self) -> None:
        self.closed = True


@dataclass
class FakePeer:
    """What a job's worker was told."""

    rig: Rig
    pid: int
    place: tuple[int, str] | None = None
    packets: list[Packet] = field(default_factory=list)
    reads: bool = True
    is_cut_off: bool = False

    def cut_off(self) -> None:
        self.is_cut_off = True

    def send(self, message: Message, fds: Sequence[int] = ()) -> bool:
        if self.reads:
            self.packets.append(to_packet(message))
        return self.reads

    def received(self, event: str) -> list[Packet]:
        return [packet for packet in self.packets if packet["event"] == event]

    @property
    def going(self) -> bool:
        return bool(self.received("start"))

    @property
    def error(self) -> str:
        """The code of the refusal, `exit` for a lost console, empty for none."""
        refused = self.received("refused")
        return RefusalCode(refused[0]["kind"]).value if refused else "exit" if self.received("exit") else ""


class Rig:
    """A keeper without its I/O. `now` is the clock."""

    def __init__(self, folder: Path, *, findings: Findings | None = None, **changes: Any) -> None:
        self.now = 1000.0
        self.loop = FakeLoop()
        self.consoles: list[FakeConsole] = []
        self.moves: list[Transition] = []
        self.spawn_error: OSError | None = None
        settings = launch(folder, **changes)
        self.code: Code = ()
        self.warnings: list[str] = []
        self.logged: list[str] = []
        self.spawned: list[LaunchSpec] = []
        #: Why a model's need does not fit, by its id.
        self.shortages: dict[str, str] = {}
        first, self.record = self._make_parts(settings)
        if findings is not None:
            self.record.save(findings)
        self.scheduler = Scheduler(
            settings,
            first,
            self.record,
            clock=lambda: self.now,
            log=self.logged.append,
            make_parts=self._make_parts,
            find_shortage=lambda launch, own: self.shortages.get(launch.model, ""),
        )
        self._numbers = 0
        self.settle()

    def _make_parts(self, settings: LaunchSpec) -> tuple[Supervisor, ConsoleRecord]:
        loop, spawn = cast(Loop, self.loop), cast(Any, self._spawn)
        supervisor = Supervisor(settings, [99], loop, clock=lambda: self.now, changed=self._changed, spawn=spawn)
        record = ConsoleRecord(settings, code_of=lambda launch, pid: self.code, warn=self.warnings.append)
        return supervisor, record

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of the model that has the console, or had it last."""
        return self.scheduler.supervisor

    def register(self, folder: Path, model: str, **changes: Any) -> str:
        """Register another model; return its launch's fingerprint."""
        settings = launch(folder, model=model, **changes)
        self.scheduler.registry.register(settings, newest=True)
        return settings.fingerprint

    def _changed(self, old: State, new: State, move: Transition) -> None:
        self.moves.append(move)
        self.scheduler.console_changed(old, new, move)

    def _spawn(self, settings: LaunchSpec, lock_fds: Sequence[int], log: Log) -> FakeConsole:
        if self.spawn_error is not None:
            raise self.spawn_error
        self.spawned.append(settings)
        self.consoles.append(FakeConsole(self, log))
        return self.consoles[-1]

    @property
    def console(self) -> FakeConsole:
        return self.consoles[-1]

    def state(self) -> State:
        """The state now: a call, because a type checker takes an attribute to stay what an assertion has found."""
        return self.supervisor.state

    def settle(self) -> None:
        state = None
        while state is not self.supervisor.state:
            state = self.supervisor.state
            self.scheduler.advance()

    def banner(self) -> None:
        """Let the console finish its load."""
        self.console.say(BANNER.encode() + PROMPT)

    def after(self, seconds: float) -> None:
        """Advance the clock and do what is due meanwhile."""
        end = self.now + seconds
        for _ in range(1000):
            due = [time for time in (self.supervisor.deadline(), self.scheduler.deadline()) if time is not None]
            self.now = min([max(self.now, min(due, default=end)), end])
            self.supervisor.tick()
            self.settle()
            if self.now >= end:
                return
        raise AssertionError("time does not pass: a deadline is always due")

    def gone(self, number: int = signal.SIGTERM) -> None:
        """Let the console end after its signal."""
        self.console.die(Exit(None, number))

    def join(self, *, arrived: float | None = None, pid: int | None = None, **fields: Any) -> Ticket[Any]:
        """Submit a job, by default of a worker of its own."""
        self._numbers += 1
        fields.setdefault("fingerprint", next(iter(self.scheduler.registry.models)))
        ticket: Ticket[Any] = Ticket(
            arrived=self.now if arrived is None else arrived,
            number=self._numbers,
            peer=FakePeer(self, self._numbers if pid is None else pid),
            id=f"job-{self._numbers}",
            **fields,
        )
        self.scheduler.join(ticket)
        self.settle()
        return ticket

    def finish(self, ticket: Ticket[Any], digest: str = "", tokens: int = 0, *, report: TurnReport = PROVEN) -> None:
        """Report that the job has read up to the prompt."""
        self.scheduler.finish(ticket, report, Cache(digest, tokens) if digest else UNKNOWN)
        self.settle()

    def remove(self, ticket: Ticket[Any]) -> None:
        """Report that the job's connection is closed."""
        self.scheduler.remove(ticket)
        self.settle()
