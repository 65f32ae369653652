"""Locks files with `flock`.

The console's lock means "a model is loaded", the slot's "a job runs on the BPU". A lock is freed by closing the
descriptor, never by `LOCK_UN`, which would also free it for a child that inherited the descriptor. Each lock opens the
file anew, because holders of one open file share its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

SLOT_NAME = "slot.lock"
_MODE = 0o640


class FileLock:
    """An exclusive lock, held until `close` or until the process ends.

    The keeper holds locks in its one thread, a worker in the greenlets of its jobs, a command in its main thread.
    `close` may be called twice.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Close the file, which frees the lock unless a child has inherited it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def try_lock(path: str | Path, *, create: bool = False) -> FileLock | None:
    """Lock `path` without waiting; None when another process holds it.

    Opens read-only, so that any user can. `create` makes a missing file and its folder, in case the state folder was
    deleted.
    """
    fd = _open(path, create)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return FileLock(fd)


def is_lockable(path: Path) -> bool:
    """Whether `try_lock(path, create=True)` could open the file now, even if its lock is held."""
    try:
        os.close(_open(path, create=True))
    except OSError:
        return False
    return True


def _open(path: str | Path, create: bool) -> int:
    # Without O_NONBLOCK a FIFO in the place of the file would stop the process.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        return os.open(path, flags, _MODE)
    except FileNotFoundError:
        if not create:
            raise
    Path(path).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    return os.open(path, flags, _MODE)


def abandon_slot(folder: Path) -> None:
    """Replace the slot's file in `folder`, so that a stuck worker blocks no job.

    The new file is the keeper's: one that the next job makes could be root's, which jobs of the keeper's user cannot
    open. It is never missing, so no job makes one meanwhile; a job that locks the old one has lost its console.
    """
    new = folder / f".{SLOT_NAME}.new"
    with contextlib.suppress(OSError):
        new.unlink(missing_ok=True)
        os.mknod(new, _MODE)  # needs no free descriptor
        new.replace(folder / SLOT_NAME)


def holders(path: Path, *, locks: Path = Path("/proc/locks")) -> list[int]:
    """Return the pids that hold a lock on `path`, from the kernel's table."""
    status = path.stat()
    name = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    return [pid for inode, pid in _table(locks) if inode == name and pid > 0]


def _table(locks: Path) -> Iterator[tuple[str, int]]:
    try:
        lines = locks.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if "->" not in words and len(words) >= 6:
            yield words[5], int(words[4])


def describe(pid: int) -> str:
    """Describe a process for a message.

    `pid 12 of user root (python3 -S -m ...)`, as far as it can be read.
    """
    process = Path(f"/proc/{pid}")
    try:
        user = pwd.getpwuid(process.stat().st_uid).pw_name
        words = process.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, KeyError):
        return f"pid {pid}"
    return f"pid {pid} of user {user} ({' '.join(words).strip()[:200]})"
