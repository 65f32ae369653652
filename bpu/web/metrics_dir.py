"""The folder of all workers' metrics files, in memory instead of on the board's eMMC.

The master makes it before it forks workers and removes it on exit. Without room for it the gateway runs without shared
metrics. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tempfile
from collections.abc import Iterable
from pathlib import Path

#: Linux's file system in memory for all users.
SHARED_MEMORY = Path("/dev/shm")
#: Where prometheus-client looks for it.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
#: The files of a worker, as prometheus-client names and maps them, and more bytes than they ever need. Their pages are
#: allocated at once, because a missing page kills the process (SIGBUS) when the file system is full.
RESERVED = {"counter": 256 * 1024, "histogram": 64 * 1024}
_PREFIX = "bpu-metrics"
#: A file of prometheus-client begins with the number of its bytes that are in use.
_USED = struct.Struct("i")


def make_folder(state: Path, *, memory: Path = SHARED_MEMORY, mounts: Path = Path("/proc/self/mounts")) -> Path:
    """Make the folder of this process, or return it after a reload.

    It is in `state` if that is in memory, else in `memory`, else in `state`. Its name is random, so that no other user
    can have made it, or a link of that name, before. Folders of ended gateways are removed. Raises OSError.
    """
    own = f"{_PREFIX}-{os.getuid()}-{os.getpid()}-"
    kept = Path(os.environ.get(VARIABLE, "/"))
    if kept.name.startswith(own) and _is_ours(kept):
        return kept
    places = [place for place in (state, memory) if _in_memory(place, mounts) and os.access(place, os.W_OK)]
    parent = (places or [state])[0]
    for stale in parent.glob(f"{_PREFIX}-{os.getuid()}-*"):
        if _is_ours(stale) and (stale.name.startswith(own) or not _is_running(stale.name.split("-")[3])):
            shutil.rmtree(stale, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=own, dir=parent))


def remove_folder(folder: str) -> None:
    """Remove the folder with its files; a missing one is ignored."""
    shutil.rmtree(folder, ignore_errors=True)


def reserve(folder: Path, pid: int) -> None:
    """Make the files of the worker `pid`, their pages included.

    Raises OSError without room and removes them.
    """
    try:
        for kind, size in RESERVED.items():
            fd = os.open(_file(folder, kind, pid), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(fd, 0, size)
            finally:
                os.close(fd)
    except OSError:
        for kind in RESERVED:
            _file(folder, kind, pid).unlink(missing_ok=True)
        raise


def release(folder: Path, pid: int) -> None:
    """Truncate the files of an ended worker to the used size; its counts stay."""
    for kind in RESERVED:
        try:
            with _file(folder, kind, pid).open("r+b") as file:
                file.truncate(max(_USED.size, *_USED.unpack(file.read(_USED.size))))
        except (OSError, struct.error):
            continue


def _file(folder: Path, kind: str, pid: int) -> Path:
    return folder / f"{kind}_{pid}.db"


def _is_ours(path: Path) -> bool:
    """Whether `path` is a folder of this user, closed to others, and no link."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _in_memory(path: Path, mounts: Path) -> bool:
    """Whether `path` is on a file system in memory."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return False
    return _file_system_type(path.resolve(), lines) in ("tmpfs", "ramfs")


def _file_system_type(path: Path, lines: Iterable[list[str]]) -> str:
    around = [(words[1], words[2]) for words in lines if path.is_relative_to(words[1])]
    # The longest mount point is the innermost; of two mounts at one path the later one is visible.
    return max(enumerate(around), key=lambda item: (len(item[1][0]), item[0]), default=(0, ("", "")))[1][1]


def _is_running(pid: str) -> bool:
    return pid.isdigit() and Path("/proc", pid).exists()
