"""Which processes can write to a pipe, read from /proc.

It uses the standard library only, because the keeper imports it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def _is_writable(info: Path) -> bool:
    """Whether a descriptor is open for writing, by its file in `fdinfo`."""
    flags = next((line.split()[1] for line in info.read_text().splitlines() if line.startswith("flags:")), "0")
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def can_write(process: Path, pipe: str, *, is_writable: Callable[[Path], bool] = _is_writable) -> bool | None:
    """Whether `process` can write to `pipe`; None where /proc does not show it.

    `process` is its folder in /proc, `pipe` a link's target (`pipe:[inode]`).

    Both ends of a pipe have one inode, so the descriptor's flags decide. The link is read again after the flags,
    because a process that closes the reading end may open a socket, which is writable, under the same number.
    """
    try:
        descriptors = list((process / "fd").iterdir())
    except FileNotFoundError:
        return False  # the process has ended
    except OSError:
        return None
    is_hidden = False
    for descriptor in descriptors:
        if _target(descriptor) != pipe:
            continue
        try:
            found = is_writable(process / "fdinfo" / descriptor.name)
        except OSError:
            is_hidden = True
            continue
        if found and _target(descriptor) == pipe:
            return True
    return None if is_hidden else False


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
