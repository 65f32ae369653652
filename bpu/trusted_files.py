"""Reads a settings file only if no other user could have written it.

Root reads files that, with every folder above them, belong to root and that no other user may write. Another user
reads their own files and root's. A folder with the sticky bit (as /tmp) is accepted: in it only the owner of an entry
can replace that entry.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bpu.errors import SettingsError
from bpu.messages import say

#: A settings file is written by hand; a larger one is not one.
MOST_BYTES = 256 * 1024
_MOST_LINKS = 40


def read_trusted(path: Path, *, most: int = MOST_BYTES) -> str:
    """The text of `path`. Raises `FileNotFoundError`, and `SettingsError` for a file that must not be believed."""
    path = path.absolute()
    try:
        for place, status in _steps(path):
            if (reason := _distrust(status, is_last=place == path)) is not None:
                raise SettingsError(say("files.distrusted", path=path, place=place, reason=say(f"files.{reason}")))
        # A FIFO must not block the reader; the descriptor is judged again because the name may have changed hands.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if (reason := _distrust(status, is_last=True)) is not None:
                raise SettingsError(say("files.distrusted", path=path, place=path, reason=say(f"files.{reason}")))
            data = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingsError(say("files.unreadable", path=path, reason=error.strerror or error)) from None
    if len(data) > most:
        raise SettingsError(say("files.too_large", path=path, most=most))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(say("files.not_utf8", path=path, at=error.start)) from None


def _steps(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every folder and link on the way to `path`, links followed one by one, and last the file itself."""
    todo = list(reversed(path.parts[1:]))
    here, links = Path("/"), 0
    yield here, here.lstat()
    while todo:
        part = todo.pop()
        if part == "..":
            here = here.parent
            continue
        there = here / part
        status = there.lstat()
        if not stat.S_ISLNK(status.st_mode):
            here = there
            # The name that was asked for stands for the file that its links lead to.
            yield (path if not todo else here), status
            continue
        yield there, status
        links += 1
        if links > _MOST_LINKS:
            raise SettingsError(say("files.unreadable", path=path, reason="ELOOP"))
        target = there.readlink()
        if target.is_absolute():
            here = Path("/")
        todo += reversed([part for part in target.parts if part != "/"])


def _distrust(status: os.stat_result, *, is_last: bool) -> str | None:
    """Why a file, folder or link must not be believed; None if it may."""
    user = os.geteuid()
    if status.st_uid not in {0, user}:
        return "foreign"
    if stat.S_ISLNK(status.st_mode):
        return None  # the mode of a link means nothing
    if is_last and not stat.S_ISREG(status.st_mode):
        return "no_file"
    shared = stat.S_ISDIR(status.st_mode) and not is_last and bool(status.st_mode & stat.S_ISVTX)
    if shared:
        return None
    # The group of a user's own is no other user; root's group may have members.
    own_group = user != 0 and status.st_gid == os.getegid()
    forbidden = stat.S_IWOTH | (0 if own_group else stat.S_IWGRP)
    return "writable" if status.st_mode & forbidden else None
