"""Replaces boot files so that they are never half written, and keeps a backup.

Each step is a method, so that tests can let every single one fail and check what is left.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from bpu.board.errors import BoardError


class Files:
    """Operations on real files. Errors are `OSError`; `put` leaves no half-written file behind."""

    def read(self, path: Path) -> bytes:
        """Read a whole file. Raises OSError."""
        return path.read_bytes()

    def write(self, path: Path, data: bytes, mode: int) -> None:
        """Write all of `data` and wait until it is on the medium."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def sync(self, path: Path) -> None:
        """Wait until a file or a folder's list of names is on the medium.

        Another program may have written the file.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, old: Path, new: Path) -> None:
        """Rename `old` to `new` in one step, so that `new` is never missing. Raises OSError."""
        old.replace(new)

    def remove(self, path: Path) -> None:
        """Delete a file; a missing one is no error."""
        path.unlink(missing_ok=True)

    def put(self, path: Path, data: bytes, *, via: Path) -> None:
        """Make `data` the content of `path`, whole or not at all.

        It is written by way of `via` in the same folder.
        """
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        try:
            self.write(via, data, mode)
            self.swap(via, path)
        except BaseException:
            with contextlib.suppress(OSError):
                self.remove(via)
            raise

    def swap(self, new: Path, path: Path) -> None:
        """Replace `path` by the complete file `new`.

        Wait until the folder is on the medium.
        """
        self.sync(new)
        self.replace(new, path)
        self.sync(path.parent)


def checksum(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Backup:
    """The copy of a boot file before its first change.

    It is made once, never overwritten, and used only while its checksum is the one in the file beside it.
    """

    def __init__(self, tree: Path, files: Files) -> None:
        self.path = tree.with_name(f"{tree.name}.SUPER_SAFE")
        self._note = tree.with_name(f"{tree.name}.SUPER_SAFE.sha256")
        self._new = tree.with_name(f".{tree.name}.SUPER_SAFE.new")
        self._files = files

    def exists(self) -> bool:
        """Whether a copy was made before."""
        return self.path.exists()

    def make(self, data: bytes) -> bool:
        """Write the copy of `data`, or verify the one that exists.

        Return whether it is new.
        """
        if self.exists():
            self.read()
            return False
        # The checksum file first, because a copy without one is used unverified.
        self._files.put(self._note, f"{checksum(data)}  {self.path.name}\n".encode(), via=self._new)
        self._files.put(self.path, data, via=self._new)
        if self.read() != data:
            raise BoardError("ion.copy_differs", path=self.path)
        return True

    def remove(self) -> None:
        """Delete the copy, then its checksum file, because a copy without one is used unverified."""
        self._files.remove(self.path)
        self._files.remove(self._note)

    def read(self) -> bytes:
        """Read and verify the copy. Raises `BoardError`."""
        if not self.exists():
            raise BoardError("ion.no_copy", path=self.path)
        data = self._files.read(self.path)
        if self._note.exists() and self._files.read(self._note).decode().split()[:1] != [checksum(data)]:
            raise BoardError("ion.copy_damaged", path=self.path, note=self._note)
        return data
