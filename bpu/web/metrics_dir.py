"""The folder in which the workers of one gateway keep their shares of the metrics: in memory, not on the board's eMMC.

The master makes it before there are workers and removes it when it leaves. Metrics are an aside: where there is no
room for them the gateway goes on without. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tempfile
from collections.abc import Iterable
from pathlib import Path

#: Where Linux keeps files in memory, for everybody.
SHARED_MEMORY = Path("/dev/shm")
#: Where prometheus-client looks for it.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
#: The files of a worker, as prometheus-client names and maps them, and more bytes than ours ever grow to. A mapped
#: file whose pages are not there yet kills its process (SIGBUS) when the file system is full by then.
RESERVED = {"counter": 256 * 1024, "histogram": 64 * 1024}
_PREFIX = "bpu-metrics"
#: A file of prometheus-client begins with the number of its bytes that are in use.
_USED = struct.Struct("i")


def make_folder(state: Path, *, memory: Path = SHARED_MEMORY, mounts: Path = Path("/proc/self/mounts")) -> Path:
    """The folder of this process, the same after a reload: in `state` if that is in memory, else in `memory`, else in
    `state`. Its name cannot be foreseen, so nobody else can have made it, or a link of that name, before.

    Folders of gateways that are no more are removed. Raises OSError when none can be made.
    """
    own = f"{_PREFIX}-{os.getuid()}-{os.getpid()}-"
    kept = Path(os.environ.get(VARIABLE, "/"))
    if kept.name.startswith(own) and _is_ours(kept):
        return kept
    places = [place for place in (state, memory) if _in_memory(place, mounts) and os.access(place, os.W_OK)]
    parent = (places or [state])[0]
    for stale in parent.glob(f"{_PREFIX}-{os.getuid()}-*"):
        if _is_ours(stale) and (stale.name.startswith(own) or not _lives(stale.name.split("-")[3])):
            shutil.rmtree(stale, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=own, dir=parent))


def remove_folder(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def reserve(folder: Path, pid: int) -> None:
    """Make the files of the worker `pid`, their pages included. Raises OSError, with none of them left, for want of
    room."""
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
    """Give back what a worker that has ended did not use of its files; what it counted stays."""
    for kind in RESERVED:
        try:
            with _file(folder, kind, pid).open("r+b") as file:
                file.truncate(max(_USED.size, *_USED.unpack(file.read(_USED.size))))
        except (OSError, struct.error):
            continue


def _file(folder: Path, kind: str, pid: int) -> Path:
    return folder / f"{kind}_{pid}.db"


def _is_ours(path: Path) -> bool:
    """Whether `path` is a folder, not a link, of this user, that nobody else can enter."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _in_memory(path: Path, mounts: Path) -> bool:
    """Whether the file system that `path` lies in is one of memory alone."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return False
    return _kind(path.resolve(), lines) in ("tmpfs", "ramfs")


def _kind(path: Path, lines: Iterable[list[str]]) -> str:
    around = [(words[1], words[2]) for words in lines if path.is_relative_to(words[1])]
    # The longest is the innermost; of two mounts at one place the later one is seen.
    return max(enumerate(around), key=lambda item: (len(item[1][0]), item[0]), default=(0, ("", "")))[1][1]


def _lives(pid: str) -> bool:
    return pid.isdigit() and Path("/proc", pid).exists()
