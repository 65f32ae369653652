"""Reads and writes the pools' sizes in `/boot/config.txt`.

The boot loader of the S100 puts them into its device tree. Format, by D-Robotics' documentation of its parser
(`drobot_boot_config.c`): one `key=value` a line, `#` begins a comment, a key that begins with `ion` sets a size:
`ion=ion_carveout_size=0xf0000000`. The last of several lines wins. This module changes only such lines, and restores
the file byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bpu.board.errors import BoardError
from bpu.board.files import Backup, Files, checksum
from bpu.models.names import board_of

NAME = "config.txt"
#: Pools that have a key; the S600's `ion_uncache` has none.
POOLS = ("ion_cma", "ion_reserved", "ion_carveout")
#: The most bytes of a line that the parser reads.
LONGEST_LINE = 1024
#: More than any settings file of a boot loader has.
_MOST_BYTES = 1 << 20

_ION = re.compile(rb"\A[ \t]*ion[^=\s]*[ \t]*=[ \t]*(?P<pool>ion_\w+)_size[ \t]*=(?P<size>[^\r\n]*)\r?\n?\Z")
_SIZE = re.compile(rb"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,19}")


@dataclass(frozen=True)
class Saved:
    """The result of a change.

    The file, its backup, whether that is new, and the new content's SHA-256.
    """

    path: Path
    copy: Path
    copy_is_new: bool
    sha256: str
    kept_others: bool = False


def config_file(boot_dir: Path, model: str) -> Path | None:
    """Return the boot loader's file if it exists.

    It is documented only for the S100 family.
    """
    path = boot_dir / NAME
    return path if path.is_file() and board_of(model) in ("S100", "S100P") else None


def sizes(data: bytes) -> dict[str, int]:
    """Return the bytes of each pool that the file sets.

    Lines with unreadable sizes are ignored.
    """
    found: dict[str, int] = {}
    for line in _lines(data):
        pool, size = _pool_of(line), _size_of(line)
        if pool and size:
            found[pool] = size
    return found


def with_sizes(data: bytes, wanted: Mapping[str, int]) -> bytes:
    """Return `data` with the sizes of `wanted` in the pools' lines.

    Pools without a line are appended. All other lines stay byte for byte. The last line ends in a line break, because
    some boot loaders skip it otherwise.
    """
    lines, missing = [], dict(wanted)
    for line in _lines(data):
        pool = _pool_of(line)
        if pool is not None and pool in wanted:
            missing.pop(pool, None)
            fine = _size_of(line) == wanted[pool] and line.endswith(b"\n") and not line.endswith(b"\r\n")
            lines.append(line if fine else _line(pool, wanted[pool]))
        else:
            lines.append(line)
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    return b"".join([*lines, *(_line(pool, size) for pool, size in missing.items())])


def without_changes(data: bytes, before: bytes) -> bytes:
    """Return `data` with the pools' lines of `before`; all other lines of `data` stay."""
    old = sizes(before)
    kept = [line for line in _lines(data) if _pool_of(line) in (None, *old)]
    return with_sizes(b"".join(kept), old)


class BootConfig:
    """Changes one `config.txt`.

    After a `BoardError` or OSError the file is the old or the new one, whole.
    """

    def __init__(self, path: Path, files: Files | None = None) -> None:
        self.path = path.resolve()  # a link must not be replaced by a file
        self._files = files or Files()
        self.copy = Backup(self.path, self._files)
        self._new = self.path.with_name(f".{NAME}.new")

    def read(self) -> bytes:
        """Read the whole file. Raises `BoardError` if it is too large, and OSError."""
        if self.path.stat().st_size > _MOST_BYTES:
            raise BoardError("ion.config_too_large", path=self.path)
        return self._files.read(self.path)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each pool that the file sets."""
        return sizes(self.read())

    def has_crlf(self) -> bool:
        """Whether a pool's line ends in CRLF, which the boot loader may not accept."""
        return any(line.endswith(b"\r\n") for line in _lines(self.read()) if _pool_of(line))

    def apply(self, wanted: Mapping[str, int]) -> Saved:
        """Make and verify a backup, then write the sizes."""
        before = self.read()
        after = with_sizes(before, wanted)
        if any(len(line) > LONGEST_LINE for line in _lines(after) if _pool_of(line)):
            raise BoardError("ion.config_too_large", path=self.path)
        made = self.copy.make(before)
        self._put(after)
        return Saved(self.path, self.copy.path, made, checksum(after))

    def restore(self) -> Saved:
        """Restore the file as it was before the first `apply`, and delete the backup.

        If other lines were changed since, they stay and only the pools' lines are restored.
        """
        before, now = self.copy.read(), self.read()
        ours = _other_lines(now) == _other_lines(before)
        after = before if ours else without_changes(now, before)
        self._put(after)
        self.copy.remove()
        return Saved(self.path, self.copy.path, False, checksum(after), kept_others=not ours)

    def _put(self, data: bytes) -> None:
        self._files.put(self.path, data, via=self._new)
        if self._files.read(self.path) != data:
            raise BoardError("ion.config_differs", path=self.path, copy=self.copy.path)


def _lines(data: bytes) -> Iterator[bytes]:
    """Split at `\\n` only; lines keep their ends."""
    return iter(re.findall(rb"[^\n]*\n|[^\n]+\Z", data))


def _pool_of(line: bytes) -> str | None:
    """Return the pool that a line sets.

    Return None for all other lines, also for those of an unknown pool.
    """
    found = _ION.match(line)
    pool = found["pool"].decode("ascii", "replace") if found else None
    return pool if pool in POOLS else None


def _other_lines(data: bytes) -> list[bytes]:
    """Return all lines that set no pool, without their ends."""
    return [line.rstrip(b"\n") for line in _lines(data) if _pool_of(line) is None]


def _size_of(line: bytes) -> int | None:
    found = _ION.match(line)
    size = _SIZE.fullmatch(found["size"].strip(b" \t")) if found else None
    return int(size[0], 0 if size[0][:2].lower() == b"0x" else 10) if size else None


def _line(pool: str, size: int) -> bytes:
    return f"ion={pool}_size={size:#x}\n".encode()
