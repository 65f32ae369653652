"""Every Python process with this folder in `PYTHONPATH` can reach nothing but the machine that it runs on.

An attempt is refused and noted in the file that `REACHED` names, because a client may keep the refusal to itself.
"""

from __future__ import annotations

import os
import sys
from typing import Any

LOCAL = ("127.", "::1", "localhost")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path is this machine's
    else:
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name and not name.startswith(LOCAL):
        with open(os.environ["REACHED"], "a") as file:  # noqa: PTH123 (as little as possible is imported here)
            file.write(f"{event} {name}\n")
        raise ConnectionRefusedError(f"{name} is not this machine")


sys.addaudithook(_watch)
