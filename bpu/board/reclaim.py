"""Frees memory for the model: ends orphaned consoles and drops caches.

A process is matched by its exact program file and signalled through its pidfd, because a name may be shared and a pid
reused. A console that serves a gateway is never ended.
"""

from __future__ import annotations

import enum
import os
import select
import signal
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from bpu.board.errors import BoardError
from bpu.board.pipes import can_write
from bpu.board.processes import Holder, Process, holders, is_serving, pids, process, running
from bpu.board.readings import Reading, readings
from bpu.messages import os_reason

#: Processes that adopt orphans.
ADOPTERS = ("systemd", "init")
TERM_S, KILL_S = 3.0, 5.0
#: The kernel frees the memory of a killed process with a delay.
STABLE_TIMEOUT_S = 3.0


class Ownership(enum.Enum):
    """Whether a process is in use; the value is the key of its message."""

    SERVING = "serving"
    ORPHANED = "orphaned"
    OWNED = "owned"


@dataclass(frozen=True)
class Candidate:
    """A process that runs this runtime's console or holds BPU memory.

    `held` are its bytes of BPU memory, None if unknown.
    """

    process: Process
    ownership: Ownership
    held: int | None


def memory(root: Path = Path("/")) -> list[Reading]:
    """Read the rows of the table.

    They are RAM, CMA and the pools, each with `name`, `used` and `total`.
    """
    found: list[Reading] = readings(root)["memory"]
    return found


def candidates(console: Path | Collection[Path], root: Path = Path("/")) -> list[Candidate]:
    """List the processes that could be ended, consoles first; `console` is one program or several."""
    programs = [console] if isinstance(console, Path) else console
    found = holders(root)
    held = {holder.process.pid: holder.total for holder in found or []}
    consoles = [
        Candidate(one, _ownership(one, root), held.get(one.pid))
        for program in programs
        for one in running(program, root)
    ]
    known = {one.process.pid for one in consoles}
    return [*consoles, *(_other(holder, root) for holder in found or [] if holder.process.pid not in known)]


def choose(found: Iterable[Candidate], wanted: Iterable[int]) -> list[Candidate]:
    """Choose orphans and the processes in `wanted` (pids).

    Raises `BoardError` for one that may not be ended.
    """
    by_pid = {one.process.pid: one for one in found}
    for pid in wanted:
        if pid not in by_pid:
            raise BoardError("reclaim.not_a_candidate", pid=pid)
        if by_pid[pid].ownership is Ownership.SERVING:
            raise BoardError("reclaim.is_serving", pid=pid)
    asked = set(wanted)
    return [one for one in by_pid.values() if one.ownership is Ownership.ORPHANED or one.process.pid in asked]


def end_process(one: Process, *, term_s: float = TERM_S, kill_s: float = KILL_S) -> bool:
    """End exactly this process by SIGTERM, then SIGKILL; False if it had ended. Raises `BoardError`."""
    try:
        descriptor = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return False
    try:
        now = process(one.pid)
        if now is None or now.exe != one.exe:
            # The pid now belongs to another process.
            return False
        for number, seconds in ((signal.SIGTERM, term_s), (signal.SIGKILL, kill_s)):
            signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], seconds)[0]:
                return True
    except ProcessLookupError:
        return True
    except PermissionError:
        raise BoardError("reclaim.not_yours", pid=one.pid, user=one.user) from None
    finally:
        os.close(descriptor)
    raise BoardError("reclaim.unkillable", pid=one.pid)


def drop_caches(root: Path = Path("/"), *, sync: Callable[[], None] = os.sync) -> None:
    """Write all dirty pages, then drop the kernel's file caches. Needs root; raises `BoardError`."""
    path = root / "proc/sys/vm/drop_caches"
    sync()
    try:
        path.write_text("3\n")
    except OSError as error:
        raise BoardError("reclaim.no_drop", path=path, reason=os_reason(error)) from None


def wait_until_stable(
    root: Path = Path("/"),
    *,
    seconds: float = STABLE_TIMEOUT_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Reading]:
    """Read the memory until two readings of the pools are equal, at most for `seconds`."""
    end_at = clock() + seconds
    last = memory(root)
    while clock() < end_at:
        sleep(0.2)
        now = memory(root)
        if _pools(now) == _pools(last):
            return now
        last = now
    return last


def _pools(rows: list[Reading]) -> list[Reading]:
    """Return all rows but RAM, which always changes."""
    return [row for row in rows if row["name"] != "RAM"]


def _other(holder: Holder, root: Path) -> Candidate:
    ownership = Ownership.SERVING if is_serving(holder.process, root) else Ownership.OWNED
    return Candidate(holder.process, ownership, holder.total)


def _ownership(one: Process, root: Path) -> Ownership:
    if is_serving(one, root):
        return Ownership.SERVING
    return Ownership.ORPHANED if _is_orphan(one) and _has_no_writer(one, root) else Ownership.OWNED


def _is_orphan(one: Process) -> bool:
    return not one.terminal and (one.parent_pid == 1 or one.parent in ADOPTERS)


def _has_no_writer(one: Process, root: Path) -> bool:
    """Whether no process can write to its stdin any more.

    One that /proc does not show counts as a writer.
    """
    source = _link(root / "proc" / str(one.pid) / "fd" / "0")
    if source == "/dev/null" or source.endswith("(deleted)"):
        return True
    if not source.startswith("pipe:"):
        return False
    return all(can_write(root / "proc" / str(pid), source) is False for pid in pids(root) if pid != one.pid)


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
