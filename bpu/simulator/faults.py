"""Everything that a console can do wrong, each under a name, in a named phase. It knows no protocol beyond that.

A fault either ends or stops the process, or returns what it means for the turn.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from bpu.simulator import logs
from bpu.simulator.profiles import PROMPT

if TYPE_CHECKING:
    from bpu.simulator.stdio import Stdio

#: start: before the first word; load: before the banner; ready: after it; idle: waiting for a line; line: one has been
#: read; prefill: it has been echoed; decode: after n tokens; end: after the last one; reset: `reset` has been read.
PHASES = ("start", "load", "ready", "idle", "line", "prefill", "decode", "end", "reset")


class Outcome(Enum):
    GO_ON = "go on"
    NO_PROMPT = "the turn is over and no prompt follows"


class Fault(NamedTuple):
    """`after` is tokens in the phase decode, seconds in all others."""

    name: str
    value: str
    phase: str
    after: float


class Scene(NamedTuple):
    """What a fault may act on."""

    stdio: Stdio
    program: str
    hbm_path: str


def _leave(scene: Scene, code: int) -> None:
    scene.stdio.flush()
    os._exit(code)


def _die(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
    os.kill(os.getpid(), number)
    time.sleep(60)


def _exit(scene: Scene, value: str) -> None:
    _leave(scene, int(value or 1))


def _signal(scene: Scene, value: str) -> None:
    _die(int(value) if value.isdigit() else signal.Signals["SIG" + (value or "SEGV").upper().removeprefix("SIG")])


def run_error(scene: Scene, value: str) -> Outcome:
    scene.stdio.out("run error\n")
    if scene.program != "oellm_run":  # which does not flush it
        scene.stdio.flush()
    return Outcome.NO_PROMPT


def _mk_run_error(scene: Scene, value: str) -> Outcome:
    scene.stdio.out("\033[m\033[Krun error\n")
    scene.stdio.flush()
    return Outcome.NO_PROMPT


def _silent_error(scene: Scene, value: str) -> Outcome:
    return Outcome.NO_PROMPT


def _hang(scene: Scene, value: str) -> None:
    while True:
        time.sleep(3600)


def _spin(scene: Scene, value: str) -> None:
    while True:
        pass


def _ignore_term(scene: Scene, value: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _stderr_flood(scene: Scene, value: str) -> None:
    block = logs.log_line("Allocate memory failed, a task waits", scene.program).encode() * 512
    for _ in range(int(float(value or 100) * 1e6 / len(block)) + 1):
        scene.stdio.err(block)


def _endless(scene: Scene, value: str) -> None:
    while True:
        scene.stdio.out(" and so on")
        scene.stdio.flush()


def _grandchild(scene: Scene, value: str, *, session: bool = False) -> None:
    import subprocess

    subprocess.Popen(["sleep", str(float(value or 60))], start_new_session=session)


def _grandchild_session(scene: Scene, value: str) -> None:
    _grandchild(scene, value, session=True)


def _no_answer(scene: Scene, value: str) -> None:
    for line in logs.prefill_failed(scene.program):
        scene.stdio.err(line)
    _leave(scene, 0)


def _overflow(scene: Scene, value: str) -> None:
    scene.stdio.err("corrupted size vs. prev_size\n")
    _die(signal.SIGABRT)


def _no_memory(scene: Scene, value: str) -> None:
    for line in logs.no_memory_at_load(scene.program, scene.hbm_path):
        scene.stdio.err(line)
    scene.stdio.out(logs.INIT_FAILED)
    _leave(scene, 1)


def _no_memory_later(scene: Scene, value: str) -> None:
    for line in logs.no_memory_later(scene.program):
        scene.stdio.err(line)
    _die(signal.SIGSEGV)


def _hoard(scene: Scene, value: str) -> None:
    """Memory that is asked for and not touched: with no limit in the way it costs nothing."""
    try:
        bytearray(int(float(value or 1024)) << 20)
    except MemoryError:
        scene.stdio.err("terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n")
        _die(signal.SIGABRT)


def _missing_library(scene: Scene, value: str) -> None:
    name = value or "libxlm.so"
    scene.stdio.err(
        f"./bin/{scene.program}: error while loading shared libraries: {name}: "
        "cannot open shared object file: No such file or directory\n"
    )
    os._exit(127)


def _self_buffering(scene: Scene, value: str) -> None:
    scene.stdio.buffer_fully()


def _say(text: str) -> Callable[[Scene, str], None]:
    def say(scene: Scene, value: str) -> None:
        scene.stdio.out(text)
        scene.stdio.flush()

    return say


def _stray_log(scene: Scene, value: str) -> None:
    scene.stdio.out(logs.chatter(scene.program))
    scene.stdio.flush()


class _Kind(NamedTuple):
    phase: str
    after: float
    act: Callable[[Scene, str], Outcome | None]
    help: str


KINDS: dict[str, _Kind] = {
    "exit": _Kind("decode", 3, _exit, "exit with code VALUE (1)"),
    "signal": _Kind("decode", 3, _signal, "a signal to itself, VALUE is SEGV (default), ABRT, KILL, ..."),
    "run-error": _Kind("prefill", 0, run_error, "`run error` with no prompt after it"),
    "mkrun-error": _Kind("prefill", 0, _mk_run_error, "the same with colour bytes around it"),
    "silent-error": _Kind("line", 0, _silent_error, "an error that prints nothing: back to reading, no prompt"),
    "hang": _Kind("decode", 3, _hang, "silence for ever"),
    "spin": _Kind("decode", 3, _spin, "silence at 100 % of a processor"),
    "ignore-term": _Kind("start", 0, _ignore_term, "SIGTERM is ignored from then on"),
    "stderr-flood": _Kind("prefill", 0, _stderr_flood, "VALUE (100) MB of stderr, then on as if nothing was"),
    "endless": _Kind("decode", 3, _endless, "output without end"),
    "grandchild": _Kind("ready", 0, _grandchild, "a child that holds the pipes open for VALUE (60) seconds"),
    "grandchild-session": _Kind("ready", 0, _grandchild_session, "the same in a session of its own"),
    "no-answer": _Kind("prefill", 0, _no_answer, "exit 0 without an answer"),
    "overflow": _Kind("prefill", 0, _overflow, "`corrupted size vs. prev_size` and SIGABRT"),
    "hoard": _Kind("decode", 3, _hoard, "VALUE (1024) MB of main memory wanted; SIGABRT when they are refused"),
    "no-memory": _Kind("load", 0, _no_memory, "no contiguous memory at load, exit 1"),
    "no-memory-later": _Kind("prefill", 0, _no_memory_later, "an allocation fails after the load, SIGSEGV"),
    "load-failed": _Kind("load", 0, lambda s, v: _load_failed(s), "the model file is bad, exit 1"),
    "missing-library": _Kind("start", 0, _missing_library, "the loader's error, exit 127"),
    "template": _Kind("load", 0, lambda s, v: None, "the template cannot be read, as the profile has it"),
    "no-banner": _Kind("load", 0, _hang, "the banner never comes"),
    "deaf": _Kind("ready", 0, _hang, "after the banner stdin is never read"),
    "self-buffering": _Kind("start", 0, _self_buffering, "stdout is buffered by the program, stdbuf is without effect"),
    "stray": _Kind("idle", 0.2, _say("something nobody asked for\n"), "a stray line while idle"),
    "stray-part": _Kind("idle", 0.2, _say("something nobody"), "a part of a line while idle"),
    "stray-log": _Kind("idle", 0.2, _stray_log, "a whole log line while idle (harmless)"),
    "late-tokens": _Kind("idle", 0, _say(" and a few late tokens of the answer before"), "tokens after the prompt"),
    "early-prompt": _Kind("decode", 3, _say("\n" + PROMPT), "the prompt in the midst of an answer"),
    "bad-reset": _Kind("reset", 0, _say("cache cleared\n"), "`reset` prints something else than the prompt"),
}


def _load_failed(scene: Scene) -> None:
    for line in logs.load_failed(scene.program, scene.hbm_path):
        scene.stdio.err(line)
    scene.stdio.out(logs.INIT_FAILED)
    _leave(scene, 1)


def parse(text: str, after: float | None = None) -> Fault:
    """`NAME[=VALUE][@PHASE[:N]]` as a fault. Raises ValueError that says what is known."""
    what, _, where = text.partition("@")
    name, _, value = what.partition("=")
    phase, _, count = where.partition(":")
    if name not in KINDS:
        raise ValueError(f"no fault is called {name!r}; there are {', '.join(KINDS)}")
    kind = KINDS[name]
    if phase and phase not in PHASES:
        raise ValueError(f"no phase is called {phase!r}; there are {', '.join(PHASES)}")
    default = kind.after if phase in ("", kind.phase) else 0.0
    if after is None:
        after = float(count) if count else default
    return Fault(name, value, phase or kind.phase, after)


class Faults:
    """The faults of one process: those of the options, now and then, and those of a turn, once."""

    def __init__(self, always: Sequence[Fault], *, once: str = "", every: int = 1) -> None:
        self._always, self._once, self._every = always, once, max(1, every)
        self._turn: tuple[Fault, ...] = ()
        self._turns = 0

    def begin_turn(self, extra: Iterable[Fault] = ()) -> None:
        self._turns += 1
        self._turn = tuple(extra)

    def due(self, phase: str) -> list[Fault]:
        """The faults of `phase`, soonest first. Those of the turn are due once, so ask once a phase."""
        always = self._always if self._is_turn(phase) else ()
        chosen = [fault for fault in (*always, *self._turn) if fault.phase == phase]
        self._turn = tuple(fault for fault in self._turn if fault.phase != phase)
        return sorted(chosen, key=lambda fault: fault.after)

    def _is_turn(self, phase: str) -> bool:
        if self._every == 1 or phase in ("start", "load", "ready"):
            return True
        return self._turns > 0 and self._turns % self._every == 0

    def run(self, fault: Fault, scene: Scene) -> Outcome:
        """Let it happen, unless it was to happen once and has."""
        if fault in self._always and self._once and not _first(self._once):
            return Outcome.GO_ON
        return KINDS[fault.name].act(scene, fault.value) or Outcome.GO_ON


def _first(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True


def help_text() -> str:
    lines = [f"  {name:19} {kind.help} [{kind.phase}]" for name, kind in KINDS.items()]
    return (
        f"faults, NAME[=VALUE][@PHASE[:N]]; PHASE is {', '.join(PHASES)} (in brackets: the fault's own);\n"
        "N is tokens for decode and seconds for all others\n" + "\n".join(lines)
    )
