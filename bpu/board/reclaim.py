"""Takes memory back for the model: ends consoles that nobody owns any more, drops caches. It says first what it would.

A process is ended by its exact program file and through a descriptor of that very process, never by a name and never
by a number that may have been given to another meanwhile. A console that serves a gateway is never ended.
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

#: Processes that adopt orphans.
ADOPTERS = ("systemd", "init")
TERM_S, KILL_S = 3.0, 5.0
#: Memory of a killed process is given back by the kernel, but not at once.
SETTLE_S = 3.0


class Ownership(enum.Enum):
    """Whose a process is; the value is the key of its words."""

    SERVING = "serving"
    ORPHANED = "nobodys"
    OWNED = "somebodys"


@dataclass(frozen=True)
class Candidate:
    """A process that runs this runtime's console or holds memory of the BPU; `held` bytes, None where not known."""

    process: Process
    standing: Ownership
    held: int | None


def memory(root: Path = Path("/")) -> list[Reading]:
    """The rows of the table: RAM, CMA and the pools, each with `name`, `used` and `total`."""
    found: list[Reading] = readings(root)["memory"]
    return found


def candidates(console: Path | Collection[Path], root: Path = Path("/")) -> list[Candidate]:
    """All that could be ended, consoles first; `console` is the program, or those of all models."""
    programs = [console] if isinstance(console, Path) else console
    found = holders(root)
    held = {holder.process.pid: holder.total for holder in found or []}
    consoles = [
        Candidate(one, _standing(one, root), held.get(one.pid))
        for program in programs
        for one in running(program, root)
    ]
    known = {one.process.pid for one in consoles}
    return [*consoles, *(_other(holder, root) for holder in found or [] if holder.process.pid not in known)]


def chosen(found: Iterable[Candidate], wanted: Iterable[int]) -> list[Candidate]:
    """What is nobody's, and what was asked for by number. Raises `BoardError` for one that may not be ended."""
    by_pid = {one.process.pid: one for one in found}
    for pid in wanted:
        if pid not in by_pid:
            raise BoardError("reclaim.not_a_candidate", pid=pid)
        if by_pid[pid].standing is Ownership.SERVING:
            raise BoardError("reclaim.is_serving", pid=pid)
    asked = set(wanted)
    return [one for one in by_pid.values() if one.standing is Ownership.ORPHANED or one.process.pid in asked]


def end(one: Process, *, term_s: float = TERM_S, kill_s: float = KILL_S) -> bool:
    """End exactly this process, politely at first; False when it was gone already. Raises `BoardError`."""
    try:
        descriptor = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return False
    try:
        now = process(one.pid)
        if now is None or now.exe != one.exe:
            # The number belongs to another process by now.
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
    """Write everything out, then let the kernel forget its caches of files. Needs root; raises `BoardError`."""
    path = root / "proc/sys/vm/drop_caches"
    sync()
    try:
        path.write_text("3\n")
    except OSError as error:
        raise BoardError("reclaim.no_drop", path=path, reason=error.strerror or error) from None


def settled(
    root: Path = Path("/"),
    *,
    seconds: float = SETTLE_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Reading]:
    """The memory when two looks in a row have told the same pools, at the latest after `seconds`."""
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
    """All but RAM, which never stands still."""
    return [row for row in rows if row["name"] != "RAM"]


def _other(holder: Holder, root: Path) -> Candidate:
    standing = Ownership.SERVING if is_serving(holder.process, root) else Ownership.OWNED
    return Candidate(holder.process, standing, holder.total)


def _standing(one: Process, root: Path) -> Ownership:
    if is_serving(one, root):
        return Ownership.SERVING
    return Ownership.ORPHANED if _is_orphan(one) and _is_unheard(one, root) else Ownership.OWNED


def _is_orphan(one: Process) -> bool:
    return not one.terminal and (one.parent_pid == 1 or one.parent in ADOPTERS)


def _is_unheard(one: Process, root: Path) -> bool:
    """Whether no process can write to its input any more; one that /proc does not show counts as a writer."""
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
