"""Holds every fault of a console, each under a name and in a named phase.

A fault ends or stops the process, or returns what it means for the turn.
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

#: start: before the first output; load: before the banner; ready: after it; idle: waiting for a line; line: a line was
#: read; image: an image's line was read; prefill: the line was echoed; decode: after n tokens; end: after the last one;
#: reset: `reset` was read.
PHASES = ("start", "load", "ready", "idle", "line", "image", "prefill", "decode", "end", "reset")


class Outcome(Enum):
    """The effect of a fault on the turn, if the process survives it."""

    GO_ON = "go on"
    NO_PROMPT = "the turn is over and no prompt follows"


class Fault(NamedTuple):
    """One fault to come. `after` is tokens in the phase decode, seconds in all others."""

    name: str
    value: str
    phase: str
    after: float


class FaultContext(NamedTuple):
    """The arguments of a fault: the streams, and the names in log lines."""

    stdio: Stdio
    program: str
    hbm_path: str


def _exit_process(context: FaultContext, code: int) -> None:
    context.stdio.flush()
    os._exit(code)


def _kill_self(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
    os.kill(os.getpid(), number)
    time.sleep(60)


def _exit(context: FaultContext, value: str) -> None:
    _exit_process(context, int(value or 1))


def _signal(context: FaultContext, value: str) -> None:
    _kill_self(int(value) if value.isdigit() else signal.Signals["SIG" + (value or "SEGV").upper().removeprefix("SIG")])


def run_error(context: FaultContext, value: str) -> Outcome:
    context.stdio.out("run error\n")
    if context.program != "oellm_run":  # which does not flush it
        context.stdio.flush()
    return Outcome.NO_PROMPT


def _mk_run_error(context: FaultContext, value: str) -> Outcome:
    context.stdio.out("\033[m\033[Krun error\n")
    context.stdio.flush()
    return Outcome.NO_PROMPT


def _silent_error(context: FaultContext, value: str) -> Outcome:
    return Outcome.NO_PROMPT


def _hang(context: FaultContext, value: str) -> None:
    while True:
        time.sleep(3600)


def _spin(context: FaultContext, value: str) -> None:
    while True:
        pass


def _ignore_term(context: FaultContext, value: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _stderr_flood(context: FaultContext, value: str) -> None:
    block = logs.log_line("Allocate memory failed, a task waits", context.program).encode() * 512
    for _ in range(int(float(value or 100) * 1e6 / len(block)) + 1):
        context.stdio.err(block)


def _endless(context: FaultContext, value: str) -> None:
    while True:
        context.stdio.out(" and so on")
        context.stdio.flush()


def _grandchild(context: FaultContext, value: str, *, session: bool = False) -> None:
    import subprocess

    subprocess.Popen(["sleep", str(float(value or 60))], start_new_session=session)


def _grandchild_session(context: FaultContext, value: str) -> None:
    _grandchild(context, value, session=True)


def _no_answer(context: FaultContext, value: str) -> None:
    for line in logs.prefill_failed(context.program):
        context.stdio.err(line)
    _exit_process(context, 0)


def _overflow(context: FaultContext, value: str) -> None:
    context.stdio.err("corrupted size vs. prev_size\n")
    _kill_self(signal.SIGABRT)


def _no_memory(context: FaultContext, value: str) -> None:
    for line in logs.no_memory_at_load(context.program, context.hbm_path):
        context.stdio.err(line)
    context.stdio.out(logs.INIT_FAILED)
    _exit_process(context, 1)


def _no_memory_later(context: FaultContext, value: str) -> None:
    for line in logs.no_memory_later(context.program):
        context.stdio.err(line)
    _kill_self(signal.SIGSEGV)


def _hoard(context: FaultContext, value: str) -> None:
    """Ask for memory and leave it untouched, so that it costs nothing without a limit."""
    try:
        bytearray(int(float(value or 1024)) << 20)
    except MemoryError:
        context.stdio.err(
            "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
        )
        _kill_self(signal.SIGABRT)


def _missing_library(context: FaultContext, value: str) -> None:
    name = value or "libxlm.so"
    context.stdio.err(
        f"./bin/{context.program}: error while loading shared libraries: {name}: "
        "cannot open shared object file: No such file or directory\n"
    )
    os._exit(127)


def _self_buffering(context: FaultContext, value: str) -> None:
    context.stdio.buffer_fully()


def _print(text: str) -> Callable[[FaultContext, str], None]:
    def act(context: FaultContext, value: str) -> None:
        context.stdio.out(text)
        context.stdio.flush()

    return act


def _stray_log(context: FaultContext, value: str) -> None:
    context.stdio.out(logs.chatter(context.program))
    context.stdio.flush()


def _image_abort(context: FaultContext, value: str) -> None:
    context.stdio.err(
        "terminate called after throwing an instance of 'std::out_of_range'\n  what():  basic_string::substr: __pos "
        "(which is 7) > this->size() (which is 6)\n"
    )
    _kill_self(signal.SIGABRT)


class FaultKind(NamedTuple):
    """One kind of fault: phase, delay, action, and line of `--help`."""

    phase: str
    after: float
    act: Callable[[FaultContext, str], Outcome | None]
    help: str


KINDS: dict[str, FaultKind] = {
    "exit": FaultKind("decode", 3, _exit, "exit with code VALUE (1)"),
    "signal": FaultKind("decode", 3, _signal, "a signal to itself, VALUE is SEGV (default), ABRT, KILL, ..."),
    "run-error": FaultKind("prefill", 0, run_error, "`run error` with no prompt after it"),
    "mkrun-error": FaultKind("prefill", 0, _mk_run_error, "the same with colour bytes around it"),
    "silent-error": FaultKind("line", 0, _silent_error, "an error that prints nothing: back to reading, no prompt"),
    "hang": FaultKind("decode", 3, _hang, "silence for ever"),
    "spin": FaultKind("decode", 3, _spin, "silence at 100 % of a processor"),
    "ignore-term": FaultKind("start", 0, _ignore_term, "SIGTERM is ignored from then on"),
    "stderr-flood": FaultKind("prefill", 0, _stderr_flood, "VALUE (100) MB of stderr, then the turn goes on"),
    "endless": FaultKind("decode", 3, _endless, "output without end"),
    "grandchild": FaultKind("ready", 0, _grandchild, "a child that holds the pipes open for VALUE (60) seconds"),
    "grandchild-session": FaultKind("ready", 0, _grandchild_session, "the same in a session of its own"),
    "image-unreadable": FaultKind("image", 0, lambda s, v: None, "no image file can be read"),
    "image-no-prompt": FaultKind("image", 0, _silent_error, "no prompt after the line of an image"),
    "image-abort": FaultKind("image", 0, _image_abort, "an exception that is not caught: SIGABRT"),
    "no-answer": FaultKind("prefill", 0, _no_answer, "exit 0 without an answer"),
    "overflow": FaultKind("prefill", 0, _overflow, "`corrupted size vs. prev_size` and SIGABRT"),
    "hoard": FaultKind("decode", 3, _hoard, "asks for VALUE (1024) MB of memory; SIGABRT if refused"),
    "no-memory": FaultKind("load", 0, _no_memory, "no contiguous memory at load, exit 1"),
    "no-memory-later": FaultKind("prefill", 0, _no_memory_later, "an allocation fails after the load, SIGSEGV"),
    "load-failed": FaultKind("load", 0, lambda s, v: _load_failed(s), "the model file is bad, exit 1"),
    "missing-library": FaultKind("start", 0, _missing_library, "the loader's error, exit 127"),
    "template": FaultKind("load", 0, lambda s, v: None, "the template cannot be read, as the profile has it"),
    "no-banner": FaultKind("load", 0, _hang, "the banner never comes"),
    "deaf": FaultKind("ready", 0, _hang, "after the banner stdin is never read"),
    "self-buffering": FaultKind(
        "start", 0, _self_buffering, "stdout is buffered by the program, stdbuf is without effect"
    ),
    "stray": FaultKind("idle", 0.2, _print("something nobody asked for\n"), "a stray line while idle"),
    "stray-part": FaultKind("idle", 0.2, _print("something nobody"), "a part of a line while idle"),
    "stray-log": FaultKind("idle", 0.2, _stray_log, "a whole log line while idle (harmless)"),
    "late-tokens": FaultKind(
        "idle", 0, _print(" and a few late tokens of the answer before"), "tokens after the prompt"
    ),
    "early-prompt": FaultKind("decode", 3, _print("\n" + PROMPT), "the prompt within an answer"),
    "bad-reset": FaultKind("reset", 0, _print("cache cleared\n"), "`reset` prints something else than the prompt"),
}


def _load_failed(context: FaultContext) -> None:
    for line in logs.load_failed(context.program, context.hbm_path):
        context.stdio.err(line)
    context.stdio.out(logs.INIT_FAILED)
    _exit_process(context, 1)


def parse(text: str, after: float | None = None) -> Fault:
    """Read `NAME[=VALUE][@PHASE[:N]]`. Raises ValueError, which lists the names there are."""
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
    """The faults of one process: those of its options and those of a turn."""

    def __init__(self, always: Sequence[Fault], *, once: str = "", every: int = 1) -> None:
        self._always, self._once, self._every = always, once, max(1, every)
        self._turn: tuple[Fault, ...] = ()
        self._turns = 0

    def begin_turn(self, extra: Iterable[Fault] = ()) -> None:
        """Begin the next turn; `extra` are the faults that its own line asks for."""
        self._turns += 1
        self._turn = tuple(extra)

    def due(self, phase: str) -> list[Fault]:
        """Take the faults of `phase`, soonest first.

        Call it once a phase, because it removes those of the turn.
        """
        always = self._always if self._is_due_turn(phase) else ()
        chosen = [fault for fault in (*always, *self._turn) if fault.phase == phase]
        self._turn = tuple(fault for fault in self._turn if fault.phase != phase)
        return sorted(chosen, key=lambda fault: fault.after)

    def _is_due_turn(self, phase: str) -> bool:
        if self._every == 1 or phase in ("start", "load", "ready"):
            return True
        return self._turns > 0 and self._turns % self._every == 0

    def run(self, fault: Fault, context: FaultContext) -> Outcome:
        """Run the fault, unless the option `--fault-once` allows one run and it is over."""
        if fault in self._always and self._once and not _create_exclusively(self._once):
            return Outcome.GO_ON
        return KINDS[fault.name].act(context, fault.value) or Outcome.GO_ON


def _create_exclusively(path: str) -> bool:
    """Create the file; False if another process, or an earlier fault, has created it."""
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
