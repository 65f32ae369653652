"""The folder in which the workers of one gateway keep their shares of the metrics: in memory, not on the board's eMMC.

The master makes it before there are workers and removes it when it leaves. Standard library only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

#: Where Linux keeps files in memory, for everybody.
SHARED_MEMORY = Path("/dev/shm")
#: Where prometheus-client looks for it.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "bpu-metrics"


def make_folder(state: Path, *, memory: Path = SHARED_MEMORY, mounts: Path = Path("/proc/self/mounts")) -> Path:
    """The folder of this process, always the same: in `state` if that is in memory, else in `memory`, else in `state`.

    Folders of gateways that are no more are removed. Raises OSError when none can be made.
    """
    places = [place for place in (state, memory) if _in_memory(place, mounts) and os.access(place, os.W_OK)]
    parent = (places or [state])[0]
    for stale in parent.glob(f"{_PREFIX}-{os.getuid()}-*"):
        if not _lives(stale.name.rpartition("-")[2]):
            shutil.rmtree(stale, ignore_errors=True)
    folder = parent / f"{_PREFIX}-{os.getuid()}-{os.getpid()}"
    if os.environ.get(VARIABLE) != str(folder):
        # Left by another process that had our number; what this process made itself is kept over a reload.
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def remove_folder(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)


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
