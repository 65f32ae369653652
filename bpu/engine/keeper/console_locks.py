"""Holds the locks of all console programs of a table until the keeper ends.

It uses the standard library only. Each lock is on a program's own file. Any program of the table can load a model, so
the keeper must hold all locks to make its console the only one of the board. Every keeper takes them in sorted order,
which prevents a deadlock.
"""

from __future__ import annotations

import os
from pathlib import Path

from bpu.engine.file_locks import FileLock, try_lock
from bpu.engine.launch_spec import LaunchSpec


class ConsoleLocks:
    """Holds the locks; owned by the keeper, in its one thread.

    `fds`, always the same list, are the descriptors that consoles inherit.
    """

    def __init__(self) -> None:
        self.fds: list[int] = []
        self._locks: dict[str, tuple[FileLock, bool]] = {}

    def add(self, path: str, lock: FileLock, *, owned: bool) -> None:
        """Add a lock that was taken.

        `owned`: its file lies in the state folder and may be made again.
        """
        self._locks[path] = lock, owned
        self.fds.append(lock.fd)

    def take(self, launch: LaunchSpec) -> bool:
        """Take the lock of a launch; False when another process holds it. Raises OSError."""
        if launch.lock_path not in self._locks:
            lock = try_lock(Path(launch.lock_path), create=launch.owns_lock)
            if lock is None:
                return False
            self.add(launch.lock_path, lock, owned=launch.owns_lock)
        return True

    def still_held(self) -> bool:
        """Whether this process holds every lock.

        A file that replaced a locked one is locked instead.
        """
        return all(self._holds(path, *held) for path, held in self._locks.items())

    def _holds(self, path: str, held: FileLock, owned: bool) -> bool:
        identity = file_id(Path(path))
        if identity == file_id(held.fd) or (identity is None and not owned):
            return True
        lock = try_lock(Path(path), create=owned)
        if lock is None:
            return False
        os.dup2(lock.fd, held.fd, inheritable=False)  # the next console inherits it under the same number
        lock.close()
        return True

    def close(self) -> None:
        """Close all locks, at the keeper's end."""
        for lock, _ in self._locks.values():
            lock.close()
        self._locks.clear()
        self.fds.clear()


def file_id(file: Path | int) -> tuple[int, int, int] | None:
    """Identify a file, so that a later one with the same name differs.

    Return None when there is no file.
    """
    try:
        status = os.stat(file)  # noqa: PTH116  # of a path or a descriptor
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns
