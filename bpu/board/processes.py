"""Reads processes from `/proc`, and which of them hold the BPU's memory. It changes nothing."""

from __future__ import annotations

import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bpu.board.readings import HEAPS_FOLDER, heap_rows, text_of

#: The module in the command line of a gateway's keeper.
KEEPER = "bpu.engine.keeper"


@dataclass(frozen=True)
class Process:
    """One process.

    `exe` is "" if only its owner or root may read it; `parent` is the parent's name.
    """

    pid: int
    name: str
    exe: str
    user: str
    parent_pid: int
    parent: str
    command: str
    terminal: bool

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid}, {self.user}, {self.parent} {self.parent_pid})"


@dataclass(frozen=True)
class Holder:
    """A process that holds memory of the BPU: bytes by heap."""

    process: Process
    heaps: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Bytes that the process holds in all heaps together."""
        return sum(self.heaps.values())


def pids(root: Path = Path("/")) -> list[int]:
    """List all process ids, ascending; empty without `/proc`."""
    try:
        return sorted(int(path.name) for path in (root / "proc").iterdir() if path.name.isdigit())
    except OSError:
        return []


def process(pid: int, root: Path = Path("/")) -> Process | None:
    """Read a process from `/proc`; None if it has ended."""
    folder = root / "proc" / str(pid)
    stat = text_of(folder / "stat")
    # The name is in brackets and may hold blanks and brackets itself.
    rest = stat.rpartition(")")[2].split()
    if len(rest) < 5:
        return None
    return Process(
        pid=pid,
        name=stat.partition("(")[2].rpartition(")")[0],
        exe=_exe(folder),
        user=_user(folder),
        parent_pid=int(rest[1]),
        parent=text_of(root / "proc" / rest[1] / "comm").strip(),
        command=text_of(folder / "cmdline").replace("\0", " ").strip(),
        terminal=int(rest[4]) > 0,
    )


def running(program: Path, root: Path = Path("/")) -> list[Process]:
    """List the processes of exactly this program file, whatever their names."""
    wanted = str(program.resolve())
    # Comparing the link is cheap, so only matching processes are read.
    found = [pid for pid in pids(root) if _exe(root / "proc" / str(pid)) == wanted]
    return [one for one in (process(pid, root) for pid in found) if one is not None]


def holders(root: Path = Path("/")) -> list[Holder] | None:
    """List the processes that hold memory by heap, largest first.

    Return None if only root may read it.
    """
    heaps = list(_heaps(root))
    if not heaps:
        return None
    taken: dict[int, dict[str, int]] = {}
    for heap in heaps:
        for _, pid, size in heap_rows(text_of(heap)):
            held = taken.setdefault(pid, {})
            held[heap.name] = held.get(heap.name, 0) + size
    found = [_holder(pid, held, root) for pid, held in taken.items()]
    return sorted((holder for holder in found if holder.total), key=lambda holder: -holder.total)


def is_serving(one: Process, root: Path = Path("/")) -> bool:
    """Whether the process is the console of a keeper."""
    parent = process(one.parent_pid, root)
    return parent is not None and KEEPER in parent.command


def socket_owner(inode: str, root: Path = Path("/")) -> Process | None:
    """Return the process that has this socket open; None if it is not visible."""
    wanted = f"socket:[{inode}]"
    pid = next((pid for pid in pids(root) if wanted in _links(root / "proc" / str(pid) / "fd")), None)
    return None if pid is None else process(pid, root)


def _holder(pid: int, heaps: Mapping[str, int], root: Path) -> Holder:
    gone = Process(pid, "?", "", "?", 0, "?", "", False)
    return Holder(process(pid, root) or gone, heaps)


def _heaps(root: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in (root / HEAPS_FOLDER).iterdir() if text_of(path))
    except OSError:
        return


def _exe(folder: Path) -> str:
    try:
        return str((folder / "exe").readlink())
    except OSError:
        return ""


def _links(folder: Path) -> set[str]:
    found = set()
    try:
        for path in folder.iterdir():
            found.add(str(path.readlink()))
    except OSError:
        pass
    return found


def _user(folder: Path) -> str:
    try:
        number = folder.stat().st_uid
    except OSError:
        return "?"
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
