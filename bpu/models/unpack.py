"""Unpacks an untrusted archive into one folder, with limits.

`tarfile` only reads the headers; this module checks names, types and sizes, because Python's own filter is not in every
3.10 and accepts links.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

#: More entries than any archive of a model has.
MOST_ENTRIES = 2000
_MOST_HEADER = 1 << 20
_BLOCK = 1 << 20
_NAME = re.compile(r"(?!\.{1,2}\Z)[^/\0-\x1f\x7f\\]{1,200}\Z")
_MOST_DEPTH = 8


class BadArchive(Exception):
    """The archive is damaged or has forbidden entries. Its text is the reason."""


class _LimitedStream:
    """A stream that allows `left` more bytes, so that no header can use all memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.left = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise BadArchive("a header is too large")
        return data


def unpack(
    archive: Path, folder: Path, *, most_bytes: int, progress: Callable[[int], None] = lambda done: None
) -> None:
    """Unpack the `.tar.gz` into the new folder `folder`; at most `most_bytes` are written.

    After `BadArchive` or OSError the folder is deleted. `progress` gets the bytes written so far.
    """
    folder.mkdir(parents=True)
    try:
        with gzip.open(archive) as stream:
            _unpack(_LimitedStream(stream), folder, most_bytes, progress)  # type: ignore[arg-type]
    except (
        tarfile.TarError,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        ValueError,
        OverflowError,
        RecursionError,
    ) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BadArchive(str(error) or type(error).__name__) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _unpack(stream: _LimitedStream, folder: Path, most_bytes: int, progress: Callable[[int], None]) -> None:
    stream.left = _MOST_HEADER
    with tarfile.open(fileobj=stream, mode="r|", bufsize=tarfile.BLOCKSIZE) as tar:  # type: ignore[call-overload]
        entries = written = 0
        while (member := tar.next()) is not None:
            tar.members.clear()  # tarfile would keep all members in memory
            entries += 1
            if entries > MOST_ENTRIES:
                raise BadArchive(f"it holds more than {MOST_ENTRIES} entries")
            target = _target_path(folder, member.name)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif member.isreg() and not member.issparse():
                written += member.size
                if member.size < 0 or written > most_bytes:
                    raise BadArchive(f"it holds more than {most_bytes} bytes")
                stream.left = member.size + _MOST_HEADER
                _write(tar, member, target, written - member.size, progress)
            else:
                raise BadArchive(f"{member.name[:100]!r} is neither a file nor a folder")
            stream.left = _MOST_HEADER
    # The checksum of the compressed data is after the last entry.
    while stream.read(_BLOCK >> 4):
        pass


def _target_path(folder: Path, name: str) -> Path:
    parts = [part for part in name.split("/") if part not in ("", ".")] if not name.startswith("/") else [""]
    if len(parts) > _MOST_DEPTH or not all(_NAME.match(part) for part in parts):
        raise BadArchive(f"{name[:100]!r} leads out of the folder, or is no name of a file")
    return folder.joinpath(*parts)


def _write(
    tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, before: int, progress: Callable[[int], None]
) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise BadArchive(f"{member.name[:100]!r} cannot be read")
    target.parent.mkdir(parents=True, exist_ok=True)
    # The folder is new and holds no links, so only a second entry of the same name can be there.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(target, flags, 0o644)
    except FileExistsError:
        raise BadArchive(f"{member.name[:100]!r} is there twice") from None
    left = member.size
    with os.fdopen(descriptor, "wb") as file:
        while left > 0:
            data = source.read(min(_BLOCK, left))
            if not data:
                raise BadArchive("it ends within a file")
            file.write(data)
            left -= len(data)
            progress(before + member.size - left)
