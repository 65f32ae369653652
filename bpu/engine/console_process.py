"""Starts, signals, reads and reaps one console process; makes no decisions.

The keeper's only thread, or the main thread of `doctor --probe`, must start it, because the parent-death signal comes
when the thread that forked ends.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bpu.board.pipes import can_write
from bpu.console.log_filter import is_library_line
from bpu.engine.launch_spec import LaunchSpec

LOG_LINES = 50
LOG_LINE_CHARS = 300
RELEVANT_LINES = 8
READ_BYTES = 64 * 1024
_TROUBLE = re.compile(r"^\[E\]|error|fail|cannot|corrupt|abort|unknown|invalid|No such", re.IGNORECASE)
_PR_SET_PDEATHSIG = 1
_MIB = 1 << 20


@dataclass(frozen=True)
class Exit:
    """How a process ended.

    It has an exit code, or the number of the signal that ended it.
    """

    code: int | None
    signal: int | None

    def __str__(self) -> str:
        if self.signal is None:
            return f"exit code {self.code}"
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return f"signal {self.signal}"


class Log:
    """Keeps the console's last log lines, cut to `LOG_LINE_CHARS`, without any text of a conversation.

    While the console loads, all of its lines are kept. After the first prompt a library may print the prompt to the
    error stream, so only lines with a library's own prefix are kept, and the others are counted.
    """

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=LOG_LINES)
        self.has_read_prompt = False
        self.omitted_lines = 0
        self._partial = b""

    def add(self, line: str) -> None:
        """Keep a whole line, cut to `LOG_LINE_CHARS`; blank ones are dropped."""
        if line.strip():
            self.lines.append(line.strip()[:LOG_LINE_CHARS])

    def feed(self, data: bytes) -> None:
        """Add bytes of the error stream; the length of an unfinished line is bounded."""
        *whole, rest = (self._partial + data).split(b"\n")
        for line in whole:
            self._add_raw(line)
        self._partial = rest[-4 * LOG_LINE_CHARS :]

    def relevant_lines(self, count: int = RELEVANT_LINES) -> list[str]:
        """Return the last lines that report trouble, else the last lines, for an error's message."""
        lines = list(self.lines)
        return [line for line in lines if _TROUBLE.search(line)][-count:] or lines[-count:]

    def flush(self) -> None:
        """Add the unfinished line, because nothing follows."""
        self._add_raw(self._partial)
        self._partial = b""

    def _add_raw(self, line: bytes) -> None:
        if not self.has_read_prompt or is_library_line(line):
            self.add(line.decode(errors="replace"))
        else:
            self.omitted_lines += 1


class Console:
    """A console process. `stdin`, `stdout` and `stderr` are non-blocking descriptors, open until `close`.

    The supervisor owns it in the keeper, or `Probe` in a command; their main thread runs all of it.
    """

    def __init__(
        self,
        launch: LaunchSpec,
        lock_fds: Sequence[int],
        log: Log,
        *,
        popen: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen,
    ) -> None:
        """Start the process, which inherits the locks, so that they are held while it lives.

        Raises OSError.
        """
        self.log = log
        self._popen = popen(
            [*wrapper(), *launch.argv],
            cwd=launch.cwd,
            env=launch.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            pass_fds=tuple(lock_fds),
            preexec_fn=None if shutil.which("setpriv") else death_with_parent(),
        )
        self.pid = self._popen.pid
        confine(self.pid, launch, log)
        self.stdin, self.stdout, self.stderr = (pipe.fileno() for pipe in self._pipes())
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)

    def signal(self, number: int) -> None:
        """Signal the process group.

        The console may be a wrapper script around the real program.
        """
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            # The group has ended, or only a zombie is left.
            self._popen.send_signal(number)

    def write(self, data: bytes) -> bool:
        """Write a short command; False when the pipe does not take all of it."""
        try:
            return os.write(self.stdin, data) == len(data)
        except OSError:
            return False

    def read(self, fd: int) -> bytes | None:
        """Read what is available on `fd`: None when nothing is, b"" at the end."""
        try:
            return os.read(fd, READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def drain_stderr(self, rounds: int = 16) -> None:
        """Take the last lines of an ended console.

        It does not wait for a grandchild that holds the pipe.
        """
        for _ in range(rounds):
            data = self.read(self.stderr)
            if not data:
                break
            self.log.feed(data)
        self.log.flush()

    def session(self, *, proc: Path = Path("/proc")) -> Iterator[int]:
        """Yield the pids of the console's session.

        They are its own, and those that a wrapper script started.
        """
        return (pid for pid in _pids(proc) if _session_of(proc / str(pid)) == self.pid)

    def reap(self) -> Exit | None:
        """Return how the process ended, or None while it runs."""
        code = self._popen.poll()
        if code is None:
            return None
        return Exit(None, -code) if code < 0 else Exit(code, None)

    def kill_orphans(self, *, proc: Path = Path("/proc")) -> list[int]:
        """Kill the processes that still hold the writing end of the console's output.

        Return their pids. A child with a session of its own survives the signal to the group and would keep the pipe
        open for ever. Only call this after `reap`.
        """
        inode = os.fstat(self.stdout).st_ino
        try:
            others = [pid for pid in _pids(proc) if pid != os.getpid()]
            orphans = [pid for pid in others if can_write(proc / str(pid), f"pipe:[{inode}]")]
        except OSError:
            return []  # no free descriptor; a remaining process still shows in the holders of the engine's lock
        for pid in orphans:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        return orphans

    def close(self) -> None:
        """Close the three pipes. It does not end the process."""
        for pipe in self._pipes():
            pipe.close()

    def _pipes(self) -> list[IO[bytes]]:
        pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        return [pipe for pipe in pipes if pipe is not None]


def wrapper() -> list[str]:
    """Return the command prefix that gives the console a parent-death signal and unbuffered C streams."""
    setpriv = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    return [*setpriv, "stdbuf", "-i0", "-o0", "-e0"]


def confine(
    pid: int, launch: LaunchSpec, log: Log, *, prlimit: Callable[..., tuple[int, int]] = resource.prlimit
) -> None:
    """Set the limits of `launch` on a process that has just started.

    Its children inherit them. They are set from outside, because no code may run between fork and exec. Memory is
    RLIMIT_DATA, private writable memory: RLIMIT_AS would also count the model, which lies in the BPU's pool and is
    mapped shared.
    """
    wanted = {resource.RLIMIT_CORE: launch.core_mb * _MIB}
    if launch.memory_mb:
        wanted[resource.RLIMIT_DATA] = launch.memory_mb * _MIB
    try:
        for kind, size in wanted.items():
            _, most = prlimit(pid, kind)
            # The service manager's limit is never exceeded.
            size = size if most == resource.RLIM_INFINITY else min(size, most)
            prlimit(pid, kind, (size, size))
    except ProcessLookupError:
        return  # it has ended already; `reap` reports how
    except OSError as error:
        log.add(f"[gateway] the console's limits on memory and core dumps could not be set: {error}")


def death_with_parent() -> Callable[[], None]:
    """Return a `preexec_fn` that replaces `setpriv --pdeathsig KILL` before util-linux 2.33."""
    import ctypes  # a megabyte that most keepers never need

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _session_of(process: Path) -> int:
    """Return the session id of `process`, a folder in /proc.

    0 if it cannot be read.
    """
    try:
        return int((process / "stat").read_bytes().rpartition(b")")[2].split()[3])
    except (OSError, IndexError, ValueError):
        return 0


def _pids(proc: Path) -> Iterator[int]:
    return (int(process.name) for process in proc.iterdir() if process.name.isdigit())
