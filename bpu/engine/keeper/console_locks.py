"""The locks of all console programs of a table, which the keeper holds for life. Standard library only.

Each lock is on a program's own file. A model can be loaded by any program of the table, so holding all of them is what
makes one console the only one of the board. Every keeper takes them in sorted order.
"""

from __future__ import annotations

import os
from pathlib import Path

from bpu.engine.file_locks import FileLock, try_lock
from bpu.engine.launch_spec import LaunchSpec


class ConsoleLocks:
    """`fds` are the descriptors of all locks; the list is the same object for life, and the console inherits them."""

    def __init__(self) -> None:
        self.fds: list[int] = []
        self._locks: dict[str, tuple[FileLock, bool]] = {}

    def add(self, path: str, lock: FileLock, *, owned: bool) -> None:
        """Hold a lock that was taken; `owned`: its file lies in the state folder and may be made again."""
        self._locks[path] = lock, owned
        self.fds.append(lock.fd)

    def take(self, launch: LaunchSpec) -> bool:
        """Hold the lock of a launch; False when another process has it. Raises OSError."""
        if launch.lock_path not in self._locks:
            lock = try_lock(Path(launch.lock_path), create=launch.owns_lock)
            if lock is None:
                return False
            self.add(launch.lock_path, lock, owned=launch.owns_lock)
        return True

    def still_held(self) -> bool:
        """Whether every lock's file is the one that is locked; a new file in its place is locked instead."""
        return all(self._holds(path, *held) for path, held in self._locks.items())

    def _holds(self, path: str, held: FileLock, owned: bool) -> bool:
        identity = file_id(Path(path))
        if identity == file_id(held.fd) or (identity is None and not owned):
            return True
        lock = try_lock(Path(path), create=owned)
        if lock is None:
            return False
        os.dup2(lock.fd, held.fd, inheritable=False)  # the next console inherits it by this number
        lock.close()
        return True

    def close(self) -> None:
        for lock, _ in self._locks.values():
            lock.close()
        self._locks.clear()
        self.fds.clear()


def file_id(file: Path | int) -> tuple[int, int, int] | None:
    """What tells a file from one that was made later under the same name; None when there is none."""
    try:
        status = os.stat(file)  # noqa: PTH116  # of a path or a descriptor
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns
