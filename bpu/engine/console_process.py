"""One console process: how it is started, signalled, listened to and reaped. It decides nothing.

It is started by the keeper's only thread, because a parent-death signal belongs to the thread that forked.
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
TELLING_LINES = 8
READ_BYTES = 64 * 1024
_TROUBLE = re.compile(r"^\[E\]|error|fail|cannot|corrupt|abort|unknown|invalid|No such", re.IGNORECASE)
_PR_SET_PDEATHSIG = 1
_MIB = 1 << 20


@dataclass(frozen=True)
class Exit:
    """How a process ended: its exit code, or the number of the signal that ended it."""

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
    """The last lines a console wrote that are nobody's words, cut to a sensible length.

    While it loads these are all of its lines. Once it has been sent a person's line, a library may print that to the
    error stream: then only lines with a library's own head are kept, and the others are counted.
    """

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=LOG_LINES)
        self.has_read_words = False
        self.left_out = 0
        self._partial = b""

    def add(self, line: str) -> None:
        if line.strip():
            self.lines.append(line.strip()[:LOG_LINE_CHARS])

    def feed(self, data: bytes) -> None:
        """Bytes of the error stream; a line without an end is bounded."""
        *whole, rest = (self._partial + data).split(b"\n")
        for line in whole:
            self._add_raw(line)
        self._partial = rest[-4 * LOG_LINE_CHARS :]

    def telling(self, count: int = TELLING_LINES) -> list[str]:
        """The last lines that speak of trouble, or simply the last ones: what belongs into an error's message."""
        lines = list(self.lines)
        return [line for line in lines if _TROUBLE.search(line)][-count:] or lines[-count:]

    def flush(self) -> None:
        self._add_raw(self._partial)
        self._partial = b""

    def _add_raw(self, line: bytes) -> None:
        if not self.has_read_words or is_library_line(line):
            self.add(line.decode(errors="replace"))
        else:
            self.left_out += 1


class Console:
    """A started console. `stdin`, `stdout` and `stderr` are non-blocking descriptors that live until `close`."""

    def __init__(
        self,
        launch: LaunchSpec,
        lock_fds: Sequence[int],
        log: Log,
        *,
        popen: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen,
    ) -> None:
        """Start it; raises OSError when it cannot be run. It inherits the locks: while it lives, so do they."""
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
        """Signal the whole group: a console may be a wrapper around the real one."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            # The group is gone, or only a zombie is left of it.
            self._popen.send_signal(number)

    def write(self, data: bytes) -> bool:
        """Write a short command whole; False when the console does not take it."""
        try:
            return os.write(self.stdin, data) == len(data)
        except OSError:
            return False

    def read(self, fd: int) -> bytes | None:
        """What has come on `fd`: None for nothing yet, b"" at the end."""
        try:
            return os.read(fd, READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def drain_stderr(self, rounds: int = 16) -> None:
        """Take the last lines of a dying console, without waiting for a grandchild that holds the pipe."""
        for _ in range(rounds):
            data = self.read(self.stderr)
            if not data:
                break
            self.log.feed(data)
        self.log.flush()

    def session(self, *, proc: Path = Path("/proc")) -> Iterator[int]:
        """The processes of the session that was made for it: itself, and what a wrapper has started."""
        return (pid for pid in _pids(proc) if _session_of(proc / str(pid)) == self.pid)

    def reap(self) -> Exit | None:
        """How it ended, or None while it lives."""
        code = self._popen.poll()
        if code is None:
            return None
        return Exit(None, -code) if code < 0 else Exit(code, None)

    def kill_heirs(self, *, proc: Path = Path("/proc")) -> list[int]:
        """Kill whatever still holds the writing end of the console's output: a child it left behind.

        A child with a session of its own survives the signal to the group and would keep the pipe open for ever.
        Only call this after `reap`. Returns the pids killed.
        """
        inode = os.fstat(self.stdout).st_ino
        try:
            heirs = [pid for pid in _pids(proc) if pid != os.getpid() and can_write(proc / str(pid), f"pipe:[{inode}]")]
        except OSError:
            return []  # no free descriptor to look with; the engine's lock still shows who is left
        for pid in heirs:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        return heirs

    def close(self) -> None:
        for pipe in self._pipes():
            pipe.close()

    def _pipes(self) -> list[IO[bytes]]:
        pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        return [pipe for pipe in pipes if pipe is not None]


def wrapper() -> list[str]:
    """What stands before the console: death with its parent, and unbuffered C streams."""
    setpriv = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    return [*setpriv, "stdbuf", "-i0", "-o0", "-e0"]


def confine(
    pid: int, launch: LaunchSpec, log: Log, *, prlimit: Callable[..., tuple[int, int]] = resource.prlimit
) -> None:
    """Put the limits of `launch` on a process that has just been started, and so on all that it will start.

    From outside, as nothing may run between fork and exec, and before it is sent the first line. Memory is
    RLIMIT_DATA: private memory that can be written. RLIMIT_AS would count the model too, which lies in the BPU's pool
    and is mapped shared, as device memory is.
    """
    wanted = {resource.RLIMIT_CORE: launch.core_mb * _MIB}
    if launch.memory_mb:
        wanted[resource.RLIMIT_DATA] = launch.memory_mb * _MIB
    try:
        for kind, size in wanted.items():
            _, most = prlimit(pid, kind)
            # What the service manager allows is never exceeded.
            size = size if most == resource.RLIM_INFINITY else min(size, most)
            prlimit(pid, kind, (size, size))
    except ProcessLookupError:
        return  # it has ended already: whoever reaps it says why
    except OSError as error:
        log.add(f"[gateway] the console's limits on memory and core dumps could not be set: {error}")


def death_with_parent() -> Callable[[], None]:
    """What `setpriv --pdeathsig KILL` does, for systems without it (util-linux before 2.33)."""
    import ctypes  # a megabyte that most keepers never need

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _session_of(process: Path) -> int:
    """The session of `process`, its folder in /proc; 0 where it cannot be read."""
    try:
        return int((process / "stat").read_bytes().rpartition(b")")[2].split()[3])
    except (OSError, IndexError, ValueError):
        return 0


def _pids(proc: Path) -> Iterator[int]:
    return (int(process.name) for process in proc.iterdir() if process.name.isdigit())
