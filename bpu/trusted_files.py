"""Reads a settings file only if no other user could have written it.

For root, the file and every folder above it must belong to root and be writable by root only. For another user they
must belong to that user or root. A folder with the sticky bit (as /tmp) is accepted, because only the owner of an
entry can replace it. A group may write if the user is its only member, as in a user private group of Debian.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from bpu.errors import SettingsError
from bpu.messages import os_reason, translate

#: Size limit; settings files are written by hand and much smaller.
MOST_BYTES = 256 * 1024
_MOST_LINKS = 40


def read_trusted(path: Path, *, most: int = MOST_BYTES) -> str:
    """Read the text of `path`.

    Raises `FileNotFoundError`, and `SettingsError` for a file that is not trusted.
    """
    path = path.absolute()
    try:
        for place, status in _steps(path):
            if (reason := _distrust(status, is_last=place == path)) is not None:
                raise SettingsError(
                    translate("files.distrusted", path=path, place=place, reason=translate(f"files.{reason}"))
                )
        # A FIFO must not block. The descriptor is checked again because the name may lead to another file by now.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if (reason := _distrust(status, is_last=True)) is not None:
                raise SettingsError(
                    translate("files.distrusted", path=path, place=path, reason=translate(f"files.{reason}"))
                )
            data = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingsError(translate("files.unreadable", path=path, reason=os_reason(error))) from None
    if len(data) > most:
        raise SettingsError(translate("files.too_large", path=path, most=most))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(translate("files.not_utf8", path=path, at=error.start)) from None


def _steps(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield every folder and link on the way to `path`, and the file.

    Links are followed one by one; the file itself comes last.
    """
    todo = list(reversed(path.parts[1:]))
    position, links = Path("/"), 0
    yield position, position.lstat()
    while todo:
        part = todo.pop()
        if part == "..":
            position = position.parent
            continue
        entry = position / part
        status = entry.lstat()
        if not stat.S_ISLNK(status.st_mode):
            position = entry
            # The last entry is reported under the requested name.
            yield (path if not todo else position), status
            continue
        yield entry, status
        links += 1
        if links > _MOST_LINKS:
            raise SettingsError(translate("files.unreadable", path=path, reason=os_reason(OSError(errno.ELOOP, ""))))
        target = entry.readlink()
        if target.is_absolute():
            position = Path("/")
        todo += reversed([part for part in target.parts if part != "/"])


def _distrust(status: os.stat_result, *, is_last: bool) -> str | None:
    """Say why a file, folder or link is not trusted; None if it is."""
    user = os.geteuid()
    if status.st_uid not in {0, user}:
        return "foreign"
    if stat.S_ISLNK(status.st_mode):
        return None  # a link's mode has no effect
    if is_last and not stat.S_ISREG(status.st_mode):
        return "no_file"
    shared = stat.S_ISDIR(status.st_mode) and not is_last and bool(status.st_mode & stat.S_ISVTX)
    if shared:
        return None
    if status.st_mode & stat.S_IWOTH:
        return "writable"
    if status.st_mode & stat.S_IWGRP and (user == 0 or not _is_only_member(user, status.st_gid)):
        return "writable"
    return None


def _is_only_member(user: int, group: int) -> bool:
    """Whether `user` is the only member of the group.

    It judges by the machine's lists of users and groups; False for an unknown user.
    """
    members = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == group}
    try:
        members |= {pwd.getpwnam(name).pw_uid for name in grp.getgrgid(group).gr_mem}
    except KeyError:
        return False  # a group or member that the lists do not know
    return members == {user}
