"""Finds and ends orphans: console processes whose keeper is dead.

They keep the model in memory. A parent-death signal reaches only the keeper's own child. A console that a wrapper
script started survives a killed keeper, with the engine's lock, or without it where the wrapper closes inherited
descriptors, as Python's `subprocess` does. So a keeper saves the processes of its console, and the next one ends those
that still run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bpu.engine.console_record import read_record, write_private

#: Seconds to wait after SIGTERM and after SIGKILL.
TERM_S = 1.0
KILL_S = 4.0
_POLL_S = 0.02
_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys" / "kernel" / "random" / "boot_id"
#: The file in the state folder that holds the processes of the last console.
RECORD_NAME = "console.json"


@dataclass(frozen=True)
class Process:
    """One process, identified by pid and start time.

    A recycled pid is another process.
    """

    pid: int
    started: int
    session: int

    @property
    def is_alive(self) -> bool:
        """Whether this process, and not a later one with its pid, runs."""
        return read_process(self.pid) == self

    def signal(self, number: int) -> None:
        """Send the signal `number`, unless the process has ended."""
        if self.is_alive:
            try:
                os.kill(self.pid, number)
            except OSError:
                return  # it has just ended


@dataclass(frozen=True)
class LockHolder:
    """A process with a descriptor of the lock, and the pid that took it."""

    process: Process
    taker_pid: int


def read_process(pid: int) -> Process | None:
    """Read the process `pid` from `/proc`; None when it has ended or is a zombie."""
    fields = _stat_fields(pid)
    return None if len(fields) < 20 or fields[0] in "ZX" else Process(pid, int(fields[19]), int(fields[3]))


def _stat_fields(pid: int) -> list[str]:
    """Return the fields of `/proc/PID/stat` from the state on; none when the process has ended."""
    try:
        # The name in parentheses may hold anything, even parentheses.
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def save_console(folder: Path, pid: int) -> None:
    """Save the process `pid` and all its descendants in `folder`.

    Without room for them the console runs on.
    """
    parents = {one: int(fields[1]) for one in _pids() if (fields := _stat_fields(one))}
    family = {pid}
    while more := {one for one, parent in parents.items() if parent in family} - family:
        family |= more
    processes = [asdict(process) for one in sorted(family) if (process := read_process(one)) is not None]
    with contextlib.suppress(OSError):
        write_private(folder / RECORD_NAME, json.dumps({"boot": _BOOT_ID.read_text(), "processes": processes}))


def saved_console(folder: Path) -> list[Process]:
    """List this user's processes that the last keeper of `folder` saved and that still run."""
    record = read_record(folder / RECORD_NAME)
    try:
        if record["boot"] != _BOOT_ID.read_text():
            return []
        saved = [Process(**one) for one in record["processes"]]
    except (OSError, TypeError, KeyError):
        return []
    return [one for one in saved if type(one.pid) is int and one.is_alive and _is_own(one.pid)]


def lock_holders(path: Path) -> list[LockHolder]:
    """List the processes that hold the `flock` on `path`.

    It lists only those whose descriptors this user may read. `/proc/locks` names only the process that has taken the
    lock; its children inherit the lock with the descriptor.
    """
    try:
        file = path.stat()
    except OSError:
        return []
    return [holder for pid in _pids() if (holder := _as_holder(pid, file)) is not None]


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _as_holder(pid: int, file: os.stat_result) -> LockHolder | None:
    process = read_process(pid)
    if process is None:
        return None
    try:
        for fd in (_PROC / str(pid) / "fd").iterdir():
            if os.path.samestat(fd.stat(), file) and (taker_pid := _lock_taker(pid, fd.name)) is not None:
                return LockHolder(process, taker_pid)
    except OSError:
        return None  # another user's process, or one that has just ended
    return None


def _lock_taker(pid: int, fd: str) -> int | None:
    """The pid that has taken the `flock` of this descriptor.

    It is None when the descriptor holds none.
    """
    for line in (_PROC / str(pid) / "fdinfo" / fd).read_text().splitlines():
        words = line.split()
        if words[:1] == ["lock:"] and "FLOCK" in words and len(words) >= 8:
            return int(words[5])
    return None


def orphans_of(path: Path) -> list[Process]:
    """List this user's processes that hold the lock of a dead keeper.

    They inherited the lock on `path`. Their sessions are listed too. The holders are orphans only when the process that
    took the lock is no longer one of them. A program that locks the file itself, or a living keeper with its console,
    is never listed.
    """
    holders = lock_holders(path)
    if not holders or {holder.taker_pid for holder in holders} & {holder.process.pid for holder in holders}:
        return []
    own_session = os.getsid(0)
    sessions = {holder.process.session for holder in holders} - {own_session}
    members = (process for pid in _pids() if _is_own(pid) and (process := read_process(pid)) is not None)
    held = {holder.process for holder in holders if holder.process.session != own_session}
    return [*held, *(member for member in members if member.session in sessions and member not in held)]


def _is_own(pid: int) -> bool:
    try:
        return (_PROC / str(pid)).stat().st_uid == os.getuid()
    except OSError:
        return False


def end_orphans(path: Path, *, sleep: Callable[[float], None] = time.sleep) -> list[int]:
    """End the orphans that hold the lock on `path`; return their pids."""
    return end_processes(lambda: orphans_of(path), sleep=sleep)


def end_processes(find: Callable[[], Iterable[Process]], *, sleep: Callable[[float], None] = time.sleep) -> list[int]:
    """End the processes that `find` returns, by SIGTERM, then SIGKILL; return their pids."""
    processes: set[Process] = set()
    for number, seconds in ((signal.SIGTERM, TERM_S), (signal.SIGKILL, KILL_S)):
        processes |= set(find())
        for process in processes:
            process.signal(number)
        deadline = time.monotonic() + seconds
        while any(process.is_alive for process in processes) and time.monotonic() < deadline:
            sleep(_POLL_S)
    return sorted(process.pid for process in processes)
