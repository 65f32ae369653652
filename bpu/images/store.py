"""Keeps decoded images as files for the console, in a private folder.

All of them together are limited. The name of a file holds the process that owns it, so that any later process can
remove what a killed one left.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from bpu.errors import EngineUnavailable, Overloaded

#: The most bytes of all files together.
LIMIT_BYTES = 64 * 1024 * 1024
FOLDER = "images"
#: The name of a file that `save` writes.
_NAME = re.compile(r"(?P<owner>(?P<pid>[0-9]{1,10})-[0-9]+)_[0-9a-f]{16}\.bmp")


class ImageStore:
    """The image files of one worker or command in the folder of all of them.

    It may be used in any thread.
    """

    def __init__(self, state_dir: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder, self._limit = state_dir / FOLDER, limit_bytes
        self._owner = owner_of(os.getpid())

    def sweep(self) -> None:
        """Remove the files of processes that are gone."""
        for path in self._files():
            name = _NAME.fullmatch(path.name)
            if name is not None and name["owner"] != owner_of(int(name["pid"])):
                with suppress(OSError):
                    path.unlink()

    def save(self, files: Sequence[bytes]) -> tuple[str, ...]:
        """Write the files, and return their paths. Raises `Overloaded`, or `EngineUnavailable` for an unusable folder.

        Afterwards all of the files are there, or none.
        """
        saved: list[str] = []
        try:
            for data in files:
                saved.append(self._save(data))
        except BaseException:
            self.remove(saved)
            raise
        return tuple(saved)

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files that `save` has written; those that are gone already are ignored."""
        for path in paths:
            with suppress(OSError):
                Path(path).unlink()

    def _save(self, data: bytes) -> str:
        try:
            path = str(self._usable_folder() / f"{self._owner}_{secrets.token_hex(8)}.bmp")
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(fd, len(data))  # counts from now on, so that two processes cannot both take the last room
                if self._used() > self._limit:
                    raise Overloaded("As many images wait as the gateway can hold; try again soon.", retry_after=5)
                with os.fdopen(os.dup(fd), "wb") as file:
                    file.write(data)
            except BaseException:
                self.remove([path])
                raise
            finally:
                os.close(fd)
        except OSError as error:
            raise EngineUnavailable(f"The image cannot be written below BPU_STATE_DIR: {error.strerror}.") from error
        return path

    def _usable_folder(self) -> Path:
        """Make the folder.

        Raises `OSError`, or `EngineUnavailable` for an open one or a path no console could read.
        """
        text = os.fsencode(self._folder)
        if b"," in text or not str(self._folder).isprintable():
            raise EngineUnavailable(
                "The console cannot read images below BPU_STATE_DIR: its path holds a comma or an unusual character."
            )
        with suppress(FileExistsError):
            self._folder.mkdir(mode=0o700, parents=True)
        if not self._is_own():
            raise EngineUnavailable(
                "The folder `images` below BPU_STATE_DIR is not private to the user of this process: remove it."
            )
        return self._folder

    def _is_own(self) -> bool:
        """Whether the folder is a real one (no link), of this user, and private."""
        found = os.lstat(self._folder)
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077

    def _files(self) -> Iterator[Path]:
        with suppress(OSError):
            if self._is_own():
                yield from sorted(self._folder.iterdir())

    def _used(self) -> int:
        used = 0
        for path in self._files():
            with suppress(OSError):
                used += path.stat().st_size
        return used


def owner_of(pid: int) -> str:
    """Name a process by its id and its start, because ids are used again.

    The result is "" if there is no process in the name.
    """
    try:
        started = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{pid}-{started.decode()}"
